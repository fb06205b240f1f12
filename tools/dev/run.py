#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""make run: the platform with one counter (A1) and demo cards, in the foreground until Ctrl-C."""

import fcntl
import os
import signal
import sys
import time

from layout import Layout, program
from readers import physical_readers
from seed import seed
from stack import BROKERS, EDGES, Stack

RESTART_AFTER_S = 1.0


def tell(text):
    print(text, flush=True)


REAL_CARDS = """\
  カード  Cards: the reader of this machine is used ({names}). The development authority refuses real cards as
          not issued by JPKI (CERT_UNTRUSTED), before anything about them is looked up."""


def demo_cards(counter):
    card = f"{program('mykey-simcard')} --control {counter.control}"
    return f"""\
  カード  Demo cards (PIN 1234), in another terminal:
    {card} insert card-1      → 789
    {card} swap card-2        → 2231
    {card} remove
    {card} cards              all cards: without a link, revoked, expired, forged …
    {card} faults             what can go wrong with a card"""


def banner(counter, readers):
    tell(f"""
マイキープラットフォームが動いています。 The MyKey Platform is running.

  窓口の画面  Counter page (A1図書館):  {counter.url}

{REAL_CARDS.format(names=", ".join(readers)) if readers else demo_cards(counter)}

  Logs: {counter.stack.layout.run}/*.log   Data: {counter.stack.layout.data}
  Ctrl-C で終了します（データは次回に引き継がれます）。 Ctrl-C stops everything; the data stay for the next time.
""")


def lock(layout):
    """One make run a checkout; a second one says so."""
    layout.make()
    handle = open(layout.in_run("lock"), "w", encoding="ascii")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("make run is already running in this checkout: stop it with Ctrl-C there first")
    return handle


def restarters(stack):
    table = {name: stack.start_broker for name in BROKERS}
    table |= {name: stack.start_edge for name in EDGES}
    table |= {name: stack.start_gateway for name in stack.gateways}
    table |= {"registry": lambda _: stack.start_registry(), "jpki-verify": lambda _: stack.start_jpki(),
              "jpki-revocation": lambda _: stack.start_revocation(),
              "terminal-ca": lambda _: stack.start_authority()}
    return table


def supervise(stack, counter):
    """Starts again what has died, and says so; without the database or the counter there is nothing to go on with."""
    table = restarters(stack)
    while True:
        time.sleep(RESTART_AFTER_S)
        for process in (stack.cluster.server, counter.reader, counter.agent):
            if process is not None and not process.alive():
                raise RuntimeError(f"{process.name} ended; its last lines ({process.log}):\n{process.tail()}")
        for name, process in list(stack.processes.items()):
            if not process.alive():
                tell(f"{name} ended with status {process.child.returncode}; starting it again (log: {process.log})")
                table[name](name)


class Stopped(Exception):
    """Ctrl-C or SIGTERM."""


def on_signal(number, frame):
    raise Stopped


def main():
    layout = Layout("dev")
    held = lock(layout)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    begun = time.monotonic()
    stack = Stack(layout)
    faults = []
    try:
        tell(f"Starting (data: {layout.data}) …")
        stack.start()
        tell("  database, 2 brokers, registry, jpki-verify, gateway, 2 edges: ready")
        seed(stack)
        readers = physical_readers()
        counter = stack.counter("A1", virtual=not readers)
        tell(f"  terminal of A1: enrolled, reader and card ready ({time.monotonic() - begun:.1f} s)")
        banner(counter, readers)
        supervise(stack, counter)
    except Stopped:
        tell("\nStopping: draining …")
    except (RuntimeError, TimeoutError) as fault:
        tell(f"\nCan't go on: {fault}")
        faults = ["see above"]
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        faults += stack.stop()
        held.close()
        tell("Stopped." if not faults else f"Stopped; not cleanly: {', '.join(faults)}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
