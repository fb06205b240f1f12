# SPDX-License-Identifier: Apache-2.0
"""The agent with a real pcscd and the simulated card: sessions, PINs, removal, bad cards, stuck readers."""
import os
import signal
import threading
import time

import pytest
from agentlib import Terminal, wait_for
from simcardlib import JPKI, Station, demo_cards

SIGN = "802A0080333031300D060960864801650304020105000420" + "00" * 32 + "00"
FILES = {"token", "auth-cert", "auth-key", "auth-pin"}


@pytest.fixture(scope="module")
def station():
    with Station(demo_cards()) as started:
        yield started


@pytest.fixture(scope="module")
def terminal(station):
    with Terminal(station) as started:
        started.page.wait("wait")
        yield started


@pytest.fixture
def desk(station, terminal):
    """A counter without a card, waiting."""
    clear(station, terminal.page)
    yield terminal
    assert terminal.process.poll() is None, terminal.log()
    clear(station, terminal.page)


def clear(station, page):
    station.ask("fault none")
    for slot in (0, 1):
        station.ask(f"remove {slot}")
    for card in ("card-1", "card-2"):
        station.ask(f"unblock {card}")
    page.act("next")
    page.act("cancel")
    wait_for(lambda: page.now["state"] == "wait" or not page.act("next"), "a free counter")
    page.wait("wait")
    station.ask("log clear")


def commands(station):
    return [apdu["command"] for apdu in station.apdus()]


def test_number_from_a_tap(desk, station):
    station.insert("card-1")
    seen = desk.tap()
    assert seen["state"] == "number" and seen["number"]["values"] == ["789"]
    assert seen["number"]["barcode"]["text"] == "A789A"
    assert commands(station).count("verify") == 1 and commands(station).count("sign") == 1
    statement, _ = desk.platform.taps[-1]
    assert (statement.audience, statement.terminal_id, statement.purpose) == ("A1", "t-test", 1)


def test_only_allowed_commands(desk, station):
    station.insert("card-1")
    desk.tap()
    for apdu in station.apdus():
        assert apdu["command"] in {"select", "select-ef", "read", "tries", "verify", "sign"}, apdu
        assert apdu["command"] != "select" or apdu["aid"] == JPKI[10:].lower()
        assert apdu["command"] != "select-ef" or apdu["file"] in FILES
        assert apdu["command"] != "read" or apdu["file"] in {"token", "auth-cert"}


def test_nobody_inherits_the_pin(desk, station):
    """The card is unpowered as soon as the session ends: another program at once gets no signature."""
    station.insert("card-1")
    desk.tap()
    with station.client() as other:
        other.connect()
        assert other.sw(JPKI) == "9000"
        assert other.sw("00A4020C020017") == "9000"
        assert other.sw(SIGN) == "6982"


def test_nobody_inherits_the_pin_of_a_killed_agent():
    """The PIN stands verified, the gateway is asked, the agent is killed: its card child still unpowers the card."""
    asked, held = threading.Event(), threading.Event()

    def hold(_answer):
        asked.set()
        held.wait(30)

    with Station(demo_cards()) as mine, Terminal(mine) as one, mine.client() as other:
        one.platform.bends["/v1/challenge"] = hold
        one.page.wait("wait")
        mine.insert("card-1")
        one.page.wait("pin")
        one.page.enter_pin("1234")
        assert asked.wait(10)
        one.stop(signal.SIGKILL)
        wait_for(lambda: other.do("connect 0")[0] == 0, "the card to be free")
        assert other.sw(JPKI) == "9000"
        assert other.sw("00A4020C020017") == "9000"
        assert other.sw(SIGN) == "6982"
        held.set()


def test_no_pin_left_in_memory(desk, station):
    station.insert("card-1")
    desk.tap()
    for pid in (desk.process.pid, desk.child()):
        assert not memory_has(pid, bytes.fromhex("0020008004") + b"1234")
    assert "1234" not in desk.log()


def memory_has(pid, needle):
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            where, rights = line.split()[:2]
            start, end = (int(part, 16) for part in where.split("-"))
            if "r" not in rights or end - start > 1 << 28 or "[v" in line:
                continue
            try:
                memory.seek(start)
                if needle in memory.read(end - start):
                    return True
            except OSError:
                continue
    return False


def test_wrong_pin_tells_the_tries(desk, station):
    station.insert("card-1")
    seen = desk.tap("9999")
    assert seen["error"] == {"code": "PIN_WRONG", "tries": 2, "incident": "", "retry": True, "wait_s": 0}
    assert commands(station).count("verify") == 1
    desk.page.must("retry")
    assert desk.page.wait("pin")["pin"] == {"entered": 0, "tries": 2, "last": False}
    assert desk.tap()["state"] == "number"
    assert commands(station).count("verify") == 2


