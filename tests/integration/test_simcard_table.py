# SPDX-License-Identifier: Apache-2.0
"""The simulated card answers as the table of a real one says, command by command, through pcscd."""
import hashlib
import subprocess

import pytest
from simcardlib import JPKI, Station, demo_cards

DIGEST_INFO = "3031300D060960864801650304020105000420"
HASH = hashlib.sha256(b"challenge").hexdigest().upper()
SIGN = f"802A008033{DIGEST_INFO}{HASH}00"
PIN, SELECT_PIN, SELECT_KEY = "002000800431323334", "00A4020C020018", "00A4020C020017"
WRONG = "002000800439393939"
SIGN_PIN = "0020008006" + b"ABC123".hex()


@pytest.fixture(scope="module")
def station():
    with Station(demo_cards()) as running:
        yield running


@pytest.fixture
def card(station):
    """A client of card-1 without power and with full tries."""
    if station.slot().get("card") != "card-1":
        station.insert("card-1")
    station.ask("unblock")
    with station.client() as client:
        client.connect()
        yield client
        client.do("disconnect unpower")


@pytest.fixture
def applet(card):
    assert card.sw(JPKI) == "9000"
    return card


def file_of(station, name):
    return (station.cards / "card-1" / name).read_bytes()


def test_before_the_applet_is_selected(card):
    assert card.sw("00A40000") == "6A86"
    assert card.sw(SELECT_PIN) == "6A86"
    assert card.sw("00B0000004") == "6986"
    assert card.sw(PIN) == "6986"
    assert card.sw("00A4040C0AD3921000310001010408") == "6A82"
    assert card.sw("00A4040C07A0000000031010") == "6A82"
    assert card.sw(JPKI) == "9000"
    assert card.sw("00A40000") == "9000"


@pytest.mark.parametrize("command, sw", [
    ("00A4020C020006", "9000"), ("00A4020C02000A", "9000"), ("00A4020C020017", "9000"), ("00A4020C02001B", "9000"),
    ("00A4020C020055", "6A82"), ("00A4020C0100", "6700"), ("00A4090C020006", "6A86"), ("00A4000C023F00", "6A82"),
    ("00CA000000", "6D00"), ("0084000008", "6D00"), ("802A00", "6700"), ("00B00000", "6700"),
    ("0CB0000004", "6882"), ("08A4020C020006", "6882"), ("90A4020C020006", "6E00"),
    ("00B00000000100", "6700"),
])
def test_selecting_and_unknown_commands(applet, command, sw):
    assert applet.sw(command) == sw


def test_selecting_the_applet_again_forgets_the_file(applet):
    assert applet.sw("00A4020C02000A") == "9000"
    assert applet.sw(JPKI) == "9000"
    assert applet.sw("00B0000004") == "6986"


def test_reading_a_certificate(station, applet):
    der = file_of(station, "auth.der")
    assert applet.sw("00A4020C02000A") == "9000"
    assert applet.apdu("00B0000004") == (der[:4], "9000")
    whole = b"".join(applet.apdu(f"00B0{offset:04X}00")[0] for offset in range(0, 2048, 256))
    assert whole == der + b"\xff" * (2048 - len(der))
    assert applet.apdu("00B007F000") == (b"\xff" * 16, "9000"), "short at the end"
    assert applet.sw("00B0080000") == "6B00" == applet.sw("00B07FFF00")
    assert applet.apdu("00B08A0004") == (der[:4], "9000"), "by short id"
    assert applet.apdu("00B08A1004") == (der[16:20], "9000")


def test_token_and_presence(applet):
    assert applet.sw("00A4020C020006") == "9000"
    assert applet.apdu("00B0000020") == (b"JPKIAPICCTOKEN2".ljust(32), "9000")
    assert len(applet.apdu("00B0000000")[0]) == 160
    assert applet.sw("00A4020C020008") == "9000"
    assert applet.apdu("00B0000003") == (b"\x8f\x8f\x00", "9000")


def test_reading_what_is_no_data(applet):
    assert applet.sw(SELECT_PIN) == "9000"
    assert applet.sw("00B0000004") == "6981"
    assert applet.sw(SELECT_KEY) == "9000"
    assert applet.sw("00B0000004") == "6981"


def test_sign_certificate_needs_its_pin(station, applet):
    assert applet.sw("00A4020C020001") == "9000"
    assert applet.sw("00B0000004") == "6982"
    assert applet.sw("00A4020C02001B") == "9000"
    assert applet.sw("00200080") == "63C5"
    assert applet.sw(SIGN_PIN) == "9000"
    assert applet.sw("00A4020C020001") == "9000"
    assert applet.apdu("00B0000004") == (file_of(station, "sign.der")[:4], "9000")


def test_pin_counts_down_and_back(station, applet):
    assert applet.sw(SELECT_PIN) == "9000"
    assert [applet.sw(c) for c in ("00200080", WRONG, "00200080", WRONG, PIN)] == ["63C3", "63C2", "63C2", "63C1", "9000"]
    assert applet.sw("00200080") == "63C3", "the question is answered with the tries left, verified or not"
    assert station.slot()["tries"] == 3


def test_pin_blocks(station, applet):
    assert applet.sw(SELECT_PIN) == "9000"
    assert [applet.sw(WRONG) for _ in range(4)] == ["63C2", "63C1", "63C0", "6984"]
    assert applet.sw(PIN) == "6984", "even the right one"
    assert applet.sw("00200080") == "63C0"
    assert applet.sw(SELECT_KEY) == "9000"
    assert applet.sw(SIGN) == "6982"
    station.ask("unblock")
    assert applet.sw(SELECT_PIN) == "9000"
    assert applet.sw(PIN) == "9000"


