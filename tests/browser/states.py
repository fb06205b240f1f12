# SPDX-License-Identifier: Apache-2.0
"""Every state and every message of the counter, and what brings the real agent there: a table of rows. A row's name is the
state (for errors error/CODE), where need be with a variant behind it; `says` are keys of the message table that the
resident's and the staff's side must show (what an error says follows from agent/page/errors.js)."""

import os
import signal
import typing

from agentlib import Refuse, Terminal
from simcardlib import wait_for

from snapshots import table_codes


class Row(typing.NamedTuple):
    reach: typing.Callable  # of a Place; leaves it in the state
    says: tuple = ()
    desk: str = "library"  # "library", "hall"; "own": reach begins an agent of its own
    shot: bool = True  # for a human look; of those that differ in their texts only, a few will do

    def __call__(self, place):
        self.reach(place)


class Place:
    """One counter and its reader; what a row borrows (`later`) is given back after it."""

    def __init__(self, station, desk, later):
        self.station, self.desk, self.later = station, desk, later

    @property
    def page(self):
        return self.desk.page

    @property
    def platform(self):
        return self.desk.platform

    def own(self, station=None, prepare=lambda one: None, **settings):
        self.desk = Terminal(station, **settings)
        prepare(self.desk)
        self.later.enter_context(self.desk)

    def refuse(self, path, code, times=10**9):
        left = [times]

        def bend(_):
            left[0] -= 1
            if left[0] >= 0:
                raise Refuse(code)
        self.platform.bends[path] = bend

    def tap(self, pin="1234", card="card-1"):
        self.station.insert(card)
        self.page.wait("pin")
        self.page.enter_pin(pin)

    def act(self, action, state, **arguments):
        self.page.must(action, **arguments)
        self.page.wait(state)


# ---- without a card

def starting(place):
    def prepare(one):
        one.platform.pending = 10**9  # the terminal authority takes its time
    place.own(place.station, prepare)


def waiting_to_link(place):
    terms(place)
    place.act("accept_terms", "staff_scan")
    place.page.must("staff_scan", number="789")
    place.act("staff_confirm", "wait")


def terms(place):
    place.act("start", "terms", purpose="link")


def scanning(place):
    terms(place)
    place.act("accept_terms", "staff_scan")


def scanned(place):
    scanning(place)
    place.page.must("staff_scan", number="789")
    wait_for(lambda: place.page.now["link"]["number"] == "789", "the number")


def manual(place):
    place.act("manual_open", "manual")


def manual_wrong(place):
    manual(place)
    place.page.must("manual_number", number="12a", reason="other")
    wait_for(lambda: place.page.now["manual"]["problem"] == "NUMBER_INVALID", "the problem")


def manual_number(place):
    manual(place)
    place.act("manual_number", "number", number="789", reason="forgot_card")


def undone(place):
    place.act("undo_link", "done", number="789", reason="mistyped")


def suspended(place):
    place.act("suspend", "done", code="1234 5678 9012 3456")


# ---- card and PIN

def reading(place):
    place.station.ask("fault hang read")
    place.station.ask("insert card-1")


def pin(place):
    place.station.insert("card-1")


def pin_few(place):
    place.station.ask("tries 2 card-1")
    place.station.ask("insert card-1")


def pin_last(place):
    place.station.ask("tries 1 card-1")
    place.station.ask("insert card-1")


def working(place):
    place.station.insert("card-1")
    place.page.wait("pin")
    place.station.ask("fault hang verify")
    place.page.enter_pin("1234")


def number(place):
    place.tap()


def number_after_undoing(place):
    place.platform.notices = ["link_undone"]
    place.tap()


def several(place):
    place.platform.numbers = ["086", "789"]
    place.tap()


def chosen(place):
    several(place)
    place.page.wait("number")
    place.page.must("choose", index=1)
    wait_for(lambda: place.page.now["number"]["chosen"] == 1, "the choice")


def by_the_other_edge(place):
    place.platform.kill(0)
    place.later.callback(place.platform.revive, 0)
    place.tap()


def typing_failed(place):
    place.tap()
    place.page.wait("number")
    place.act("type_number", "typing")


def not_registered(place):
    place.platform.numbers = []
    place.tap()


def linked(place):
    waiting_to_link(place)
    place.tap()


