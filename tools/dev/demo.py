#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""make demo: plays the story of one tap on real parts in a directory of its own; exit 0 only if every step held.

MYKEY_DEMO_SABOTAGE=n breaks step n (the world is changed, the checks stay), so that the demo can be seen to fail."""

import os
import re
import shutil
import signal
import sys
import tempfile
import time

from layout import Layout
from operators import HOLDERS
from process import wait_until
from seed import seed, seed_links
from stack import Stack

PIN, WRONG_PIN = "1234", "9999"
# The resident of the story; who else has links comes from the seed document's table.
RESIDENT = "card-new"
SABOTAGE = int(os.environ.get("MYKEY_DEMO_SABOTAGE") or 0)


class Failed(Exception):
    """A step did not hold: says what was expected and what was seen."""


def expect(condition, what):
    if not condition:
        raise Failed(what)


def describe(snapshot):
    if snapshot["state"] == "error":
        return f"refused with {snapshot['error']['code']}"
    if snapshot["state"] == "number":
        return f"the number {snapshot['number']['values'][snapshot['number']['chosen']]}"
    return f"the page '{snapshot['state']}'"


def clear(counter):
    """The counter as the next resident finds it."""
    counter.card.remove()
    if counter.page.now["state"] != "wait":
        counter.page.act("next")
    if counter.page.now["state"] != "wait":
        counter.page.act("cancel")
    counter.page.wait("wait")


def tap(counter, card, pin=PIN, purpose=None, ends=("number", "not_registered", "done", "error")):
    """Card in, PIN, and the page that it ends with."""
    page, mark = counter.page, counter.page.mark()
    if purpose:
        page.must("start", purpose=purpose)
    counter.card.insert(card)
    shown = page.wait("pin", "error", since=mark)
    if shown["state"] == "error":
        return shown
    mark = page.mark()
    page.enter_pin(pin)
    return page.wait(*ends, since=mark)


def step_1(stack, broken):
    """a resident creates a MyKey ID at a municipal counter"""
    counter = stack.counter("M131164")
    page = counter.page
    page.must("start", purpose="create_id")
    page.wait("terms")
    page.must("accept_terms")
    seen = tap(counter, RESIDENT, WRONG_PIN if broken else PIN)
    expect(seen["state"] == "done", f"expected the new ID, saw {describe(seen)}")
    mykey_id = seen["id"]["mykey_id"]
    expect(len(mykey_id) == 8 and mykey_id.isalnum() and mykey_id.upper() == mykey_id, "the ID is not 8 of A–Z 0–9")
    expect(len(seen["id"]["suspend_code"].replace(" ", "")) == 16, "the suspension code is not 16 digits")
    clear(counter)
    return f"terms accepted, PIN, ID {mykey_id[:2]}…… and a suspension code shown"


def start_link(page):
    page.must("start", purpose="link")
    page.wait("terms")
    page.must("accept_terms")
    page.wait("staff_scan")


def step_2(stack, broken):
    """links the number 789 at A1, with the staff step"""
    counter = stack.counter("A1")
    page = counter.page
    start_link(page)
    expect(page.act("staff_confirm") is not None, "staff could confirm without having scanned a card")
    page.must("cancel")
    page.wait("wait")
    seen = tap(counter, RESIDENT)
    expect(seen["state"] == "not_registered", f"without the staff step there is no link, yet saw {describe(seen)}")
    clear(counter)
    start_link(page)
    if not broken:
        page.must("staff_scan", number="７８９")
        page.must("staff_confirm")
    mark = page.mark()
    counter.card.insert(RESIDENT)
    page.wait("pin", since=mark, seconds=6)
    mark = page.mark()
    page.enter_pin(PIN)
    seen = page.wait("done", "error", since=mark)
    expect(seen["state"] == "done", f"expected the link, saw {describe(seen)}")
    clear(counter)
    consents = stack.cluster.sql("SELECT count(*) FROM registry.consent WHERE operator_id = 'A1'", "registry", "registry_owner")
    expect(int(consents) >= 1, "no consent was recorded")
    seen = tap(counter, RESIDENT)
    expect(seen["state"] == "number" and seen["number"]["values"] == ["789"], f"expected 789, saw {describe(seen)}")
    clear(counter)
    return "no staff step, no link; scanned, confirmed, consent recorded; the next tap gives 789"


def step_3(stack, broken):
    """taps: A1 789, B1 2342, and another card at C1 086"""
    seed(stack, {card: HOLDERS[card] for card in ("card-2", "card-3")})
    seed_links(stack, RESIDENT, {"B1": "2342", "C1": "873"})
    if broken:
        stack.cluster.sql("""DELETE FROM registry.service_link WHERE operator_id = 'B1';
                             DELETE FROM registry.lookup WHERE operator_id = 'B1'""", "registry", "registry_owner")
    for operator_id, card, number in (("A1", RESIDENT, "789"), ("B1", RESIDENT, "2342"), ("C1", "card-3", "086")):
        counter = stack.counter(operator_id)
        seen = tap(counter, card)
        expect(seen["state"] == "number" and seen["number"]["values"] == [number],
               f"expected {number} at {operator_id}, saw {describe(seen)}")
        clear(counter)
    return "A1 → 789, B1 → 2342, C1 → 086 (leading zero kept)"


def step_4(stack, broken):
    """a card without a link here: not registered, and nothing about others"""
    counter = stack.counter("B1")
    mark = counter.page.mark()
    seen = tap(counter, RESIDENT if broken else "card-2")
    expect(seen["state"] == "not_registered", f"expected 'not registered', saw {describe(seen)}")
    told = str(counter.page.snapshots[mark:])
    for foreign in ("2231", "4562", "MY654321"):
        expect(foreign not in told, "the page was told another operator's number")
    clear(counter)
    return "not registered here; no other operator's number reached the counter"


def step_5(stack, broken):
    """a wrong PIN is told with the tries left; a blocked one offers no retry"""
    counter = stack.counter("C1")
    page = counter.page
    seen = tap(counter, "card-3", PIN if broken else WRONG_PIN)
    expect(seen["state"] == "error" and seen["error"]["code"] == "PIN_WRONG", f"expected 'wrong PIN', saw {describe(seen)}")
    expect(seen["error"]["tries"] == 2, "the tries left are not 2")
    for tries in (1, 0):
        mark = page.mark()
        page.must("retry")
        shown = page.wait("pin", since=mark)
        if shown["pin"]["last"]:
            page.must("confirm_last")
        mark = page.mark()
        page.enter_pin(WRONG_PIN)
        seen = page.wait("error", since=mark)
        expect(tries == 0 or seen["error"]["tries"] == tries, f"the tries left are not {tries}")
    expect(seen["error"]["code"] == "PIN_BLOCKED", f"expected 'PIN blocked', saw {describe(seen)}")
    expect(not seen["error"]["retry"] and page.act("retry") is not None, "a retry is offered for a blocked PIN")
    clear(counter)
    counter.card.insert("card-3")
    seen = page.wait("error", "pin")
    expect(seen["state"] == "error" and seen["error"]["code"] == "PIN_BLOCKED", "a blocked card was asked for its PIN")
    counter.card("unblock")
    clear(counter)
    return "2 tries left, then 1 (confirmed), then blocked: no retry offered"


def step_6(stack, broken):
    """a revoked card, an expired one, a self-made root: each refused with its own message"""
    counter, seen_codes = stack.counter("A1"), []
    for card, code in (("card-revoked", "CERT_REVOKED"), ("card-expired", "CERT_EXPIRED"), ("card-evil", "CERT_UNTRUSTED")):
        seen = tap(counter, RESIDENT if broken else card)
        expect(seen["state"] == "error" and seen["error"]["code"] == code, f"expected {code}, saw {describe(seen)}")
        seen_codes.append(code)
        clear(counter)
    return ", ".join(seen_codes)


def step_7(stack, broken):
    """the card pulled in mid-read and during the signature: put it back, and the next tap works"""
    counter = stack.counter("A1")
    page = counter.page
    mark = page.mark()
    if not broken:
        counter.card("fault remove-at read after")
    counter.card.insert(RESIDENT)
    seen = page.wait("error", "pin", since=mark)
    expect(seen["state"] == "error" and seen["error"]["code"] == "CARD_REMOVED", f"mid-read: saw {describe(seen)}")
    clear(counter)
    counter.card("fault remove-at sign before")
    seen = tap(counter, RESIDENT)
    expect(seen["state"] == "error" and seen["error"]["code"] == "CARD_REMOVED", f"during the signature: saw {describe(seen)}")
    clear(counter)
    seen = tap(counter, RESIDENT)
    expect(seen["state"] == "number" and seen["number"]["values"] == ["789"], f"the next tap: saw {describe(seen)}")
    clear(counter)
    return "told to put it back twice; the next tap gives 789"


def in_flight(broker, service):
    """Does this broker wait for an answer of that service?"""
    found = re.search(rf'^mykey_bus_inflight{{service="{service}"}} (\d+)', broker.metrics(), re.MULTILINE)
    return found is not None and int(found[1]) > 0


def step_8(stack, broken):
    """broker-a killed with -9 between taps and during one: the taps go on"""
    counter = stack.counter("A1")
    brokers = ("broker-a", "broker-b") if broken else ("broker-a",)
    for name in brokers:
        stack.processes[name].kill(signal.SIGKILL)
    seen = tap(counter, RESIDENT)
    expect(seen["state"] == "number", f"after the kill: saw {describe(seen)}")
    clear(counter)
    stack.start_broker("broker-a").wait_ready()
    time.sleep(1.5)  # the services come back to it by themselves
    page, mark = counter.page, counter.page.mark()
    counter.card.insert(RESIDENT)
    page.wait("pin", since=mark)
    mark = page.mark()
    verifier = stack.processes["jpki-verify"]
    verifier.kill(signal.SIGSTOP)  # so that the tap is surely on its way when the broker dies
    try:
        page.enter_pin(PIN)
        wait_until(lambda: in_flight(stack.processes["broker-a"], "jpki"), 5, "the tap's call at broker-a")
        stack.processes["broker-a"].kill(signal.SIGKILL)
    finally:
        verifier.kill(signal.SIGCONT)
    seen = page.wait("number", "error", since=mark)
    expect(seen["state"] == "number" and seen["number"]["values"] == ["789"], f"killed during the tap: saw {describe(seen)}")
    clear(counter)
    stack.start_broker("broker-a").wait_ready()
    return "broker-a gone between taps and during one: 789 both times"


STEPS = (step_1, step_2, step_3, step_4, step_5, step_6, step_7, step_8)


def play(stack, begun):
    for number, step in enumerate(STEPS, 1):
        start = time.monotonic()
        try:
            seen = step(stack, SABOTAGE == number)
        except (Failed, TimeoutError, RuntimeError) as fault:
            print(f"{number}. {step.__doc__}: DID NOT HOLD after {time.monotonic() - start:.1f} s: {fault}", flush=True)
            return False
        print(f"{number}. {step.__doc__}: {seen} ({time.monotonic() - start:.1f} s)", flush=True)
    print(f"The story held: {len(STEPS)} steps in {time.monotonic() - begun:.1f} s, start-up included.")
    return True


def main():
    begun = time.monotonic()
    profile = f"demo-{os.getpid()}"
    layout = Layout(profile)
    # SIGTERM takes the same way out as Ctrl-C: everything is stopped and removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    held = False
    try:
        print(f"Starting the platform in {layout.data} …", flush=True)
        with Stack(layout) as stack:
            print(f"Ready after {time.monotonic() - begun:.1f} s: 2 brokers, registry, jpki-verify, gateway, 2 edges.", flush=True)
            held = play(stack, begun)
    except (RuntimeError, TimeoutError) as fault:
        print(f"The platform did not start: {fault}")
    finally:
        keep = os.environ.get("MYKEY_DEMO_KEEP_LOGS")
        if keep:
            shutil.copytree(layout.run, tempfile.mkdtemp(prefix="demo-", dir=keep), dirs_exist_ok=True,
                            ignore=lambda folder, names: [n for n in names if not n.endswith((".log", ".conf"))])
        layout.remove()
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
