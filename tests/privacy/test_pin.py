# SPDX-License-Identifier: Apache-2.0
"""The PIN: in no memory, log, core file or swap after use, and one VERIFY for each time that a person entered it. A real agent
and a real Chromium at a simulated card; the platform is the agents' own tests' peer."""

import contextlib
import itertools
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest
from agentlib import AGENT, Refuse, Terminal
from card_log import ALLOWED, asked_of
from counter_driver import Counter, chromium
from cpu import descendants
from memory import MESSAGE, memory_of, pins_in
from simcardlib import Station, demo_cards, wait_for

CARD, OTHER_CARD = "card-1", "card-2"
# As a careless page would: the keys in a row as text, as keys, as numbers.
KEEPER = """
window.kept = {text: '', keys: [], numbers: []};
window.addEventListener('keydown', ({key}) => {
  if (!/^[0-9]$/.test(key)) return;
  kept.text += key; kept.keys.push(key.charAt(0)); kept.numbers.push(Number(key));
}, true);
"""


class Loud(Terminal):
    """It logs all that it can."""

    def arguments(self, **more):
        return [*super().arguments(**more), "--set", "log.level=debug"]


class Desk:
    """A counter, and a card with a PIN that is changed at will."""

    def __init__(self, station, terminal):
        self.station, self.terminal = station, terminal

    @property
    def agent(self):
        """The agent and its card child."""
        return self.terminal.process.pid, self.terminal.child()

    @property
    def entries(self):
        return sum(apdu["command"] == "verify" for apdu in self.station.apdus())

    def set_pin(self, pin):
        """While the card isn't on the reader."""
        folder = self.station.cards / CARD
        about = json.loads((folder / "card.json").read_text())
        (folder / "card.json").write_text(json.dumps({**about, "pin": pin}))
        (folder / "state.json").unlink(missing_ok=True)

    def clear(self):
        page, platform = self.terminal.page, self.terminal.platform
        platform.bends.clear()
        self.station.ask("fault none")
        self.station.ask("remove")
        wait_for(lambda: page.now["state"] == "wait" or (page.act("next") and page.act("cancel") and False), "a free counter", 30)
        for card in (CARD, OTHER_CARD):
            self.station.ask(f"unblock {card}")
        self.station.ask("log clear")

    def lay_card(self):
        """On the reader, and its PIN asked for."""
        mark = self.terminal.page.mark()
        self.station.insert(CARD)
        self.terminal.page.wait("pin", since=mark)


@pytest.fixture(scope="module")
def desk():
    with tempfile.TemporaryDirectory(prefix="mk-pin-") as folder:
        for card in (CARD, OTHER_CARD):
            shutil.copytree(demo_cards() / card, f"{folder}/{card}")
        with Station(folder) as station, Loud(station) as terminal:
            terminal.page.wait("wait")
            yield Desk(station, terminal)


@pytest.fixture
def free(desk):
    desk.clear()
    yield desk
    desk.clear()


def new_pins(count):
    """Digits from 5 up, and none that count up or down: such rows stand in any program's memory. No two have a digit at one place."""
    first = random.choice([row for row in itertools.permutations(range(5)) if len({(b - a) % 5 for a, b in zip(row, row[1:4])}) == 3])
    return ["".join(str((digit + shift) % 5 + 5) for digit in first[:4]) for shift in range(count)]


# ---- memory ----

def browse(desk, page, pins):
    """What a resident may do: a wrong PIN, one typed and given up, then the right one, and a number."""
    wrong, given_up, right = pins
    desk.clear()
    desk.set_pin(right)
    desk.lay_card()
    page.wait_state("pin")
    page.type_pin(wrong)
    page.wait_error("PIN_WRONG")
    page.press("retry")
    page.wait_state("pin")
    page.type_pin(given_up, submit=False)
    page.press("cancel")
    page.wait_state("wait")
    page.start("resolve")
    page.wait_state("pin")
    page.type_pin(right)
    page.wait_state("number")
    assert desk.entries == 2


def holds_a_key(pid):
    """The message of one: not even that is left in the agent."""
    return any(MESSAGE.search(data) for _, data in memory_of(pid))