def done(purpose):
    def reach(place):
        place.page.must("start", purpose=purpose)
        if purpose == "create_id":
            place.page.wait("terms")
            place.page.must("accept_terms")
        place.page.wait("wait")
        wait_for(lambda: place.page.now["purpose"] == purpose, "the purpose")
        place.tap()
    return reach


# ---- faults of card and reader

def wrong(place):
    place.tap("9999")


def blocked(place):
    place.station.ask("tries 0 card-1")
    place.station.ask("insert card-1")


def removed(place):
    place.station.insert("card-1")
    place.page.wait("pin")
    place.station.ask("remove")


def fault(text):
    def reach(place):
        place.station.ask(f"fault {text}")
        place.station.ask("insert card-1")
    return reach


def two_cards(place):
    place.station.ask("insert card-1 0")
    place.station.ask("insert card-2 1")
    place.page.wait("error/CARD_SEVERAL", "pin")
    if place.page.now["state"] == "pin":  # the first was quicker
        place.page.must("cancel")


def no_reader(place):
    place.own(place.station, reader="a reader that nobody has")


def reader_busy(place):
    other = place.later.enter_context(place.station.client())
    place.station.insert("card-1")
    place.page.wait("pin")
    place.act("cancel", "wait")
    wait_for(lambda: other.do("connect 0 exclusive")[0] == 0, "the agent to let go of the card")
    place.page.must("start", purpose="resolve")


def no_service(place):
    place.station.stop()
    place.later.callback(place.station.start)


def stuck(place):
    place.station.insert("card-1")
    place.page.wait("pin")
    os.kill(place.desk.child(), signal.SIGKILL)


# ---- faults of platform and terminal

def no_network(place):
    for edge in (0, 1):
        place.platform.kill(edge)
        place.later.callback(place.platform.revive, edge)
    place.tap()


def from_the_start(change):
    """An agent whose first question to the platform is answered so."""
    def reach(place):
        place.own(place.station, lambda one: change(one.platform))
    return reach


def bend_info(change):
    def prepare(platform):
        platform.bends["/v1/terminal"] = change
    return prepare


def revoked(_):
    raise Refuse("TERMINAL_REVOKED", 403)


def another_platform(info):
    info.environment = "another"


def clock_wrong(platform):
    platform.clock_ms = 61000


