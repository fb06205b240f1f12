# SPDX-License-Identifier: Apache-2.0
"""The agent with a real pcscd and the simulated card: sessions, PINs, readers that come and go. Bad cards:
test_agent_card_faults.py."""
import os
import signal
import time

import pytest
from agentlib import Terminal, commands, free_counter, wait_for
from simcardlib import Station, demo_cards


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
def desk(terminal):
    with free_counter(terminal) as free:
        yield free


def test_number_from_a_tap(desk, station):
    station.insert("card-1")
    seen = desk.tap()
    assert seen["state"] == "number" and seen["number"]["values"] == ["789"]
    assert seen["number"]["barcode"]["text"] == "A789A"
    assert commands(station).count("verify") == 1 and commands(station).count("sign") == 1
    statement, _ = desk.platform.taps[-1]
    assert (statement.audience, statement.terminal_id, statement.purpose) == ("A1", "t-test", 1)


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


def test_removed_while_typing_the_pin(desk, station):
    station.insert("card-1")
    desk.page.wait("pin")
    desk.page.must("pin_digit", digit="1")
    station.ask("remove")
    desk.page.wait("error/CARD_REMOVED")
    mark = desk.page.mark()
    station.insert("card-1")
    assert desk.page.wait("pin", since=mark)["pin"]["entered"] == 0


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


def test_two_cards(desk, station):
    station.ask("insert card-1 0")
    station.ask("insert card-2 1")
    if desk.page.wait("error/CARD_SEVERAL", "pin")["state"] == "pin":  # the first was quicker
        desk.page.must("cancel")
        desk.page.wait("error/CARD_SEVERAL")
    mark = desk.page.mark()
    station.ask("remove 1")
    desk.page.wait("pin", since=mark)
    assert desk.tap()["state"] == "number"
    assert {apdu["card"] for apdu in station.apdus() if apdu["command"] in ("verify", "sign")} == {"card-1"}


def test_second_card_beside_the_first(desk, station):
    """One session goes on with its own card; after it, two are too many."""
    station.insert("card-1")
    desk.page.wait("pin")
    station.insert("card-2", 1)
    assert desk.tap()["state"] == "number"
    assert desk.platform.taps[-1][1].certificate == (station.cards / "card-1/auth.der").read_bytes()
    desk.page.must("next")
    desk.page.wait("error/CARD_SEVERAL")
    assert not [apdu for apdu in station.apdus() if apdu["card"] == "card-2"]


def test_no_reader():
    """None whose name is wanted: no card of another reader is touched."""
    with Station(demo_cards(), insert="card-1") as mine, Terminal(mine, reader="Virtual PCD 00 07") as one:
        one.page.wait("error/READER_MISSING")
        assert one.page.now["checks"]["reader"] == "READER_MISSING"
        assert commands(mine) == []


def test_reader_held_by_another_program(desk, station):
    """pcscd refuses at once; when the other lets go, the card is read without a hand."""
    with station.client() as other:
        station.insert("card-2")  # let the agent's session begin, then step aside
        desk.page.wait("pin")
        desk.page.must("cancel")
        desk.page.wait("wait")
        wait_for(lambda: other.do("connect 0 exclusive") == (0, b""), "the agent to let go of the card")
        desk.page.must("start", purpose="resolve")
        desk.page.wait("error/READER_BUSY")
        mark = desk.page.mark()
        assert other.do("disconnect leave")[0] == 0
        desk.page.wait("pin", since=mark)


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


def test_the_daemon_of_the_readers_restarts_under_a_session():
    with Station(demo_cards()) as mine, Terminal(mine) as one:
        one.page.wait("wait")
        mine.insert("card-1")
        one.page.wait("pin")
        one.page.must("pin_digit", digit="1")
        mine.stop()
        one.page.wait("error/READER_SERVICE_DOWN")
        mine.start()
        one.page.wait("wait")
        mine.insert("card-1")
        assert one.page.wait("pin")["pin"]["entered"] == 0
        assert one.tap()["state"] == "number"
        assert commands(mine).count("verify") == 1


def test_the_daemon_of_the_readers_stands_still(desk, station):
    """Every call blocks for ever: the watchdog tells it, and again until the daemon is back."""
    station.insert("card-1")
    desk.page.wait("pin")
    daemon = int((station.folder / "pcscd/pcscd.pid").read_text().strip("\n\0"))
    os.kill(daemon, signal.SIGSTOP)
    try:
        mark = desk.page.mark()
        desk.page.enter_pin("1234")
        desk.page.wait("error/READER_STUCK", since=mark)
    finally:
        os.kill(daemon, signal.SIGCONT)
    station.ask("remove")
    desk.page.wait("wait")
    station.insert("card-1")
    assert desk.tap()["state"] == "number"


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
