# SPDX-License-Identifier: Apache-2.0
"""Every row of states.py: the real agent with a virtual reader is brought there, and a real Chromium looks at it in both
languages. Each error tells what is wrong, who can mend it and what comes next, on the side that it concerns."""

import contextlib
import json
import re

import pytest
from agentlib import Terminal
from simcardlib import Station, demo_cards, wait_for
from wire import registry

import gate
import test_gate
from counter_driver import Counter, set_viewport
from fake_agent import ROOT
from gate import TABLES
from snapshots import ID_PURPOSES, Scene, all_codes
from states import EXCEPTIONS, ROWS, Place
from test_messages import ERRORS

OTHER = {"ja": "en", "en": "ja"}
CARDS = ("card-1", "card-2")


@pytest.fixture(scope="module")
def station():
    with Station(demo_cards()) as started:
        yield started


class Desks:
    """One agent at a time is at the reader, for all rows of a kind that come one after the other."""

    def __init__(self, station):
        self.station, self.kind, self.now = station, None, contextlib.ExitStack()

    def open(self, kind):
        if kind != self.kind:
            self.now.close()
            self.kind, self.desk = kind, None if kind == "own" else self.now.enter_context(self.start(kind))
        return self.desk

    @contextlib.contextmanager
    def start(self, kind):
        """Its reader may hang for as long as somebody looks at that, and there is no keyboard to type into ours with."""
        one = Terminal(self.station, card_timeout_ms=60000, uinput="/dev/null")
        if kind == "hall":
            one.platform.operator.kind = registry.OPERATOR_KIND_MUNICIPALITY
        with one:
            one.page.wait("wait")
            yield one


@pytest.fixture(scope="module")
def desks(station):
    opened = Desks(station)
    yield opened
    opened.now.close()


@pytest.fixture
def place(station, desks, name):
    desk = desks.open(ROWS[name].desk)
    with contextlib.ExitStack() as later:
        yield Place(station, desk, later)
    if desk:
        clear(station, desk)


def clear(station, desk):
    """As at the beginning: no card, full tries, a healthy platform, nobody's business."""
    platform, page = desk.platform, desk.page
    platform.bends.clear()
    platform.numbers, platform.notices = ["789"], []
    station.ask("fault none")
    for slot, card in enumerate(CARDS):
        station.ask(f"remove {slot}")
        station.ask(f"unblock {card}")

    station.ask("log clear")

    def is_free():
        """Waiting, and the agent knows that the card is gone: with one it would begin."""
        mark = page.mark()
        if page.act("start", purpose="unlink") is None:
            def begun():
                return [seen["state"] for seen in page.snapshots[mark:] if seen["purpose"] == "unlink"]
            wait_for(begun, "what comes of it")
            return begun()[0] == "wait"
        page.act("next")
        page.act("cancel")
        return False
    wait_for(is_free, "a free counter", 30)
    page.must("cancel")


class View(Counter):
    """The page in the browser beside the agent's own stream."""

    def __init__(self, driver, page):
        super().__init__(driver)
        self.page = page

    def wait_newest(self):
        return self.wait("the newest snapshot", lambda facts: facts["rev"] == str(self.page.now["rev"]))

    def switch(self, lang):
        """By the page's own switch; that keys reach it is for the gate to say."""
        self.driver.execute_script("document.querySelector(`[data-lang=${arguments[0]}]`).click()", lang)


@pytest.fixture(scope="module")
def views():
    return {}


@pytest.fixture
def view_of(browser, views):
    """One open page serves all rows of an agent."""
    def of(page):
        if views.get("page") is not page:
            set_viewport(browser, 1024, 768)
            views.update(page=page, view=View(browser, page))
            views["view"].open(f"http://{page.host}/#t={page.token}")
        return views["view"]
    return of


# ---- what must be shown

def filled(key, lang, snapshot):
    """A text of the table with the place's own words in it."""
    table, what = TABLES[lang], "id" if snapshot["purpose"] in ID_PURPOSES else "card"
    is_staffs = key.endswith(".staff")
    words = {"place": table[f"place.{snapshot['terminal']['kind'] or 'other'}"], "hurry": table[f"hurry.{what}"],
             "today": table[f"today.{what}.staff" if is_staffs else f"today.{what}"]}
    return re.sub(r"\{(place|today|hurry)\}", lambda match: words[match[1]], table[key])