def test_a_wrong_pin_takes_the_right_away(applet):
    assert applet.sw(SELECT_PIN) == "9000"
    assert [applet.sw(c) for c in (PIN, WRONG, SELECT_KEY, SIGN)] == ["9000", "63C2", "9000", "6982"]


def test_odd_lengths_of_a_pin_cost_nothing(station, applet):
    assert applet.sw(SELECT_PIN) == "9000"
    assert applet.sw("0020008003313233") == "6700" == applet.sw("00200080053132333435")
    assert applet.sw("002001800431323334") == "6A86" == applet.sw("002000010431323334")
    assert station.slot()["tries"] == 3


def verify_signature(station, tmp_path, signature):
    key, made = tmp_path / "key", tmp_path / "signature"
    made.write_bytes(signature)
    text = subprocess.run(["openssl", "x509", "-inform", "der", "-in", station.cards / "card-1/auth.der", "-pubkey",
                           "-noout"], check=True, capture_output=True).stdout
    key.write_bytes(text)
    (tmp_path / "data").write_bytes(b"challenge")
    return subprocess.run(["openssl", "dgst", "-sha256", "-verify", key, "-signature", made, tmp_path / "data"],
                          capture_output=True, check=False).returncode == 0


def test_signing(station, applet, tmp_path):
    assert applet.sw(SELECT_KEY) == "9000"
    assert applet.sw(SIGN) == "6982", "no PIN yet"
    assert [applet.sw(c) for c in (SELECT_PIN, PIN, SELECT_KEY)] == ["9000"] * 3
    for _ in range(2):
        signature, sw = applet.apdu(SIGN)
        assert sw == "9000" and len(signature) == 256, "the PIN is good for more than one signature"
        assert verify_signature(station, tmp_path, signature)


def test_signing_by_short_ids(station, applet, tmp_path):
    assert applet.sw("00200098") == "63C3"
    assert applet.sw("002000980431323334") == "9000"
    signature, sw = applet.apdu(SIGN.replace("802A0080", "802A0097"))
    assert sw == "9000" and verify_signature(station, tmp_path, signature)


@pytest.mark.parametrize("p1, data", [("02", HASH), ("03", b"challenge".hex())])
def test_the_card_can_add_the_digest_info(station, applet, tmp_path, p1, data):
    assert applet.sw("002000980431323334") == "9000"
    signature, sw = applet.apdu(f"802A{p1}97{len(data) // 2:02X}{data}00")
    assert sw == "9000" and verify_signature(station, tmp_path, signature)


def test_refused_signatures(applet):
    assert [applet.sw(c) for c in (SELECT_PIN, PIN)] == ["9000"] * 2
    assert applet.sw(SIGN) == "6985", "the PIN's file is no key"
    assert applet.sw(SELECT_KEY) == "9000"
    assert applet.sw(SIGN.replace("802A00", "802A06")) == "6A86"
    assert applet.sw("802A0080F6" + "AA" * 246 + "00") == "6700"
    assert applet.sw("802A0080F5" + "AA" * 245 + "00") == "9000"
    assert applet.sw("802A028005010203040500") == "6985"
    assert applet.sw(SIGN.replace("802A", "002A")) == "6D00"


def test_changing_the_pin(station, applet):
    assert applet.sw(SELECT_PIN) == "9000"
    assert applet.sw("002401800435363738") == "6982"
    assert [applet.sw(c) for c in (PIN, "002401800435363738", PIN, "002000800435363738")] == ["9000", "9000", "63C2", "9000"]
    assert [applet.sw(c) for c in ("002401800431323334", PIN)] == ["9000", "9000"]


def test_a_reset_keeps_the_pin_and_power_off_does_not(station, applet):
    assert applet.sw("002000980431323334") == "9000"
    assert applet.do("disconnect reset")[0] == 0
    applet.connect()
    assert applet.sw("00A4020C02000A") == "6A86", "nothing is selected after a reset"
    assert [applet.sw(c) for c in (JPKI, SELECT_KEY, SIGN)] == ["9000"] * 3
    assert applet.do("disconnect unpower")[0] == 0
    applet.connect()
    assert [applet.sw(c) for c in (JPKI, SELECT_KEY, SIGN)] == ["9000", "9000", "6982"]


def test_removal_forgets_the_pin(station, applet):
    assert applet.sw("002000980431323334") == "9000"
    station.insert("card-1")
    assert applet.do("apdu " + JPKI)[0] == 0x80100069
    assert applet.do("reconnect")[0] == 0
    assert [applet.sw(c) for c in (JPKI, SELECT_KEY, SIGN)] == ["9000", "9000", "6982"]


def test_a_child_s_card_has_no_signing_key(station):
    child = station.cards / "card-child"
    child.mkdir()
    for name in ("auth.der", "auth.key", "auth-ca.der"):
        (child / name).write_bytes(file_of(station, name))
    (child / "card.json").write_text('{"pin": "4321", "atr": "3BE000FF8131FE4514"}', encoding="ascii")
    station.insert("card-child")
    with station.client() as client:
        client.connect()
        assert [client.sw(c) for c in (JPKI, "00A4020C020001", "00A4020C02001B", "00A4020C02001A")] == ["9000"] + ["6A82"] * 3
        assert client.sw("002000980434333231") == "9000"
    assert station.run("opensc-tool", "-a").stdout.split()[-1] == b"3b:e0:00:ff:81:31:fe:45:14"
