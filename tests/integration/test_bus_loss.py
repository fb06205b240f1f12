# SPDX-License-Identifier: Apache-2.0
"""What is lost when a process is lost: as little as can be, and nobody is left without an answer."""

import signal
import time

from buslib import DISPATCH, GOAWAY, bus, room, wait_for  # noqa: F401


def test_an_idle_worker_killed(room):
    room.broker()
    doomed, caller = room.worker(), room.raw("load")
    room.worker()
    doomed.signal(signal.SIGKILL)
    doomed.wait()
    assert wait_for(lambda: room.metric("mykey_bus_workers", service="echo", state="ready") == 1)
    assert [caller.ask().code for _ in range(10)] == ["OK"] * 10


def test_a_worker_killed_at_work_on_a_repeatable_call(room):
    room.broker()
    doomed, caller = room.worker(credit=50), room.raw("load")
    room.worker(credit=5)
    caller.call("Slow", b"1000", repeatable=True, timeout_ms=20000)  # goes to the one with more credit
    wait_for(lambda: room.metric("mykey_bus_inflight", service="echo"))
    doomed.signal(signal.SIGKILL)
    reply = caller.receive(20)
    assert reply.code == "OK" and reply.body == b"done"
    assert room.metric("mykey_bus_redispatch_total", reason="worker_lost") == 1


def test_a_call_with_an_idempotency_key_is_repeatable(room):
    room.broker()
    first, caller = room.raw("echo"), room.raw("load")
    first.ready()
    caller.call(idempotency_key=b"k", timeout_ms=8000)
    assert first.receive().header.attempt == 0
    first.close()
    second = room.raw("echo")
    second.ready()
    job = second.receive(6)
    assert job.header.attempt == 1 and job.header.idempotency_key == b"k"


def test_a_worker_killed_at_work_on_a_call_that_may_not_run_twice(room):
    room.broker()
    doomed, caller = room.worker(), room.raw("load")
    caller.call("Slow", b"5000", timeout_ms=8000)
    wait_for(lambda: room.metric("mykey_bus_inflight", service="echo"))
    room.worker()
    doomed.signal(signal.SIGKILL)
    reply = caller.receive(6)
    assert reply.code == "UNAVAILABLE" and reply.header.executed == bus.EXECUTED_UNKNOWN


def test_a_request_that_kills_two_workers_is_not_given_to_a_third(room):
    room.broker()
    workers = [room.worker() for _ in range(3)]
    caller = room.raw("load")
    reply = caller.ask("Die", repeatable=True, timeout_ms=15000, request_id=b"P" * 16, seconds=15)
    assert reply.code == "INTERNAL" and reply.header.executed == bus.EXECUTED_UNKNOWN
    assert sum(worker.alive() for worker in workers) == 1
    again = caller.ask("Die", repeatable=True, request_id=b"P" * 16)
    assert again.code == "INTERNAL" and again.header.detail == "quarantined"
    assert caller.ask("Echo").code == "OK"
    assert room.metric("mykey_bus_quarantined_total") == 1


def test_a_stopped_worker_gets_no_work_and_comes_back(room):
    room.broker()
    stopped, caller = room.worker(credit=50), room.raw("load")
    room.worker(credit=5)
    stopped.signal(signal.SIGSTOP)
    caller.call(repeatable=True, timeout_ms=10000)  # goes to the one with more credit
    assert caller.receive(8).code == "OK"
    assert room.metric("mykey_bus_workers", service="echo", state="suspect") == 1
    assert [caller.ask().code for _ in range(5)] == ["OK"] * 5
    stopped.signal(signal.SIGCONT)
    assert wait_for(lambda: room.metric("mykey_bus_workers", service="echo", state="ready") == 2)
    assert [caller.ask().code for _ in range(5)] == ["OK"] * 5


def test_a_worker_whose_loop_is_stuck_is_noticed(room):
    """Its sockets' threads live on; only the loop that does the work is silent."""
    room.broker()
    room.worker()
    caller = room.raw("load")
    caller.call("Block", b"4500", timeout_ms=9000)
    reply = caller.receive(9)
    assert reply.code == "UNAVAILABLE" and reply.header.executed == bus.EXECUTED_UNKNOWN
    assert wait_for(lambda: room.metric("mykey_bus_workers", service="echo", state="ready") == 1)


def test_a_broker_killed_under_calls(room):
    first, _ = room.broker("a"), room.broker("b")
    room.worker(brokers="ab", credit=20)
    load = room.load(brokers="ab", inflight=10, ms=3000, gap_ms=2, repeatable="true", timeout_ms=5000)
    wait_for(lambda: room.metric("mykey_bus_requests_total", "a") > 50)
    first.signal(signal.SIGKILL)
    first.wait()
    answer = room.finish(load)
    assert set(answer["codes"]) == {"OK"} and answer["done"] > 100 and answer["wrong"] == 0
    assert room.metric("mykey_bus_requests_total", "b") > 50


def test_calls_that_may_not_run_twice_end_unknown_when_their_broker_is_killed(room):
    first, _ = room.broker("a"), room.broker("b")
    room.worker(brokers="ab", credit=20)
    load = room.load(brokers="ab", inflight=10, total=10, method="Slow", body="1500", timeout_ms=8000, delay_ms=500)
    wait_for(lambda: room.metric("mykey_bus_inflight", "a", service="echo") == 5)
    first.signal(signal.SIGKILL)
    answer = room.finish(load)
    assert answer["codes"] == {"OK": 5, "UNAVAILABLE": 5} and answer["unknown"] == 5