def advice(code, purpose):
    """The part that an error concerns, and whose advice it has (agent/page/errors.js)."""
    part, fix = ERRORS[code].split("', '")
    if purpose == "undo_link" and code == "NOT_LINKED":
        fix = "undo_unknown"
    if purpose in ID_PURPOSES and fix in ("create", "resume"):
        fix += "_here"
    return part, fix


def told(row, snapshot):
    """By side: the keys that it must show."""
    resident, staff = ([key] if key else [] for key in row.says or ("", ""))
    if snapshot["state"] != "error":
        return {"resident": resident, "staff": staff}
    code, purpose = snapshot["error"]["code"], snapshot["purpose"]
    part, fix = advice(code, purpose)
    cause, about = f"error.{code}", f"part.{part}"
    if purpose in ("undo_link", "suspend"):  # staff's own act: the resident is only told to wait
        return {"resident": resident, "staff": [*staff, cause, about, f"fix.{fix}.staff"]}
    return {"resident": [*resident, about, cause, f"fix.{fix}"], "staff": [*staff, about, f"fix.{fix}.staff"]}


SIDES = """const sides = [...document.querySelectorAll('[data-side]')];
    return Object.fromEntries(sides.map((side) => [side.dataset.side, side.innerText]));"""


def unspaced(text):
    return re.sub(r"[\s\u2068\u2069]", "", text)


def look(view, row, snapshot, lang):
    """What is wrong with the page as it is shown in a language."""
    found = gate.probe(view, "strings", "facts")
    wrong = gate.text_problems(found, lang, Scene(snapshot))
    shown = {side: unspaced(text) for side, text in view.driver.execute_script(SIDES).items()}
    for side, keys in told(row, snapshot).items():
        wrong[side] = [key for key in keys if unspaced(filled(key, lang, snapshot)) not in shown[side]]
    if snapshot["state"] == "error" and snapshot["error"]["code"] not in shown["staff"]:
        wrong["code"] = [snapshot["error"]["code"]]
    return {kind: each for kind, each in wrong.items() if each}


@pytest.mark.parametrize("name", sorted(ROWS, key=lambda name: ROWS[name].desk))
def test_state(place, view_of, shots, name):
    row = ROWS[name]
    row(place)
    state = "/".join(name.split("/")[:2 if name.startswith("error/") else 1])
    place.page.wait(state)
    view = view_of(place.page)
    view.wait_newest()
    lang = view.driver.execute_script("return document.documentElement.lang")
    for each in (lang, OTHER[lang]):
        view.switch(each)
        view.wait_newest()
        snapshot = place.page.now
        assert look(view, row, snapshot, each) == {}
        if row.shot:
            view.screenshot(shots / f"real-{name.replace('/', '-').replace(' ', '-')}-{each}.png")
    assert state in {snapshot["state"], f"{snapshot['state']}/{snapshot.get('error', {}).get('code')}"}


# ---- nothing is missing

def reached():
    return {name.split("/")[1] for name in ROWS if name.startswith("error/")} | {"KEYBOARD_UNAVAILABLE"}  # typing/failed


def agents_own_codes(text):
    return re.findall(r"^    X\((\w+), \d+, [01]\)", text, re.M)


def test_every_state_and_message_has_a_row():
    assert {name.split("/")[0] for name in ROWS} == set(test_gate.states_in_c(test_gate.read("agent/counter.c")))
    own = agents_own_codes(test_gate.read("agent/problem.h"))
    assert len(own) > 10
    shown = set(all_codes()) | set(own) | set(ERRORS)
    assert shown - reached() == {name for name in EXCEPTIONS if name.isupper()} and reached() <= shown


def test_every_purpose_and_phase_has_a_row():
    purposes = re.findall(r"MYKEY__PURPOSE__PURPOSE_(\w+), (?:true|false), (?:true|false)\}", test_gate.read("agent/counter_staff.c"))
    assert len(purposes) == 9
    assert {name.split("/")[1] for name in ROWS if name.startswith("done/")} == {
        purpose.lower() for purpose in purposes} - {"resolve"} | {"undo_link", "suspend"}
    phases = re.search(r"phases\[\] = \{(.*?)\}", test_gate.read("agent/snapshot.c"))[1]
    assert {f"typing/{phase}" for phase in json.loads(f"[{phases}]")} - {"typing/idle"} == {
        name for name in [*ROWS, *EXCEPTIONS] if name.startswith("typing/")}
    assert (ROOT / "agent/page/errors.js").is_file()
