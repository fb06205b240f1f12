# SPDX-License-Identifier: Apache-2.0
"""Snapshots by hand from docs/counter-page.md: every state and its variants, by the name that its screenshot gets. The one
list of what the page can show; test_gate.py checks all of it, and that no state of the agent is missing."""

import re
import typing

from fake_agent import ROOT

LIBRARY = {"id": "t-a1-0001", "operator_id": "A1", "kind": "library", "name_ja": "みどり市立図書館", "name_en": "Midori City Library",
           "municipality": False}
CITY = {"id": "t-m1-0001", "operator_id": "M1", "kind": "municipality", "name_ja": "みどり市 市民課", "name_en": "Midori City Hall",
        "municipality": True}
CHECKS = {"reader": "ok", "network": "ok", "clock": "ok", "key": "ok"}
TERMS = {"version": "1", "ja": "図書館の利用番号をマイナンバーカードで呼び出せるようにします。\n番号は図書館の中だけで使います。",
         "en": "Your library number can be called up with your My Number Card.\nThe number is used inside the library only."}
OWN_CODES = ["PIN_WRONG", "PIN_BLOCKED", "CARD_REMOVED", "CARD_NOT_MYNUMBER", "CARD_OLD_JUKI", "CARD_PHONE", "CARD_UNREADABLE",
             "CARD_SEVERAL", "READER_MISSING", "READER_BUSY", "READER_SERVICE_DOWN", "READER_STUCK", "NETWORK_DOWN",
             "KEYBOARD_UNAVAILABLE"]
PURPOSES = ["resolve", "link", "unlink", "withdraw_consent"]
ID_PURPOSES = ["create_id", "show_id", "change_id", "delete_id", "resume_id"]
PARTS = ["terminal", "checks", "pin", "number", "clear", "keyboard", "terms", "link", "id", "manual", "notices", "error"]


def table_codes():
    """The names in proto/errors.tbl.h, but OK."""
    text = (ROOT / "proto/errors.tbl.h").read_text(encoding="utf-8")
    return [name for name in re.findall(r"^\s*X\((\w+),", text, re.M) if name != "OK"]


def all_codes():
    return table_codes() + OWN_CODES


# ---- bars (an encoder of the test's own: the agent uses libzint)

NW7 = {"0": "nnnnnww", "1": "nnnnwwn", "2": "nnnwnnw", "3": "wwnnnnn", "4": "nnwnnwn", "5": "wnnnnwn", "6": "nwnnnnw", "7": "nwnnwnn",
       "8": "nwwnnnn", "9": "wnnwnnn", "-": "nnnwwnn", "$": "nnwwnnn", "A": "nnwwnwn", "B": "nwnwnnw", "C": "nnnwnww", "D": "nnnwwwn"}
CODE39 = {"0": "nnnwwnwnn", "1": "wnnwnnnnw", "2": "nnwwnnnnw", "3": "wnwwnnnnn", "4": "nnnwwnnnw", "5": "wnnwwnnnn",
          "6": "nnwwwnnnn", "7": "nnnwnnwnw", "8": "wnnwnnwnn", "9": "nnwwnnwnn", "A": "wnnnnwnnw", "B": "nnwnnwnnw", "*": "nwnnwnwnn"}


def modules(text, table, wide):
    """Bars and spaces of each character, a narrow space between them, as "1" and "0" per module."""
    drawn = []
    for character in text:
        drawn.append("".join(("1" if index % 2 == 0 else "0") * (wide if width == "w" else 1)
                             for index, width in enumerate(table[character])))
    return "0".join(drawn)


def number(*values, chosen=0, symbology="nw7"):
    if chosen is None or chosen < 0:
        return {"values": list(values), "chosen": -1}
    text, table = (f"A{values[chosen]}A", NW7) if symbology == "nw7" else (f"*{values[chosen]}*", CODE39)
    return {"values": list(values), "chosen": chosen,
            "barcode": {"symbology": symbology, "text": text, "modules": modules(text, table, 3 if symbology == "nw7" else 2)}}


# ---- states

def snap(state, terminal=None, **more):
    return {"state": state, "terminal": terminal or LIBRARY, "checks": CHECKS, "purpose": "resolve", **more}


def error(code, terminal=None, **more):
    return snap("error", terminal, error={"code": code, "tries": None, "incident": "", "retry": False, "wait_s": 0, **more})


