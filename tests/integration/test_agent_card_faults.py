# SPDX-License-Identifier: Apache-2.0
"""What a broken, wrong or malicious card can do to the agent, and what the counter then says. The simulated card lives its
faults; the agent, the PC/SC daemon and, where the certificate is judged, jpki-verify are real."""
import json
import os
import signal
import threading
import time

import pytest
from agentlib import Refuse, Terminal, clear, commands, free_counter, pin_of, wait_for
from jpkilib import Verifier, run_testca
from simcardlib import JPKI, ROOT, Station, demo_cards
from wire import jpki

SIGN = "802A0080333031300D060960864801650304020105000420" + "00" * 32 + "00"


@pytest.fixture(scope="module")
def station():
    with Station(demo_cards()) as started:
        yield started


@pytest.fixture(scope="module")
def terminal(station):
    with Terminal(station) as started:
        started.page.wait("wait")
        yield started


@pytest.fixture(scope="module")
def alone():
    """Another reader, for terminals of one test."""
    with Station(demo_cards()) as started:
        yield started


@pytest.fixture
def desk(terminal):
    with free_counter(terminal) as free:
        yield free


def refused(seen, code):
    """The page's snapshot says this; nothing of a person's business is left in it."""
    assert seen["state"] == "error" and seen["error"]["code"] == code, seen
    assert "number" not in seen and "id" not in seen


# ---- before the PIN ----

UNREADABLE = {
    "header longer than any card": "der-header 3082FFFF",
    "header without a length": "der-header 30800000",
    "header of 2 GiB": "der-header 30847FFFFFFF",
    "header of another type": "der-header 0482FFFF",
    "reads never end": "endless",
    "certificate of 3 MiB": "cert-huge",
    "reads bring nothing": "read-empty",
    "reads bring one byte": "read-one",
    "reads exceed Le": "read-long",
    "reads exceed every buffer": "read-long 40000",
    "one byte for a status word": "sw-short",
    "one byte after the applet": "sw-short read",
    "6CFF for ever": "sw 6CFF",
    "61FF for ever": "sw 61FF",
    "6F00 for ever": "sw 6F00",
    "6300 for ever": "sw 6300",
    "6CFF when read": "sw 6CFF read",
    "61FF when read": "sw 61FF read",
    "6F00 when read": "sw 6F00 read",
    "6300 when asked for its tries": "sw 6300 tries",
    "9000 when asked for its tries": "sw 9000 tries",
}


@pytest.mark.parametrize("fault", UNREADABLE.values(), ids=UNREADABLE)
def test_card_that_can_not_be_read(desk, fault):
    desk.station.ask(f"fault {fault}")
    desk.station.ask("insert card-1")
    refused(desk.page.wait("error"), "CARD_UNREADABLE")
    assert not {"verify", "sign"} & set(commands(desk.station))
    assert len(commands(desk.station)) < 100
    desk.station.ask("fault none")
    desk.page.must("retry")  # it lies there still, and now behaves
    desk.page.wait("pin")


OTHERS = {
    "phone": ("token phone", "CARD_PHONE"),
    "iPhone": ("token iphone", "CARD_PHONE"),
    "old juki card": ("token juki", "CARD_OLD_JUKI"),
    "another token": ("token SOMETHING", "CARD_NOT_MYNUMBER"),
    "bank card": ("sw 6A82 select", "CARD_NOT_MYNUMBER"),
    "bank card without SELECT": ("sw 6D00 select", "CARD_NOT_MYNUMBER"),
    "bank card of another class": ("sw 6E00 select", "CARD_NOT_MYNUMBER"),
    "transit card": ("sw 6999 select", "CARD_NOT_MYNUMBER"),
}


@pytest.mark.parametrize("fault, code", OTHERS.values(), ids=OTHERS)
def test_another_card(desk, fault, code):
    desk.station.ask(f"fault {fault}")
    desk.station.ask("insert card-1")
    refused(desk.page.wait("error"), code)
    assert not {"verify", "sign", "tries"} & set(commands(desk.station))
    if "select" in fault:  # what isn't ours is left alone: no other applet is tried
        assert commands(desk.station) == ["select"]
    desk.station.ask("remove")
    desk.page.wait("wait")


def test_pulled_while_it_gets_power(desk):
    """For a moment still said to be there, but mute: it isn't called unreadable. Not every time is that moment met."""
    mark = desk.page.mark()
    for _ in range(6):
        desk.station.ask("fault remove-at power before")
        desk.station.ask("insert card-1")
        wait_for(lambda: desk.station.status()["fault"] == "none", "the card to be pulled", 20)
    desk.station.insert("card-2")
    desk.page.wait("pin")
    assert "CARD_UNREADABLE" not in json.dumps(desk.page.snapshots[mark:])