def test_a_broker_that_comes_back_is_used_again(room):
    first, _ = room.broker("a"), room.broker("b")
    worker = room.worker(brokers="ab")
    load = room.load(brokers="ab", inflight=4, ms=5000, gap_ms=5, repeatable="true")
    time.sleep(0.3)
    first.signal(signal.SIGKILL)
    first.wait()
    room.broker("a")
    wait_for(lambda: room.metric("mykey_bus_requests_total", "a") > 20, 20)
    answer = room.finish(load)
    assert set(answer["codes"]) == {"OK"} and worker.alive()


def test_a_stopped_broker_is_left(room):
    first, _ = room.broker("a"), room.broker("b")
    room.worker(brokers="ab", credit=20)
    load = room.load(brokers="ab", inflight=6, ms=6000, gap_ms=5, repeatable="true", timeout_ms=10000)
    wait_for(lambda: room.metric("mykey_bus_requests_total", "a") > 20)
    first.signal(signal.SIGSTOP)
    answer = room.finish(load)
    assert set(answer["codes"]) == {"OK"}
    first.signal(signal.SIGCONT)


def test_both_brokers_gone(room):
    brokers = [room.broker("a"), room.broker("b")]
    room.worker(brokers="ab")
    load = room.load(brokers="ab", inflight=1, ms=2500, gap_ms=50, repeatable="true", timeout_ms=30000)
    wait_for(lambda: room.metric("mykey_bus_requests_total", "a") + room.metric("mykey_bus_requests_total", "b") > 3)
    for broker in brokers:
        broker.signal(signal.SIGKILL)
    answer = room.finish(load)
    assert answer["codes"]["UNAVAILABLE"] > 5 and set(answer["codes"]) == {"OK", "UNAVAILABLE"}


def test_no_broker_at_all_is_said_at_once(room):
    room.broker("a").signal(signal.SIGKILL)
    answer = room.run(total=3, wait_ms=300, timeout_ms=30000)
    assert answer["codes"] == {"UNAVAILABLE": 3} and answer["unknown"] == 0


def test_draining_a_worker_loses_nothing(room):
    room.broker()
    leaving = room.worker()
    room.worker()
    load = room.load(inflight=8, ms=2500, method="Slow", body="20")
    time.sleep(0.6)
    leaving.signal(signal.SIGTERM)
    assert leaving.wait() == 0
    answer = room.finish(load)
    assert set(answer["codes"]) == {"OK"} and answer["done"] > 100


def test_draining_a_broker_loses_nothing(room):
    first, _ = room.broker("a"), room.broker("b")
    room.worker(brokers="ab", credit=20)
    load = room.load(brokers="ab", inflight=8, ms=2500, method="Slow", body="20")
    time.sleep(0.6)
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    answer = room.finish(load)
    assert set(answer["codes"]) == {"OK"} and answer["done"] > 100


def test_a_draining_broker_says_so_and_finishes(room):
    broker = room.broker()
    worker, caller = room.raw("echo"), room.raw("load")
    worker.ready()
    caller.call()
    job = worker.receive()
    broker.signal(signal.SIGTERM)
    assert caller.receive().command == GOAWAY and worker.receive().command == GOAWAY
    refused = caller.ask(body=b"new")
    assert refused.code == "UNAVAILABLE" and refused.header.executed == bus.EXECUTED_NO
    worker.reply(job, b"finished")
    assert caller.receive().body == b"finished"
    assert broker.wait() == 0


def test_drain_by_a_call(room):
    broker = room.broker()
    assert room.raw("load").ask("Drain", service="bus").code == "OK"
    assert broker.wait() == 0


def test_a_refused_peer_comes_back_when_its_key_is_let_in(room):
    rights = room.principals.pop("echo")
    room.principals["other"]["serve"].append("echo")
    room.write_acl()
    broker = room.broker()
    worker = room.worker("echo", ready=False)
    time.sleep(0.5)
    assert room.metric("mykey_bus_workers", service="echo") == 0
    room.principals["echo"] = rights
    room.write_acl()
    broker.signal(signal.SIGHUP)
    wait_for(lambda: '"state":"ready"' in worker.text(), 15)
    assert room.raw("load").ask().code == "OK"


def test_a_worker_that_the_broker_forgot_offers_itself_again(room):
    """Stopped for longer than connections are remembered, but on its old connection or a new one, it works again."""
    room.broker()
    worker = room.worker()
    worker.signal(signal.SIGSTOP)
    wait_for(lambda: room.metric("mykey_bus_peers") == 0, 25, 0.2)
    worker.signal(signal.SIGCONT)
    wait_for(lambda: room.metric("mykey_bus_workers", service="echo", state="ready") == 1)
    assert room.raw("load").ask().code == "OK"


def test_what_a_caller_asked_for_is_not_begun_after_its_key_is_taken_out(room):
    broker = room.broker()
    worker, meek = room.raw("echo"), room.raw("meek")
    worker.ready(credit=0)
    meek.call(timeout_ms=20000)
    assert meek.ping()
    del room.principals["meek"]
    room.write_acl()
    broker.signal(signal.SIGHUP)
    wait_for(lambda: "acl_reloaded" in broker.text())
    worker.ready(credit=5)
    assert worker.receive(0.3) is None


def test_a_worker_that_only_one_broker_has(room):
    """The broker without it says NO_WORKERS, not executed: the library asks the other."""
    room.broker("a", grace_ms=50), room.broker("b", grace_ms=50)
    room.worker(brokers="b")
    answer = room.run(brokers="ab", inflight=4, total=40, delay_ms=300)
    assert answer["codes"] == {"OK": 40} and answer["unknown"] == 0


def test_thousands_of_calls_in_flight(room):
    room.broker()
    room.worker(credit=100)
    answer = room.run(inflight=2000, total=6000, timeout_ms=30000)
    assert answer["codes"] == {"OK": 6000} and answer["wrong"] == 0