def found_after_use(desk, page, browser):
    """One round with new PINs: (process, form) of each that is found."""
    pins = new_pins(3)
    browse(desk, page, pins)
    agent, others = desk.agent, sorted(descendants([browser]))
    found = {("agent", form) for pid in agent for form, _ in pins_in(pid, pins, is_small=True)}
    assert not any(map(holds_a_key, agent))
    return found | {("Chromium", form) for pid in others for form, _ in pins_in(pid, pins)}, len(agent) + len(others)


def test_no_pin_is_in_memory_after_use(desk, found):
    """Four digits stand somewhere by chance now and then: what is found must come again with other PINs to count. Then a page
    that keeps what is typed, and an agent in the middle of an entry, are found out by the same search."""
    with chromium() as driver:
        page = Counter(driver).open(desk.terminal.url)
        browser = driver.service.process.pid
        seen, count = found_after_use(desk, page, browser)
        for _ in range(2 if seen else 0):
            again, _ = found_after_use(desk, page, browser)
            assert not again & seen, again & seen
        pin, = new_pins(1)
        desk.clear()
        desk.lay_card()
        page.wait_state("pin")
        driver.execute_script(KEEPER)
        page.type_pin(pin, submit=False)
        for pid in desk.agent:
            assert ("text", pin) in pins_in(pid, [pin])
            wait_for(lambda: not holds_a_key(pid), "the end of the last key's request")
        kept = {form for pid in descendants([browser]) for form, _ in pins_in(pid, [pin])}
        assert kept >= {"text", "keys of a script", "grown numbers of a script"}, kept
    found(f"暗証番号3種を入力したあと、端末とブラウザーのプロセス{count}個を15の書き方で検索：0件",
          f"3 PINs typed, then {count} processes of terminal and browser searched for them in 15 forms: none")


def test_the_pins_page_is_locked_and_left_out_of_core_files(desk):
    """Never in swap, whatever swap there is."""
    for pid in desk.agent:
        with open(f"/proc/{pid}/smaps", encoding="ascii") as smaps:
            parts = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", smaps.read(), flags=re.MULTILINE)
        page, = [part for part in parts if "memfd:pin" in part]
        assert {"lo", "dd"} <= set(page.split("VmFlags:")[1].split())  # locked, not dumped
        assert all(re.search(r"^Swap: +0 kB$", part, re.MULTILINE) for part in parts if "\nSwap:" in part)


# ---- core files ----