def bad_invite(place):
    def prepare(one):
        with os.fdopen(os.open(one.invite, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write("not an invite\n")
    place.own(prepare=prepare)


def refused(code):
    """The platform answers a tap so. A lost challenge is asked for anew, at most three times in all."""
    def reach(place):
        place.refuse("/v1/tap", code)
        place.tap()
    return reach


def not_linked(place):
    place.refuse("/v1/tap", "NOT_LINKED")
    done("unlink")(place)


def undo_unknown(place):
    place.refuse("/v1/undo-link", "NOT_LINKED")
    place.page.must("undo_link", number="789", reason="mistyped")


def code_wrong(place):
    place.refuse("/v1/suspend", "SUSPEND_CODE_WRONG")
    place.page.must("suspend", code="1234 5678 9012 3456")


def terms_changed(place):
    place.refuse("/v1/tap", "TERMS_OUTDATED")
    linked(place)


STAFF_ACT = "staff_act.title"
ROWS = {
    "starting": Row(starting, ("starting.title", "starting.staff"), "own"),
    "wait": Row(lambda place: None, ("wait.title", "staff.wait")),
    "wait/link": Row(waiting_to_link, ("wait.title", "purpose.link")),
    "reading": Row(reading, ("reading.title", "staff.reading")),
    "pin": Row(pin, ("pin.title", "staff.pin")),
    "pin/few tries": Row(pin_few, ("pin.title", "staff.pin")),
    "pin/last try": Row(pin_last, ("pin.last.title", "staff.pin")),
    "working": Row(working, ("working.title", "staff.working")),
    "number": Row(number, ("number.title", "staff.number")),
    "number/notice": Row(number_after_undoing, ("notice.link_undone", "staff.number")),
    "number/several": Row(several, ("number.choosing.title", "number.choose")),
    "number/chosen": Row(chosen, ("number.title", "number.choose")),
    "number/other edge": Row(by_the_other_edge, ("number.title", "staff.number")),
    "number/manual": Row(manual_number, ("number.title", "staff.number")),
    "typing/failed": Row(typing_failed, ("typing.resident.title", "typing.failed")),
    "not_registered": Row(not_registered, ("not_registered.title", "staff.not_registered")),
    "terms": Row(terms, ("terms.title.operator", "staff.terms.text")),
    "terms/create_id": Row(lambda place: place.act("start", "terms", purpose="create_id"), ("terms.title.platform", "staff.terms.id"), "hall"),
    "staff_scan": Row(scanning, ("scan.resident.title", "scan.title")),
    "staff_scan/read": Row(scanned, ("scan.resident.title", "scan.confirm.title")),
    "done/link": Row(linked, ("done.link", "done.link")),
    "done/unlink": Row(done("unlink"), ("done.unlink.text", "done.unlink")),
    "done/withdraw_consent": Row(done("withdraw_consent"), ("done.withdraw_consent.text", "done.withdraw_consent")),
    "done/undo_link": Row(undone, (STAFF_ACT, "done.undo_link.text")),
    **{f"done/{purpose}": Row(done(purpose), (f"done.{purpose}.text", "staff.done.show_id" if purpose == "show_id" else f"done.{purpose}"),
                              "hall")
       for purpose in ("create_id", "show_id", "change_id", "delete_id", "resume_id")},
    "done/suspend": Row(suspended, (STAFF_ACT, "done.suspend.text"), "hall"),
    "manual": Row(manual, ("manual.resident.title", "manual.title")),
    "manual/wrong number": Row(manual_wrong, ("manual.resident.title", "error.NUMBER_INVALID")),

    "error/PIN_WRONG": Row(wrong, ("pin.again", "")),
    "error/PIN_BLOCKED": Row(blocked),
    "error/CARD_REMOVED": Row(removed),
    "error/CARD_NOT_MYNUMBER": Row(fault("sw 6A82 select")),  # as a bank card answers
    "error/CARD_OLD_JUKI": Row(fault("token juki")),
    "error/CARD_PHONE": Row(fault("token phone")),
    "error/CARD_UNREADABLE": Row(fault("sw 6F00 read")),
    "error/CARD_SEVERAL": Row(two_cards),
    "error/READER_MISSING": Row(no_reader, desk="own"),
    "error/READER_BUSY": Row(reader_busy),
    "error/READER_SERVICE_DOWN": Row(no_service),
    "error/READER_STUCK": Row(stuck),
    "error/NETWORK_DOWN": Row(no_network),
    "error/CLOCK_WRONG": Row(from_the_start(clock_wrong), desk="own"),
    "error/TERMINAL_REVOKED": Row(from_the_start(bend_info(revoked)), desk="own"),
    "error/TERMINAL_UNKNOWN": Row(from_the_start(bend_info(another_platform)), desk="own"),
    "error/INVITE_INVALID": Row(bad_invite, desk="own"),
    "error/NOT_LINKED": Row(not_linked),
    "error/NOT_LINKED/undo": Row(undo_unknown, (STAFF_ACT, "")),
    "error/SUSPEND_CODE_WRONG": Row(code_wrong, (STAFF_ACT, ""), "hall"),
    "error/TERMS_OUTDATED": Row(terms_changed),
    **{f"error/{code}/hall": Row(refused(code), desk="hall") for code in ("NO_MYKEY_ID", "ID_SUSPENDED", "CERT_EXPIRED")},
}
# whatever else the platform may answer
LOOKED_AT = {"CERT_EXPIRED", "CERT_REVOKED", "REVOCATION_STALE", "NO_WORKERS", "INTERNAL", "NO_MYKEY_ID", "ID_SUSPENDED", "DENIED"}
ROWS |= {f"error/{code}": Row(refused(code), shot=code in LOOKED_AT) for code in table_codes() if f"error/{code}" not in ROWS}

# What no row reaches here, and why.
EXCEPTIONS = {
    "typing/countdown": "needs /dev/uinput, which sandboxes don't have; drawn from hand-made snapshots in test_gate.py",
    "typing/done": "as above; what is typed is proven by the unit tests of keymap and keyboard",
    "CHECKING": "no message: a check that has not ended, which the state starting shows as waiting",
}