def test_last_try_is_confirmed_first(desk, station):
    station.ask("tries 1 card-1")
    station.ask("insert card-1")
    assert desk.page.wait("pin")["pin"]["last"] is True
    assert desk.page.act("pin_digit", digit="1") == "CONFLICT"
    assert desk.page.act("pin_submit") == "CONFLICT"
    desk.page.must("confirm_last")
    seen = desk.tap("9999")
    assert seen["error"]["code"] == "PIN_BLOCKED" and seen["error"]["retry"] is False
    assert desk.page.act("retry") == "CONFLICT"
    assert commands(station).count("verify") == 1
    station.ask("remove")
    desk.page.wait("wait")
    station.ask("insert card-1")
    assert desk.page.wait("error")["error"]["code"] == "PIN_BLOCKED"
    assert commands(station).count("verify") == 1


@pytest.mark.parametrize("moment", ["read before", "read after", "tries before"])
def test_removed_while_reading(desk, station, moment):
    station.ask(f"fault remove-at {moment}")
    station.ask("insert card-1")
    desk.page.wait("error/CARD_REMOVED")
    mark = desk.page.mark()
    station.insert("card-1")
    desk.page.wait("pin", since=mark)
    assert desk.tap()["state"] == "number"


@pytest.mark.parametrize("moment", ["verify before", "verify after", "sign before", "sign after", "sign between"])
def test_removed_while_signing(desk, station, moment):
    station.insert("card-1")
    station.ask(f"fault remove-at {moment}")
    seen = desk.tap()
    if seen["state"] == "error":
        assert seen["error"]["code"] == "CARD_REMOVED" and not seen["error"]["retry"]
    else:
        assert moment.endswith("between") and seen["state"] == "number"
        return
    mark = desk.page.mark()
    station.insert("card-1")
    assert desk.page.wait("pin", since=mark)["pin"]["entered"] == 0
    assert desk.tap()["state"] == "number"


def test_removed_while_typing_the_pin(desk, station):
    station.insert("card-1")
    desk.page.wait("pin")
    desk.page.must("pin_digit", digit="1")
    station.ask("remove")
    desk.page.wait("error/CARD_REMOVED")
    mark = desk.page.mark()
    station.insert("card-1")
    assert desk.page.wait("pin", since=mark)["pin"]["entered"] == 0


def test_swapped_between_pin_and_signature(desk, station):
    """The other card never signs under the first one's PIN."""
    station.insert("card-1")
    station.ask("fault swap-at sign card-2")
    taps = len(desk.platform.taps)
    assert desk.tap()["error"]["code"] == "CARD_REMOVED"
    desk.page.wait("pin")
    assert len(desk.platform.taps) == taps
    assert desk.tap(pin=pin_of(station, "card-2"))["state"] == "number"


def pin_of(station, card):
    import json
    text = json.loads((station.cards / card / "card.json").read_text())
    return next(value for value in text.values() if isinstance(value, str) and len(value) == 4 and value.isdigit())


def test_pin_timeout_and_cancel_end_the_session(desk, station):
    station.insert("card-1")
    desk.page.wait("pin")
    desk.page.must("pin_digit", digit="1")
    desk.page.must("cancel")
    desk.page.wait("wait")
    with station.client() as other:  # not held any more
        assert other.do("connect 0 shared")[0] == 0
    desk.page.must("start", purpose="resolve")
    assert desk.page.wait("pin")["pin"]["entered"] == 0


@pytest.mark.parametrize("token,code", [("phone", "CARD_PHONE"), ("iphone", "CARD_PHONE"), ("juki", "CARD_OLD_JUKI"),
                                        ("SOMETHING", "CARD_NOT_MYNUMBER")])
def test_other_cards(desk, station, token, code):
    station.ask(f"fault token {token}")
    station.ask("insert card-1")
    assert desk.page.wait("error")["error"]["code"] == code
    assert not {"verify", "sign", "tries"} & set(commands(station))
    station.ask("remove")
    desk.page.wait("wait")


def test_applet_absent(desk, station):
    station.ask("fault sw 6A82 select")
    station.ask("insert card-1")
    assert desk.page.wait("error")["error"]["code"] == "CARD_NOT_MYNUMBER"
    assert commands(station) == ["select"]


def test_first_command_fails_once(desk, station):
    station.ask("fault first-6f00")
    station.ask("insert card-1")
    assert desk.tap()["state"] == "number"


@pytest.mark.parametrize("fault", ["der-header 3082FFFF", "der-header 30800000", "der-header 30847FFF", "der-header 04820400",
                                   "endless", "cert-huge", "read-empty", "read-one", "read-long", "sw 6CFF", "sw 61FF",
                                   "sw-short", "sw 6F00 read", "sw 6300 tries"])
def test_unreadable_cards(desk, station, fault):
    station.ask(f"fault {fault}")
    station.ask("insert card-1")
    seen = desk.page.wait("error", seconds=10)
    assert seen["error"]["code"] in {"CARD_UNREADABLE", "CARD_REMOVED"}, seen["error"]
    assert not {"verify", "sign"} & set(commands(station))
    assert len(commands(station)) < 200


@pytest.mark.parametrize("fault", ["sig-length 255", "sig-length 257", "sig-zero", "sig-n", "sig-other-key", "sig-flip",
                                   "cert-from card-2", "sw 6F00 sign"])
