# SPDX-License-Identifier: Apache-2.0
"""Queues, deadlines, credit, priorities, shards."""

import time

from buslib import BYE, CANCEL, CREDIT, DISPATCH, DRAIN, READY, REJECT, bus, room, wait_for  # noqa: F401


def test_no_workers_after_the_grace(room):
    room.broker(grace_ms=300)
    peer = room.raw("load")
    start = time.monotonic()
    reply = peer.ask(timeout_ms=5000)
    assert reply.code == "NO_WORKERS" and reply.header.executed == bus.EXECUTED_NO
    assert time.monotonic() - start >= 0.28


def test_a_worker_that_comes_within_the_grace_gets_the_call(room):
    room.broker()
    peer, worker = room.raw("load"), room.raw("echo")
    peer.call(body=b"early")
    assert peer.ping() and peer.receive(0.2) is None
    worker.ready()
    assert worker.receive().body == b"early"


def test_another_api_major_is_another_worker(room):
    room.broker(grace_ms=100)
    peer, worker = room.raw("load"), room.raw("echo")
    worker.ready(api_majors=[1, 3])
    assert peer.ask(api_major=2).code == "NO_WORKERS"
    peer.call(api_major=3)
    assert worker.receive().header.api_major == 3


def test_busy_when_the_queue_is_full_by_count(room):
    room.broker(queue_count=3)
    worker, peer = room.raw("echo"), room.raw("load")
    worker.ready(credit=1)
    tags = [peer.call(timeout_ms=5000) for _ in range(5)]  # one at work, three queued, one too many
    reply = peer.receive()
    assert reply.code == "BUSY" and reply.header.tag == tags[4]
    assert reply.header.executed == bus.EXECUTED_NO and reply.header.retry_after_ms > 0
    assert room.metric("mykey_bus_queue_depth", service="echo") == 3 and room.metric("mykey_bus_busy_total") == 1
    for _ in range(4):
        worker.reply(worker.receive())
    assert [peer.receive().header.tag for _ in range(4)] == tags[:4]


def test_busy_when_the_queue_is_full_by_bytes(room):
    room.broker(queue_bytes=100000)
    worker, peer = room.raw("echo"), room.raw("load")
    worker.ready(credit=1)
    for _ in range(3):
        peer.call(body=b"x" * 60000, timeout_ms=5000)
    assert peer.receive().code == "BUSY"
    assert 60000 < room.metric("mykey_bus_queue_bytes", service="echo") < 100000


def test_one_caller_cannot_fill_the_queue_for_all(room):
    room.broker(caller_count=2)
    worker, greedy, meek = room.raw("echo"), room.raw("load"), room.raw("meek")
    worker.ready(credit=1)
    for _ in range(4):
        greedy.call(timeout_ms=5000)
    assert greedy.receive().code == "BUSY"
    meek.call(timeout_ms=5000)
    assert meek.receive(0.3) is None


def test_deadline_in_the_queue(room):
    room.broker()
    worker, peer = room.raw("echo"), room.raw("load")
    worker.ready(credit=0)
    reply = peer.ask(timeout_ms=200)
    assert reply.code == "DEADLINE_EXCEEDED" and reply.header.executed == bus.EXECUTED_NO
    assert room.metric("mykey_bus_expired_total", where="queue") == 1


def test_deadline_in_flight_cancels_at_the_worker(room):
    room.broker()
    worker, peer = room.raw("echo"), room.raw("load")
    worker.ready(credit=1)
    peer.call(timeout_ms=200)
    job = worker.receive()
    reply = peer.receive()
    assert reply.code == "DEADLINE_EXCEEDED" and reply.header.executed == bus.EXECUTED_UNKNOWN
    cancel = worker.receive()
    assert cancel.command == CANCEL and cancel.header.tag == job.header.tag
    assert room.metric("mykey_bus_credits_free", service="echo") == 0  # until the worker says so
    worker.reply(job, b"too late")
    assert worker.ping() and peer.receive(0.2) is None
    assert room.metric("mykey_bus_credits_free", service="echo") == 1
    assert room.metric("mykey_bus_expired_total", where="in_flight") == 1


def test_the_time_left_travels(room):
    room.broker()
    worker, peer = room.raw("echo"), room.raw("load")
    worker.ready(credit=0)
    peer.call(timeout_ms=20000)
    time.sleep(0.5)
    worker.send(CREDIT, service="echo", credit=1)
    header = worker.receive().header
    assert header.queue_us >= 480000 and abs(header.timeout_ms + header.queue_us / 1000 - 20000) < 100


def test_a_callers_cancel(room):
    room.broker()
    worker, peer = room.raw("echo"), room.raw("load")
    worker.ready(credit=1)
    first, second = peer.call(request_id=b"1" * 16), peer.call(request_id=b"2" * 16)
    job = worker.receive()
    peer.send(CANCEL, tag=second, request_id=b"2" * 16)
    reply = peer.receive()
    assert (reply.code, reply.header.tag, reply.header.executed) == ("CANCELLED", second, bus.EXECUTED_NO)
    peer.send(CANCEL, tag=first, request_id=b"1" * 16)
    assert worker.receive().command == CANCEL
    reply = peer.receive()
    assert (reply.code, reply.header.tag, reply.header.executed) == ("CANCELLED", first, bus.EXECUTED_UNKNOWN)
    worker.reply(job)
    assert worker.ping() and worker.receive(0.2) is None


def test_the_most_free_credit_first_then_the_longest_idle(room):
    room.broker()
    small, large, peer = room.raw("echo"), room.raw("echo"), room.raw("load")
    small.ready(credit=1)
    large.ready(credit=3)
    for _ in range(4):
        peer.call()
    assert peer.ping()
    assert [large.receive(1) is not None for _ in range(3)] == [True] * 3
    assert small.receive(1) is not None and large.receive(0.1) is None
    # Both with one unit now: the one that has rested longest.
    room_for = room.raw("echo")
    room_for.ready(credit=1)
    peer.call()
    assert room_for.receive(1) is not None