def states():
    keyboard = {"offered": True, "phase": "idle", "countdown": 0}
    clear = {"after_s": 30, "stopped": False}
    made = {
        "starting": snap("starting", checks={"reader": "ok", "network": "checking", "clock": "ok", "key": "TERMINAL_UNKNOWN"}),
        "wait": snap("wait"),
        "wait-link": snap("wait", purpose="link", link={"number": "789", "staff_confirmed": True}),
        "wait-city": snap("wait", CITY, purpose="show_id"),
        "wait-check": snap("wait", checks={**CHECKS, "network": "NETWORK_DOWN"}),
        "reading": snap("reading"),
        "pin": snap("pin", pin={"entered": 2, "tries": 3, "last": False}),
        "pin-tries": snap("pin", pin={"entered": 0, "tries": 2, "last": False}),
        "pin-last": snap("pin", pin={"entered": 0, "tries": 1, "last": True}),
        "pin-link": snap("pin", purpose="link", link={"number": "789", "staff_confirmed": True}, pin={"entered": 0, "tries": 3, "last": False}),
        "pin-delete": snap("pin", CITY, purpose="delete_id", pin={"entered": 0, "tries": 3, "last": False}),
        "working": snap("working"),
        "number": snap("number", number=number("789"), clear=clear, keyboard=keyboard),
        "number-long": snap("number", number=number("0123456789"), clear={"after_s": 30, "stopped": True}, keyboard=keyboard,
                            notices=["link_undone"]),
        "number-code39": snap("number", number=number("086AB", symbology="code39"), clear=clear),
        "number-choose": snap("number", number=number("789", "00012345", chosen=None), clear=clear, keyboard=keyboard),
        "number-chosen": snap("number", number=number("789", "00012345", chosen=1), clear=clear, keyboard=keyboard),
        "typing-countdown": snap("typing", number=number("789"), keyboard={"offered": True, "phase": "countdown", "countdown": 3}),
        "typing-done": snap("typing", keyboard={"offered": True, "phase": "done", "countdown": 0}),
        "typing-failed": snap("typing", keyboard={"offered": True, "phase": "failed", "countdown": 0},
                              error={"code": "KEYBOARD_UNAVAILABLE", "tries": 0, "incident": "", "retry": False, "wait_s": 0}),
        "not_registered": snap("not_registered", notices=["link_undone"]),
        "terms": snap("terms", purpose="link", terms=TERMS),
        "terms-create": snap("terms", CITY, purpose="create_id", terms=TERMS),
        "staff_scan": snap("staff_scan", purpose="link", link={"number": "", "staff_confirmed": False}),
        "staff_scan-read": snap("staff_scan", purpose="link", link={"number": "789", "staff_confirmed": False}),
        "manual": snap("manual", manual={"number": "", "problem": ""}),
        "manual-problem": snap("manual", manual={"number": "7-8", "problem": "NUMBER_INVALID"}),
        "done-create_id": snap("done", CITY, purpose="create_id", id={"mykey_id": "MY123456", "suspend_code": "1234 5678 9012 3456"}),
        "done-show_id": snap("done", CITY, purpose="show_id", id={"mykey_id": "MY123456"}, clear=clear),
        "done-change_id": snap("done", CITY, purpose="change_id", id={"mykey_id": "MY654321"}, clear=clear),
        "done-delete_id": snap("done", CITY, purpose="delete_id"),
        "done-resume_id": snap("done", CITY, purpose="resume_id"),
        "done-link": snap("done", purpose="link", link={"number": "789", "staff_confirmed": True}, clear=clear),
        "done-unlink": snap("done", purpose="unlink", clear=clear),
        "done-withdraw_consent": snap("done", purpose="withdraw_consent", clear=clear),
        "done-undo_link": snap("done", purpose="undo_link", clear=clear),
        "done-suspend": snap("done", CITY, purpose="suspend", clear=clear),
        "error-SUSPEND_CODE_WRONG": {**error("SUSPEND_CODE_WRONG", CITY), "purpose": "suspend"},
        "error-PIN_WRONG": error("PIN_WRONG", tries=2, retry=True),
        "error-NETWORK_DOWN": error("NETWORK_DOWN", wait_s=8),
        "error-BUSY": error("BUSY", retry=True, wait_s=8),
        "error-NO_MYKEY_ID": {**error("NO_MYKEY_ID", CITY), "purpose": "show_id"},
        "error-CERT_EXPIRED-city": {**error("CERT_EXPIRED", CITY), "purpose": "create_id"},
        "error-NOT_LINKED": {**error("NOT_LINKED"), "purpose": "undo_link"},
        "error-INTERNAL": error("INTERNAL", incident="0123456789abcdef0123456789abcdef"),
        "error-REVOCATION_STALE": error("REVOCATION_STALE", incident="0123456789abcdef0123456789abcdef"),
    }
    for code in ("PIN_BLOCKED", "CARD_REMOVED", "CARD_NOT_MYNUMBER", "READER_MISSING", "CERT_REVOKED", "CERT_UNTRUSTED", "CERT_EXPIRED",
                 "TERMINAL_REVOKED", "CLOCK_WRONG"):
        made[f"error-{code}"] = error(code)
    return made


STATES = states()


class Scene(typing.NamedTuple):
    """A screen: a snapshot, and what the page shows of itself on top of it (a step of probes.js)."""

    snapshot: dict
    step: str = ""
    views: tuple = ("both", "resident", "staff")
    refused: str = ""  # what the agent answers to an action
    failing: bool = False  # an error of the page's own
    is_code_only: bool = False  # made of the same parts as a scene beside it; only its texts are its own

    @property
    def is_error(self):
        return self.failing or self.snapshot["state"] == "error" or self.snapshot.get("keyboard", {}).get("phase") == "failed"


def scenes():
    staff = ("both", "staff")
    made = {name: Scene(snapshot) for name, snapshot in STATES.items()}
    made |= {f"error-{code}": Scene(error(code), is_code_only=True) for code in all_codes() if f"error-{code}" not in STATES}
    return made | {
        "wait-folds": Scene(STATES["wait-city"], "folds", staff),
        "wait-missing": Scene(STATES["wait"], "missing", staff, failing=True),
        "wait-asked": Scene({**STATES["wait-city"], "manual": {"number": "789"}}, "asked", staff),
        "wait-sent": Scene(STATES["wait-city"], "sent", staff),
        "wait-refused": Scene(STATES["wait"], "refused", staff, "DENIED", failing=True),
        "staff_scan-missing": Scene(STATES["staff_scan"], "missing", staff, failing=True),
        "staff_scan-rescan": Scene(STATES["staff_scan-read"], "folds", staff),
        "manual-missing": Scene(STATES["manual"], "missing", staff, failing=True),
        "number-copied": Scene(STATES["number"], "copied", staff),
        "number-refused": Scene(STATES["number"], "refused", refused="DENIED", failing=True),
        "pin-short": Scene(STATES["pin"], "short", ("both", "resident"), "BAD_REQUEST"),
    }


SCENES = scenes()