def test_first_command_fails_once(desk):
    desk.station.ask("fault first-6f00")
    desk.station.ask("insert card-1")
    assert desk.tap()["state"] == "number"


def test_always_many_tries(desk):
    desk.station.ask("fault tries-always")
    desk.station.ask("insert card-1")
    assert desk.page.wait("pin")["pin"] == {"entered": 0, "tries": 15, "last": False}
    assert desk.tap()["state"] == "number"


# ---- the PIN ----

VERIFY = {
    "6CFF": ("sw 6CFF verify", "CARD_UNREADABLE", 0), "61FF": ("sw 61FF verify", "CARD_UNREADABLE", 0),
    "6F00": ("sw 6F00 verify", "CARD_UNREADABLE", 0), "6300": ("sw 6300 verify", "CARD_UNREADABLE", 0),
    "one byte": ("sw-short verify", "CARD_UNREADABLE", 0), "15 tries": ("sw 63CF verify", "PIN_WRONG", 15),
    "no try": ("sw 63C0 verify", "PIN_BLOCKED", 0), "blocked": ("sw 6984 verify", "PIN_BLOCKED", 0),
    "blocked, otherwise": ("sw 6983 verify", "PIN_BLOCKED", 0),
}


@pytest.mark.parametrize("fault, code, tries", VERIFY.values(), ids=VERIFY)
def test_pin_is_answered_strangely(desk, fault, code, tries):
    desk.station.ask(f"fault {fault}")
    desk.station.ask("insert card-1")
    seen = desk.tap()
    refused(seen, code)
    assert seen["error"]["tries"] == tries
    assert commands(desk.station).count("verify") == 1 and "sign" not in commands(desk.station)


def test_every_pin_is_right(desk):
    """Nobody can tell; what counts is its key, and that is the platform's to judge."""
    desk.station.ask("fault verify-ok")
    desk.station.ask("insert card-1")
    assert desk.tap("9999")["state"] == "number"
    assert commands(desk.station).count("verify") == 1


# ---- the signature ----

SIGNATURES = {
    "none": "sig-length 0", "255 bytes": "sig-length 255", "257 bytes": "sig-length 257", "zeros": "sig-zero", "n": "sig-n",
    "of the other key": "sig-other-key", "one bit wrong": "sig-flip", "for the certificate of another holder": "cert-from card-2",
    "for the signing certificate": "cert-sign", "for a key with one bit wrong": "cert-flip", "6F00": "sw 6F00 sign",
    "6CFF": "sw 6CFF sign", "61FF": "sw 61FF sign", "6300": "sw 6300 sign", "one byte": "sw-short sign",
}


@pytest.mark.parametrize("fault", SIGNATURES.values(), ids=SIGNATURES)
def test_bad_signature_never_leaves(desk, fault):
    desk.station.ask(f"fault {fault}")
    desk.station.ask("insert card-1")
    taps = desk.platform.count("/v1/tap")
    refused(desk.tap(), "CARD_UNREADABLE")
    assert desk.platform.count("/v1/tap") == taps
    assert commands(desk.station).count("verify") == 1


def test_replayed_signature_never_leaves(desk):
    desk.station.insert("card-1")
    assert desk.tap()["state"] == "number"
    desk.page.must("next")
    desk.station.ask("fault sig-replay")
    taps = desk.platform.count("/v1/tap")
    desk.page.must("start", purpose="resolve")
    refused(desk.tap(), "CARD_UNREADABLE")
    assert desk.platform.count("/v1/tap") == taps


def test_pin_status_lost_before_the_signature(desk):
    desk.station.ask("fault sw 6982 sign")
    desk.station.ask("insert card-1")
    refused(desk.tap(), "CARD_REMOVED")


# ---- the certificate: passed on as it was read, judged by jpki-verify ----

@pytest.fixture(scope="module")
def verifier():
    run_testca(demo_cards().parent, "issue", "card-ca", "--variant", "ca_true")
    started = Verifier(demo_cards().parent, **{"jpki.environment": "test"})
    yield started.launch()
    started.close()


CERTIFICATES = {
    "good": ("card-1", "none", None),
    "expired": ("card-expired", "none", "CERT_EXPIRED"),
    "revoked": ("card-revoked", "none", "CERT_REVOKED"),
    "CA:TRUE": ("card-ca", "none", "CERT_PROFILE"),
    "self-made root with the real name, victim's serial": ("card-evil", "none", "CERT_UNTRUSTED"),
    "one bit wrong": ("card-1", "cert-flip END", "CERT_UNTRUSTED"),
}