def dies(pid):
    """SIGABRT to a child of ours that may write a core file of any size, unless it gave that up for good: did it?"""
    with contextlib.suppress(PermissionError):
        resource.prlimit(pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    os.kill(pid, signal.SIGABRT)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGABRT
    return os.WCOREDUMP(status)


def start_card_child(folder, environment):
    """As the agent does: descriptor 3 its socket, 4 the page of the PIN. (pid, our end, the page)"""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    page = os.memfd_create("pin")
    os.truncate(page, os.sysconf("SC_PAGESIZE"))

    def hand_over():
        given = [os.dup(theirs.fileno()), os.dup(page)]  # not over each other
        for fd, number in zip(given, (3, 4)):
            os.dup2(fd, number)
    child = subprocess.Popen([AGENT, "--card-child", ""], cwd=folder, env=environment, preexec_fn=hand_over, close_fds=False)
    theirs.close()
    return child.pid, ours, page


def test_no_core_file_even_where_one_is_asked_for(desk, tmp_path, found):
    plain = subprocess.Popen(["sleep", "100"], cwd=tmp_path)
    kernel_writes = dies(plain.pid)
    with Loud(desk.station) as one:
        one.page.close()
        assert not dies(one.process.pid)
        one.process.returncode = -signal.SIGABRT
    pid, ours, page = start_card_child(tmp_path, desk.station.environment)
    assert ours.recv(1 << 16)  # it has begun
    os.pwrite(page, b"\x047391", 0)
    assert not dies(pid)
    ours.close()
    os.close(page)
    cores = [str(path) for path in tmp_path.iterdir() if b"7391" in path.read_bytes()]
    assert cores == []
    found("異常終了させても、メモリーの書き出しファイルなし" + ("（ほかのプログラムでは書き出される設定で）" if kernel_writes else ""),
          "no core file even when killed for one" + (" (the same kernel writes one of other programs)" if kernel_writes else ""))


# ---- logs ----

def test_no_log_has_a_pin_or_its_keys(desk, free, found):
    """The agent's at its loudest, the card reader's, the simulated card's: right, wrong and given-up entries."""
    pin, wrong = new_pins(2)
    free.set_pin(pin)
    free.lay_card()
    assert free.terminal.tap(wrong)["error"]["code"] == "PIN_WRONG"
    free.terminal.page.must("retry")
    assert free.terminal.tap(pin)["state"] == "number"
    texts = [free.terminal.log(), *(path.read_text(errors="replace") for path in free.station.folder.rglob("*log") if path.is_file()),
             json.dumps(free.station.log())]
    assert "debug" in texts[0] and '"state"' in texts[0] and "verify" in texts[-1]
    for text in texts:
        lines = [re.sub(r'"ts":"[^"]*",|"(ms|pid|child_pid|dur_us)": ?\d+,?', "", line) for line in text.splitlines()]
        assert not [line for line in lines if re.search(rf"(?<!\d)({pin}|{wrong})(?!\d)", line) or "pin_digit" in line]
    count = sum(text.count("\n") + 1 for text in texts)
    found(f"最も詳しい動作の記録{count}行：0件", f"{count} lines of the most detailed logs: none")


# ---- one VERIFY for each entry ----

def refusing(path, *names):
    """The platform refuses so often, then not any more."""
    def arm(desk):
        left = list(names)

        def bend(_):
            if left:
                raise Refuse(left.pop(0))
        desk.terminal.platform.bends[path] = bend
    return arm


def at_the_card(line):
    return lambda desk: desk.station.ask(f"fault {line}")


def dying_edges(*numbers):
    """They go when they are asked for the challenge: the PIN stands verified."""
    def arm(desk):
        def bend(_):
            for number in numbers:
                threading.Thread(target=desk.terminal.platform.kill, args=(number,)).start()
            time.sleep(0.2)
        desk.terminal.platform.bends["/v1/challenge"] = bend
    return arm


def killed_child(desk):
    desk.terminal.platform.bends["/v1/challenge"] = lambda _: os.kill(desk.terminal.child(), signal.SIGKILL)


TROUBLES = {
    "none": lambda desk: None,
    "pulled before the PIN": at_the_card("remove-at verify before"), "pulled after the PIN": at_the_card("remove-at verify after"),
    "pulled before the signature": at_the_card("remove-at sign before"), "pulled after it": at_the_card("remove-at sign after"),
    "swapped": at_the_card(f"swap-at sign {OTHER_CARD}"), "PIN answered badly": at_the_card("sw 6F00 verify"),
    "PIN not answered": at_the_card("hang verify"), "signature not answered": at_the_card("hang sign"),
    "signature wrong": at_the_card("sig-flip"), "card process killed": killed_child,
    "challenge refused": refusing("/v1/challenge", "BUSY"), "challenge lost": refusing("/v1/tap", "CHALLENGE_GONE", "CHALLENGE_EXPIRED"),
    "tap refused": refusing("/v1/tap", "INTERNAL"), "answer is nonsense": lambda desk: desk.terminal.platform.bends.update(
        {"/v1/tap": lambda _: b"\xff" * 200}),
    "one edge gone": dying_edges(0), "both edges gone": dying_edges(0, 1),
}


@pytest.fixture
def edges(free):
    yield
    for number, edge in enumerate(free.terminal.platform.edges):
        if edge.socket.fileno() < 0:
            free.terminal.platform.revive(number)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_one_verify_for_each_entry(free, edges, found, trouble):
    """Whatever happens then: a retry is pressed, the card is laid on anew, and nobody sends the PIN once more, or
    asks the card for anything else than usual."""
    page = free.terminal.page
    free.lay_card()
    TROUBLES[trouble](free)
    mark = page.mark()
    free.terminal.page.enter_pin(pin_of(free))
    assert page.act("pin_submit") is not None  # once more: not taken
    page.wait("number", "error", since=mark)
    assert free.entries == 1
    page.act("retry")
    free.station.ask("fault none")
    free.station.ask("remove")
    free.terminal.platform.bends.clear()
    mark = page.mark()
    free.station.insert(CARD)
    page.wait("pin", "error/NETWORK_DOWN", since=mark)
    assert free.entries == 1
    assert set(asked_of(free.station.log())) <= ALLOWED
    found(f"故障や切断{len(TROUBLES)}通り：入力1回につき、カードへ渡すのは1回だけ",
          f"{len(TROUBLES)} courses of events, most of them faults: the card receives it once for each entry")


def pin_of(desk):
    return json.loads((desk.station.cards / CARD / "card.json").read_text())["pin"]
