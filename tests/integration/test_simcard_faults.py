# SPDX-License-Identifier: Apache-2.0
"""Each fault of the simulated card does what its name says; the list of faults and this file know each other."""
import hashlib
import subprocess
import time

import pytest
from simcardlib import JPKI, ControlError, Station, demo_cards, wait_for

SIGN = "802A0097333031300D060960864801650304020105000420" + hashlib.sha256(b"x").hexdigest() + "00"
OTHER_SIGN = SIGN.replace(hashlib.sha256(b"x").hexdigest(), hashlib.sha256(b"y").hexdigest())
VERIFY, WRONG, TRIES = "002000980431323334", "002000980439393939", "00200098"
SELECT_CERT, SELECT_TOKEN = "00A4020C02000A", "00A4020C020006"
REMOVED = 0x80100069


@pytest.fixture(scope="module")
def running():
    with Station(demo_cards(), insert="card-1") as started:
        yield started


@pytest.fixture
def station(running):
    running.ask("fault none")
    running.ask("unblock card-1")
    if running.slot().get("card") != "card-1":
        running.insert("card-1")
    yield running
    running.ask("fault none")


@pytest.fixture
def card(station):
    with station.client() as client:
        client.connect()
        assert client.sw(JPKI) == "9000"
        yield client
        client.send("disconnect unpower")
        if client.answer(1) is None:
            station.insert("card-1")


def der(station, card="card-1", name="auth.der"):
    return (station.cards / card / name).read_bytes()


def read(card, command="00B0000000"):
    assert card.sw(SELECT_CERT) == "9000"
    return card.apdu(command)


def signature(card, command=SIGN):
    assert card.sw(VERIFY) == "9000"
    data, sw = card.apdu(command)
    assert sw == "9000"
    return data


def recovered(key, made):
    """What the signature opens to under the public key of that certificate, b'' if it is none."""
    return subprocess.run(["openssl", "pkeyutl", "-verifyrecover", "-certin", "-inkey", key, "-in", made],
                          capture_output=True, check=False).stdout


@pytest.mark.parametrize("header", ["3082FFFF", "3080", "30847FFFFFFF", "0482FFFF"])
def test_der_header(station, card, header):
    station.ask(f"fault der-header {header}")
    data, sw = read(card)
    size = len(header) // 2
    assert sw == "9000" and data == bytes.fromhex(header) + der(station)[size:256]
    assert read(card, "00B0010004")[0] == der(station)[256:260]


@pytest.mark.parametrize("fault, header", [("endless", "3082FFFF"), ("cert-huge", "3083300000")])
def test_reads_without_end(station, card, fault, header):
    station.ask(f"fault {fault}")
    assert read(card)[0].startswith(bytes.fromhex(header))
    assert len(read(card, "00B07F0000")[0]) == 256
    assert card.sw(SELECT_TOKEN) == "9000"
    assert card.sw("00B07F0000") == "6B00", "other files end"


def test_cert_flip(station, card):
    station.ask("fault cert-flip 300")
    good = der(station)
    assert read(card)[0] == good[:256]
    assert read(card, "00B0010000")[0] == good[256:300] + bytes([good[300] ^ 1]) + good[301:512]


def test_cert_from_another_card(station, card):
    station.ask("fault cert-from card-2")
    assert read(card)[0] == der(station, "card-2")[:256] != der(station)[:256]
    with pytest.raises(ControlError, match="nobody"):
        station.ask("fault cert-from nobody")
    assert station.status()["fault"] == "cert-from card-2", "what fails changes nothing"


def test_sign_certificate_instead(station, card):
    station.ask("fault cert-sign")
    assert read(card)[0] == der(station, name="sign.der")[:256]


@pytest.mark.parametrize("word, token", [("phone", b"JPKIAPGPSETOKEN"), ("iphone", b"JPKIAPIOSTOKEN"),
                                         ("juki", b"JPKIAPICCTOKEN"), ("NOTHING", b"NOTHING")])