def test_bad_signatures_never_leave(desk, station, fault):
    station.ask(f"fault {fault}")
    station.ask("insert card-1")
    taps = desk.platform.count("/v1/tap")
    assert desk.tap()["error"]["code"] == "CARD_UNREADABLE"
    assert desk.platform.count("/v1/tap") == taps
    assert commands(station).count("verify") == 1


def test_replayed_signature_never_leaves(desk, station):
    station.insert("card-1")
    assert desk.tap()["state"] == "number"
    desk.page.must("next")
    station.ask("fault sig-replay")
    taps = desk.platform.count("/v1/tap")
    desk.page.must("start", purpose="resolve")
    assert desk.tap()["error"]["code"] == "CARD_UNREADABLE"
    assert desk.platform.count("/v1/tap") == taps


def test_two_cards(desk, station):
    station.ask("insert card-1 0")
    station.ask("insert card-2 1")
    desk.page.wait("error/CARD_SEVERAL", "pin")
    if desk.page.now["state"] == "pin":  # the first was quicker
        desk.page.must("cancel")
        desk.page.wait("error/CARD_SEVERAL")
    mark = desk.page.mark()
    station.ask("remove 1")
    desk.page.wait("pin", since=mark)


def test_reader_held_by_another_program(desk, station):
    """pcscd refuses at once; when the other lets go, the card is read without a hand."""
    with station.client() as other:
        station.insert("card-2")  # let the agent's session begin, then step aside
        desk.page.wait("pin")
        desk.page.must("cancel")
        desk.page.wait("wait")
        other.connect(mode="exclusive")
        desk.page.must("start", purpose="resolve")
        desk.page.wait("error/READER_BUSY")
        mark = desk.page.mark()
        assert other.do("disconnect leave")[0] == 0
        desk.page.wait("pin", since=mark)


@pytest.mark.parametrize("what", ["read", "verify", "sign"])
def test_a_card_that_hangs(desk, station, what):
    before = desk.child()
    station.ask(f"fault hang {what}")
    station.ask("insert card-1")
    if what != "read":
        desk.page.wait("pin")
        desk.page.enter_pin("1234")
    started = time.monotonic()
    seen = desk.page.wait("error", seconds=10)
    assert seen["error"]["code"] == "READER_STUCK" and 2 < time.monotonic() - started < 6
    station.ask("remove")  # only this frees pcscd
    station.ask("fault none")
    desk.page.wait("wait")
    wait_for(lambda: desk.child() not in (None, before), "a new card process")
    mark = desk.page.mark()
    station.insert("card-1")
    desk.page.wait("pin", since=mark)
    assert desk.tap()["state"] == "number"
    assert commands(station).count("verify") <= 2


def test_killed_while_a_card_hangs():
    """Nobody restarts the card process then; it doesn't wait for the reader for ever."""
    with Station(demo_cards()) as mine, Terminal(mine) as one:
        one.page.wait("wait")
        mine.ask("fault hang read")
        mine.ask("insert card-1")
        one.page.wait("reading")
        wait_for(lambda: "read" in commands(mine), "the card to hang")
        child = one.child()
        one.stop(signal.SIGKILL)
        wait_for(lambda: not os.path.exists(f"/proc/{child}"), "the end of the card process", 20)
        mine.ask("remove")


def test_card_process_killed(desk, station):
    station.insert("card-1")
    desk.page.wait("pin")
    before = desk.child()
    os.kill(before, signal.SIGKILL)
    desk.page.wait("error/READER_STUCK")
    wait_for(lambda: desk.child() not in (None, before), "a new card process")
    station.ask("remove")
    desk.page.wait("wait")
    mark = desk.page.mark()
    station.insert("card-1")
    desk.page.wait("pin", since=mark)
    assert desk.tap()["state"] == "number"


def test_the_daemon_of_the_readers_restarts():
    with Station(demo_cards()) as mine, Terminal(mine) as one:
        one.page.wait("wait")
        mine.stop()
        one.page.wait("error/READER_SERVICE_DOWN")
        mine.start()
        one.page.wait("wait")
        mine.insert("card-1")
        assert one.tap()["state"] == "number"


def test_ended_while_somebody_types():
    """SIGTERM doesn't wait for a person; the card is unpowered, the child gone."""
    with Station(demo_cards()) as mine, Terminal(mine) as one:
        one.page.wait("wait")
        mine.insert("card-1")
        one.page.wait("pin")
        child, started = one.child(), time.monotonic()
        assert one.stop() == 0 and time.monotonic() - started < 5
        assert not os.path.exists(f"/proc/{child}")
        with mine.client() as other:
            assert other.do("connect 0 exclusive")[0] == 0


def test_a_card_that_always_has_tries(desk, station):
    station.ask("fault tries-always")
    station.ask("insert card-1")
    assert desk.page.wait("pin")["pin"] == {"entered": 0, "tries": 15, "last": False}
    assert desk.tap()["state"] == "number"


def test_a_card_that_takes_every_pin(desk, station):
    """Nobody can tell; what counts is its key, and that is the platform's to judge."""
    station.ask("fault verify-ok")
    station.ask("insert card-1")
    assert desk.tap("9999")["state"] == "number"
    assert commands(station).count("verify") == 1