@pytest.mark.parametrize("card, fault, code", CERTIFICATES.values(), ids=CERTIFICATES)
def test_bad_certificate_gets_its_message(desk, verifier, card, fault, code):
    def judge(_):
        said, request = desk.platform.taps[-1]
        body = jpki.VerifyRequest(statement=said, certificate=request.certificate, signature=request.signature, consumer="registry")
        verdict = verifier.gateway.ask("Verify", body.SerializeToString(), service="jpki", seconds=8).code
        if verdict != "OK":
            raise Refuse(verdict, 403)
    desk.platform.bends["/v1/tap"] = judge
    end = (desk.station.cards / card / "auth.der").stat().st_size - 50  # in the issuer's signature
    desk.station.ask("fault " + fault.replace("END", str(end)))
    desk.station.insert(card)
    seen = desk.tap()
    if code:
        refused(seen, code)
        assert not seen["error"]["retry"]
    else:
        assert seen["state"] == "number"


# ---- taken away, exchanged ----

REMOVALS = ["select before", "select after", "select-ef before", "read before", "read after", "tries before", "tries after",
            "verify before", "verify after", "sign before", "sign after", "sign between"]


@pytest.mark.parametrize("moment", REMOVALS)
def test_removed(desk, moment):
    desk.station.ask(f"fault remove-at {moment}")
    desk.station.ask("insert card-1")
    mark = desk.page.mark()
    if moment.split()[0] in ("verify", "sign"):
        seen = desk.tap()
        if moment == "sign between":  # it has done its part
            assert seen["state"] == "number"
            return
    else:
        seen = desk.page.wait("error", since=mark)
    refused(seen, "CARD_REMOVED")
    assert not seen["error"]["retry"]
    mark = desk.page.mark()
    desk.station.insert("card-1")
    assert desk.page.wait("pin", since=mark)["pin"]["entered"] == 0
    assert desk.tap()["state"] == "number"


@pytest.mark.parametrize("command", ["select", "read", "read:5", "tries", "verify", "sign"])
def test_exchanged(desk, command):
    """Nothing of the first card goes on with the second: no PIN, no certificate, no signature."""
    desk.station.ask("insert card-1")
    desk.page.wait("pin")
    desk.page.must("cancel")
    desk.page.wait("wait")
    taps, mark = len(desk.platform.taps), desk.page.mark()
    desk.station.ask(f"fault swap-at {command} card-2")
    desk.page.must("start", purpose="resolve")
    if command in ("verify", "sign"):
        desk.page.wait("pin", since=mark)
        desk.page.enter_pin("1234")
    seen = desk.page.wait("error", since=mark)
    refused(seen, "CARD_REMOVED")
    again = desk.page.mark()
    assert desk.page.wait("pin", since=again)["pin"]["entered"] == 0
    assert not [apdu for apdu in desk.station.apdus() if apdu["card"] == "card-2" and apdu["command"] in ("verify", "sign")]
    assert len(desk.platform.taps) == taps
    assert desk.tap(pin_of(desk.station, "card-2"))["state"] == "number"
    assert desk.platform.taps[-1][1].certificate == (desk.station.cards / "card-2/auth.der").read_bytes()


@pytest.mark.parametrize("waiting", [False, True], ids=["PIN being entered", "nothing begun"])
def test_exchanged_while_nobody_looked(alone, waiting):
    """The card process saw neither the one go nor the other come, only that a card lies there. The second one is good: it
    is read without a hand, and isn't taken for the first."""
    with Terminal(alone, card_timeout_ms=30000) as one:
        clear(one)
        one.page.wait("wait")
        alone.insert("card-1")
        one.page.wait("pin")
        if waiting:
            one.page.must("cancel")
            one.page.wait("wait")
        child, mark = one.child(), one.page.mark()
        os.kill(child, signal.SIGSTOP)
        alone.insert("card-2")
        if waiting:
            one.page.must("start", purpose="resolve")
        else:
            one.page.enter_pin("1234")
        os.kill(child, signal.SIGCONT)
        if not waiting:
            one.page.wait("error/CARD_REMOVED", since=mark)
            mark = one.page.mark()
        one.page.wait("pin", since=mark)
        assert one.tap(pin_of(alone, "card-2"))["state"] == "number"
        assert one.platform.taps[-1][1].certificate == (alone.cards / "card-2/auth.der").read_bytes()
        if waiting:
            assert not {"error"} & {snapshot["state"] for snapshot in one.page.snapshots[mark:]}
        alone.ask("remove")


# ---- hanging ----

@pytest.mark.parametrize("fault", ["hang select", "hang read", "hang tries", "hang verify", "hang sign", "reply-empty read",
                                   "reply-empty verify", "reply-empty sign", "slow 1000"])