def test_token(station, card, word, token):
    station.ask(f"fault token {word}")
    assert card.sw(SELECT_TOKEN) == "9000"
    assert card.apdu("00B0000020") == (token.ljust(32), "9000")


@pytest.mark.parametrize("fault, size", [("read-empty", 0), ("read-one", 1), ("read-long", 272), ("read-long 40000", 40256)])
def test_sizes_of_reads(station, card, fault, size):
    station.ask(f"fault {fault}")
    data, sw = read(card)
    assert (len(data), sw) == (size, "9000")


@pytest.mark.parametrize("sw", ["6CFF", "61FF", "6F00", "6300"])
def test_status_words(station, card, sw):
    station.ask(f"fault sw {sw}")
    assert [card.sw(c) for c in (JPKI, WRONG, "00B08A0004")] == [sw] * 3
    assert station.slot()["tries"] == 3, "nothing is executed"
    station.ask(f"fault sw {sw} read")
    assert [card.sw(c) for c in (JPKI, TRIES, "00B08A0004")] == ["9000", "63C3", sw]


def test_half_a_status_word(station, card):
    station.ask("fault sw-short read:2")
    assert card.sw("00B08A0004") == "9000"
    assert card.do("apdu 00B08A0004") == (0, b"\x90")
    assert card.sw("00B08A0004") == "9000"


@pytest.mark.parametrize("fault", ["reply-empty sign", "hang sign"])
def test_no_answer_blocks_until_the_card_goes(station, card, fault):
    assert card.sw(VERIFY) == "9000"
    station.ask(f"fault {fault}")
    assert card.do("apdu " + SIGN, seconds=1.5) is None
    station.ask("remove")
    assert card.answer() is not None
    station.insert("card-1")


def test_first_command_fails(station):
    station.ask("fault first-6f00")
    with station.client() as card:
        card.connect()
        card.do("disconnect unpower")
        card.connect()
        assert [card.sw(JPKI), card.sw(JPKI), card.sw(TRIES)] == ["6F00", "9000", "63C3"]
        card.do("disconnect unpower")


def test_every_pin_is_right(station, card):
    station.ask("fault verify-ok")
    assert [card.sw(c) for c in (WRONG, SIGN)] == ["9000", "9000"]
    assert station.slot()["tries"] == 3


def test_tries_are_always_15(station, card):
    station.ask("fault tries-always")
    assert [card.sw(c) for c in (TRIES, WRONG, TRIES)] == ["63CF", "63C2", "63CF"]


@pytest.mark.parametrize("size", [0, 255, 257])
def test_length_of_signatures(station, card, size):
    station.ask(f"fault sig-length {size}")
    assert len(signature(card)) == size


def test_contents_of_signatures(station, card, tmp_path):
    good, other = signature(card), signature(card, OTHER_SIGN)
    modulus = subprocess.run(["openssl", "rsa", "-in", station.cards / "card-1/auth.key", "-noout", "-modulus"], check=True,
                             capture_output=True).stdout.strip().split(b"=")[1]
    answers = {}
    for fault in ("sig-zero", "sig-n", "sig-other-key", "sig-flip", "none"):
        station.ask(f"fault {fault}")
        answers[fault] = signature(card)
    assert answers["none"] == good != other
    assert answers["sig-zero"] == bytes(256)
    assert answers["sig-n"] == bytes.fromhex(modulus.decode())
    assert sum((a ^ b).bit_count() for a, b in zip(answers["sig-flip"], good)) == 1
    (tmp_path / "s").write_bytes(answers["sig-other-key"])
    for name, opens in (("auth", False), ("sign", True)):
        pem = subprocess.run(["openssl", "x509", "-inform", "der", "-in", station.cards / f"card-1/{name}.der"], check=True,
                             capture_output=True).stdout
        (tmp_path / "c").write_bytes(pem)
        assert (hashlib.sha256(b"x").digest() in recovered(tmp_path / "c", tmp_path / "s")) == opens