def test_interactive_goes_before_batch(room):
    room.broker()
    worker, peer = room.raw("echo"), room.raw("load")
    worker.ready(credit=0)
    for name, priority in ((b"b1", 2), (b"b2", 2), (b"i1", 1), (b"i2", 0)):
        peer.call(body=name, priority=priority)
    assert peer.ping()
    order = []
    worker.send(CREDIT, service="echo", credit=1)
    for _ in range(4):
        job = worker.receive()
        order.append(job.body)
        worker.reply(job)
    assert order == [b"i1", b"i2", b"b1", b"b2"]


def test_batch_gets_at_most_half_the_credit(room):
    room.broker()
    worker, peer = room.raw("echo"), room.raw("load")
    worker.ready(credit=4)
    for _ in range(4):
        peer.call(body=b"batch", priority=2)
    jobs = [worker.receive(1), worker.receive(1)]
    assert all(jobs) and worker.receive(0.3) is None
    peer.call(body=b"interactive")
    assert worker.receive(1).body == b"interactive"
    worker.reply(jobs[0])
    assert worker.receive(1).body == b"batch"


def test_shards_go_to_their_owner(room):
    room.broker(grace_ms=200)
    one, two, peer = room.raw("echo"), room.raw("echo"), room.raw("load")
    one.ready(shards=[bus.ShardEpoch(shard=1, epoch=5), bus.ShardEpoch(shard=3, epoch=5)])
    two.ready(shards=[bus.ShardEpoch(shard=2, epoch=5)])
    for shard, owner in ((1, one), (2, two), (3, one), (2, two)):
        peer.call(shard=shard)
        job = owner.receive(2)
        assert job.header.shard == shard
        owner.reply(job)
        assert peer.receive().code == "OK"
    assert peer.ask(shard=9).code == "NO_WORKERS"
    peer.call(shard=0)
    assert one.receive(0.3) or two.receive(0.3)


def test_the_higher_epoch_owns_the_shard(room):
    room.broker()
    old, new, peer = room.raw("echo"), room.raw("echo"), room.raw("load")
    old.ready(credit=9, shards=[bus.ShardEpoch(shard=1, epoch=5)])
    new.ready(credit=1, shards=[bus.ShardEpoch(shard=1, epoch=6)])
    peer.call(shard=1)
    assert new.receive(2) and old.receive(0.2) is None


def test_not_owner_is_dispatched_again(room):
    room.broker()
    first, second, peer = room.raw("echo"), room.raw("echo"), room.raw("load")
    first.ready(credit=5)
    second.ready(credit=1)
    peer.call(idempotency_key=None)
    first.reply(first.receive(), code="NOT_OWNER", executed=bus.EXECUTED_NO)
    job = second.receive(2)
    assert job.header.attempt == 0
    second.reply(job, b"mine")
    assert peer.receive().body == b"mine"


def test_not_owner_from_the_only_worker_waits_for_its_new_offer(room):
    room.broker(grace_ms=1500)
    worker, peer = room.raw("echo"), room.raw("load")
    worker.ready(shards=[bus.ShardEpoch(shard=1, epoch=1)])
    peer.call(shard=1)
    worker.reply(worker.receive(), code="NOT_OWNER", executed=bus.EXECUTED_NO)
    assert worker.receive(0.2) is None
    worker.ready(shards=[bus.ShardEpoch(shard=1, epoch=2)])
    worker.reply(worker.receive(2), code="NOT_OWNER", executed=bus.EXECUTED_NO)
    reply = peer.receive(4)
    assert reply.code == "NOT_OWNER" and reply.header.executed == bus.EXECUTED_NO


def test_a_rejected_job_goes_to_another_worker(room):
    room.broker()
    first, second, peer = room.raw("echo"), room.raw("echo"), room.raw("load")
    first.ready(credit=5)
    second.ready(credit=1)
    peer.call()
    job = first.receive()
    first.send(REJECT, tag=job.header.tag, request_id=job.header.request_id, credit=1)
    assert second.receive(2).header.attempt == 0


def test_bye_gives_back_what_was_not_run(room):
    room.broker()
    leaving, staying, peer = room.raw("echo"), room.raw("echo"), room.raw("load")
    leaving.ready(credit=5)
    staying.ready(credit=1)
    peer.call()
    assert leaving.receive().command == DISPATCH
    leaving.send(DRAIN, service="echo")
    leaving.send(BYE, service="echo")
    job = staying.receive(2)
    assert job.header.attempt == 0
    staying.reply(job)
    assert peer.receive().code == "OK"


def test_a_draining_worker_gets_nothing_new(room):
    room.broker(grace_ms=200)
    worker, peer = room.raw("echo"), room.raw("load")
    worker.ready(credit=5)
    peer.call()
    job = worker.receive()
    worker.send(DRAIN, service="echo")
    assert worker.ping()
    assert peer.ask().code == "NO_WORKERS"
    worker.reply(job, b"finished")
    assert peer.receive().body == b"finished"


def test_many_more_replies_at_once_than_a_pipe_holds(room):
    room.broker()
    worker, peer = room.raw("echo"), room.raw("load")
    worker.ready(credit=1000)
    for _ in range(900):
        peer.call(body=b"x" * 2000, timeout_ms=20000)
    jobs = [worker.receive() for _ in range(900)]
    for job in jobs:
        worker.reply(job, job.body)
    assert sum(len(peer.receive(10).body) for _ in range(900)) == 900 * 2000