def test_card_that_hangs(desk, fault):
    """No answer, an empty one (the reader's driver stands still), or each just in time: the watchdog ends it."""
    before = desk.child()
    desk.station.ask(f"fault {fault}")
    desk.station.ask("insert card-1")
    if fault.split()[1] in ("verify", "sign"):
        desk.page.wait("pin")
        desk.page.enter_pin("1234")
    started = time.monotonic()
    seen = desk.page.wait("error", seconds=20)
    refused(seen, "READER_STUCK")
    assert seen["error"]["retry"] and time.monotonic() - started > 1
    desk.station.ask("remove")  # only this frees pcscd
    desk.station.ask("fault none")
    desk.page.wait("wait")
    wait_for(lambda: desk.child() not in (None, before), "a new card process")
    mark = desk.page.mark()
    desk.station.insert("card-1")
    desk.page.wait("pin", since=mark)
    assert desk.tap()["state"] == "number"


def test_tried_again_where_it_lies(desk):
    """The card process is lost, the card isn't to blame: asked for, it is read again without being taken up."""
    desk.station.insert("card-1")
    desk.page.wait("pin")
    mark = desk.page.mark()
    os.kill(desk.child(), signal.SIGKILL)
    desk.page.wait("error/READER_STUCK", since=mark)
    desk.page.must("retry")
    assert desk.tap()["state"] == "number"


# ---- a verified PIN for another program ----

def refuse(name):
    def bend(_):
        raise Refuse(name)
    return bend


def mismatch(challenge):
    challenge.statement.audience = "B1"


ENDS = {
    "number shown": {}, "no challenge": {"/v1/challenge": refuse("NO_WORKERS")}, "wrong challenge": {"/v1/challenge": mismatch},
    "tap refused": {"/v1/tap": refuse("CERT_REVOKED")}, "bad signature": "sig-zero", "no signature": "sw 6F00 sign",
    "signature of one byte": "sw-short sign",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_nobody_inherits_the_pin(desk, end):
    """However a session with the right PIN ends: another program that waits for the card gets no signature from it."""
    with desk.station.client() as other:
        desk.station.insert("card-1")
        desk.page.wait("pin")
        if isinstance(end, str):
            desk.station.ask(f"fault {end}")
        else:
            desk.platform.bends.update(end)
        desk.page.enter_pin("1234")
        wait_for(lambda: other.do("connect 0")[0] == 0, "the card to be free", 20)
        desk.station.ask("fault none")
        assert [other.sw(JPKI), other.sw("00A4020C020017"), other.sw(SIGN)] == ["9000", "9000", "6982"]
        assert commands(desk.station).count("verify") == 1


@pytest.mark.parametrize("whom", ["agent", "card process"])
def test_nobody_inherits_the_pin_of_a_killed_one(alone, whom):
    """The PIN stands verified, the gateway is asked, then comes SIGKILL. The agent's card process unpowers the card; the
    card process's successor does, even with the other program there already."""
    asked, held = threading.Event(), threading.Event()

    def hold(_):
        asked.set()
        held.wait(30)

    with Terminal(alone) as one, alone.client() as other:
        clear(one)
        one.platform.bends["/v1/challenge"] = hold
        alone.insert("card-1")
        one.page.wait("pin")
        one.page.enter_pin("1234")
        assert asked.wait(20)
        os.kill(one.process.pid if whom == "agent" else one.child(), signal.SIGKILL)
        wait_for(lambda: other.do("connect 0")[0] == 0, "the card to be free", 20)
        wait_for(lambda: not_signed(other), "the PIN to be forgotten", 20)
        held.set()


def not_signed(other):
    """No signature for the other program; where the card was reset under its hands, not afterwards either."""
    answers = [other.do("apdu " + command) for command in (JPKI, "00A4020C020017", SIGN)]
    if answers[-1][0] == 0x80100068:
        assert other.do("reconnect")[0] == 0
        answers = [other.do("apdu " + command) for command in (JPKI, "00A4020C020017", SIGN)]
    return len(answers[-1][1]) < 256


# ---- the list itself ----

def test_every_fault_is_tried_here():
    """A fault added to the simulated card's table needs a test of what the agent makes of it."""
    with open(__file__, encoding="utf-8") as file:
        text = file.read()
    with Station(demo_cards()) as mine:
        names = [line.split()[0] for line in mine.ask("faults")[1:]]
    assert [name for name in names if name != "none" and name not in text] == []


def test_every_message_is_there():
    """Each error that these tests expect has its words in both languages: what is wrong, and what to do."""
    codes = {"CARD_UNREADABLE", "CARD_REMOVED", "CARD_PHONE", "CARD_OLD_JUKI", "CARD_NOT_MYNUMBER", "CARD_SEVERAL", "PIN_WRONG",
             "PIN_BLOCKED", "READER_STUCK", "READER_BUSY", "READER_MISSING", "READER_SERVICE_DOWN", "CERT_EXPIRED",
             "CERT_REVOKED", "CERT_PROFILE", "CERT_UNTRUSTED"}
    for language in ("ja", "en"):
        table = json.loads((ROOT / f"agent/page/{language}.json").read_text())
        assert {code for code in codes if not table.get(f"error.{code}")} == set()