def test_replayed_signature(station, card):
    first = signature(card)
    station.ask("fault sig-replay")
    assert signature(card, OTHER_SIGN) == first
    station.ask("fault none")
    assert signature(card, OTHER_SIGN) != first


def test_slow(station, card):
    station.ask("fault slow 700 tries")
    began = time.monotonic()
    assert card.sw(TRIES) == "63C3"
    assert time.monotonic() - began >= 0.7
    assert station.ask("status"), "the control socket doesn't wait for the card"


@pytest.mark.parametrize("moment, tries, transmit", [("before", 3, False), ("after", 2, False), ("between", 2, True)])
def test_removal_around_a_verify(station, card, moment, tries, transmit):
    station.ask(f"fault remove-at verify {moment}")
    answer = card.do("apdu " + WRONG)
    assert (answer == (0, b"\x63\xc2")) == transmit
    assert station.slot() == {"slot": 0, "state": "empty"}
    assert station.status()["fault"] == "none", "once"
    station.ask("insert card-1")
    station.wait_seen()
    assert station.slot()["tries"] == tries
    assert card.do("reconnect")[0] == 0
    assert card.sw(JPKI) == "9000"
    assert card.sw(TRIES) == f"63C{tries}"


def test_removal_at_a_numbered_command(station, card):
    station.ask("fault remove-at read:3 before")
    assert [read(card)[1], read(card)[1]] == ["9000", "9000"]
    assert card.do("apdu 00B0000000") in ((0, b""), (0x80100016, b""), (REMOVED, b""))
    station.insert("card-1")
    assert card.do("reconnect")[0] == 0
    station.ask("fault remove-at 2 after")
    assert card.sw(JPKI) == "9000"
    card.do("apdu " + SELECT_CERT)
    assert station.slot()["state"] == "empty"


def test_swap_between_verify_and_sign(station, card):
    station.ask("fault swap-at sign card-2")
    assert card.sw(VERIFY) == "9000"
    assert card.do("apdu " + SIGN)[1] == b""
    wait_for(lambda: station.slot().get("card") == "card-2", "the other card")
    station.wait_seen()
    assert card.do("apdu " + JPKI)[0] == REMOVED
    assert card.do("reconnect")[0] == 0
    assert [card.sw(JPKI), card.sw(SIGN)] == ["9000", "6982"]
    assert read(card)[0] == der(station, "card-2")[:256]


@pytest.mark.parametrize("line, says", [
    ("fault", "usage"), ("fault nothing", "no such fault"), ("fault sw", "usage: fault sw"), ("fault sw XY", "usage"),
    ("fault remove-at sign sometime", "usage"), ("fault remove-at sing before", "usage"), ("fault slow -1", "usage"),
    ("fault endless 3", "usage"), ("insert ../card-1", "not a card"), ("insert nobody", "missing"), ("tries 99", "0 to 15"),
    ("insert card-1 2", "slots"), ("insert", "usage"), ("status now", "usage"), ("explode", "no such verb"), ("", "verb"),
])
def test_refused_lines(station, line, says):
    before = station.status()
    with pytest.raises(ControlError, match=says):
        station.ask(line)
    assert station.status() == before


def test_long_lines_end_the_connection_only(station):
    with pytest.raises(ControlError):
        station.ask("fault " + "x" * 500)
    try:
        station.ask("x" * 5000)
    except (ControlError, ConnectionError):
        pass
    assert station.slot()["card"] == "card-1"


def test_every_fault_is_tried_here(station):
    """A fault added to the table needs a test of its effect in this file."""
    with open(__file__, encoding="utf-8") as file:
        text = file.read()
    names = [line.split()[0] for line in station.ask("faults")[1:]]
    assert len(names) > 20
    assert [name for name in names if name not in text] == []
