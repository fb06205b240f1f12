# SPDX-License-Identifier: Apache-2.0
"""What the library spares a service: repeats after BUSY within a budget, and the breaker."""

import threading
import time

from buslib import DISPATCH, bus, room  # noqa: F401


class Answerer(threading.Thread):
    """A worker written from docs/bus.md; answer(n) gives the n-th dispatch's code and the reply's further fields."""

    def __init__(self, of, answer):
        super().__init__(daemon=True)
        self.worker, self.answer = of.raw("echo"), answer
        self.worker.ready(credit=8)
        self.seen, self.over = [], False
        self.start()

    def run(self):
        while not self.over:
            message = self.worker.receive(0.1)
            if message is not None and message.command == DISPATCH:
                code, fields = self.answer(len(self.seen))
                self.seen.append((time.monotonic(), message.header))
                self.worker.reply(message, message.body, code, **fields)

    def end(self):
        self.over = True
        self.join()


def play(room, answer, **settings):
    """(what the caller saw, what the worker saw)"""
    room.broker()
    worker = Answerer(room, answer)
    try:
        return room.run(**settings), worker.seen
    finally:
        worker.end()


BUSY = ("BUSY", {"executed": bus.EXECUTED_NO, "retry_after_ms": 100})
OK = ("OK", {})


def test_a_busy_call_comes_again_after_a_while(room):
    told, seen = play(room, lambda n: BUSY if n == 0 else OK, total=1, body="once")
    assert told["codes"] == {"OK": 1} and told["wrong"] == 0
    (first, _), (second, header) = seen
    assert second - first >= 0.05 and header.attempt == 1
    assert header.request_id == seen[0][1].request_id


def test_a_busy_call_that_ran_does_not_come_again(room):
    told, seen = play(room, lambda n: ("BUSY", {"executed": bus.EXECUTED_UNKNOWN, "retry_after_ms": 10}), total=1)
    assert told["codes"] == {"BUSY": 1} and len(seen) == 1


def test_a_busy_call_comes_four_times_at_most(room):
    told, seen = play(room, lambda n: BUSY, total=1)
    assert told["codes"] == {"BUSY": 1} and [header.attempt for _, header in seen] == [0, 1, 2, 3]


def test_a_busy_call_does_not_come_after_its_time(room):
    told, seen = play(room, lambda n: ("BUSY", {"executed": bus.EXECUTED_NO, "retry_after_ms": 3000}), total=1,
                      timeout_ms=1000)
    assert told["codes"] == {"BUSY": 1} and len(seen) == 1


def test_repeats_are_a_tenth_of_the_calls(room):
    busy = ("BUSY", {"executed": bus.EXECUTED_NO, "retry_after_ms": 1})
    told, seen = play(room, lambda n: busy, total=100, inflight=4)
    assert told["codes"] == {"BUSY": 100}
    assert 110 <= len(seen) <= 120  # ten saved up, one more for ten calls


def test_many_failures_close_the_way_and_a_probe_opens_it(room):
    told, seen = play(room, lambda n: ("UNAVAILABLE", {"executed": bus.EXECUTED_UNKNOWN}) if n < 9 else OK, total=60,
                      gap_ms=40)
    assert told["codes"]["OK"] >= 10
    assert told["codes"]["OK"] + 9 == len(seen)  # the other failures cost the service nothing
    assert told["codes"]["UNAVAILABLE"] > 9
    assert seen[8][0] - seen[7][0] >= 0.45 and seen[9][0] - seen[8][0] >= 0.9


def test_one_call_at_a_time_probes(room):
    told, seen = play(room, lambda n: ("UNAVAILABLE", {"executed": bus.EXECUTED_UNKNOWN}), total=400, inflight=8, gap_ms=40)
    assert told["codes"] == {"UNAVAILABLE": 400}
    assert 9 <= len(seen) <= 20


def test_a_missing_worker_is_told_at_once_after_a_few_calls(room):
    room.broker(grace_ms=100)
    told = room.run(total=40, gap_ms=1)
    assert told["codes"]["NO_WORKERS"] >= 8 and told["codes"]["UNAVAILABLE"] >= 20
