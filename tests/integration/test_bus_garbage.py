# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes come: an answer or a counted drop, and the broker lives."""

import os
import random
import socket
import struct

from buslib import CALL, CANCEL, DISPATCH, GOAWAY, READY, REPLY, bus, frame, room, wait_for  # noqa: F401

GOOD = dict(service="echo", method="Echo", request_id=b"1" * 16, timeout_ms=1000, tag=5)


def test_frames_that_are_no_bus_messages_are_dropped_and_counted(room):
    room.broker()
    room.worker()
    peer = room.raw("load")
    good = frame(CALL, **GOOD)
    bad = [b"", b"B", b"B1", b"B1\x01\x00\x00", b"B2" + good[2:], good[:3] + b"\x01" + good[4:], b"B1\x00" + good[3:],
           b"B1\x0d" + good[3:], good[:4] + b"\xff\xff" + good[6:], good[:4] + b"\x04\x01" + good[6:], os.urandom(300)]
    for data in bad:
        peer.bytes(data)
    peer.bytes(good, b"a second frame")
    peer.bytes(*[b"x"] * 50)
    assert peer.ask().code == "OK"
    assert room.metric("mykey_bus_dropped_total", reason="frame") == len(bad)
    assert room.metric("mykey_bus_dropped_total", reason="frames") == 2


def test_a_call_with_a_bad_header_is_answered(room):
    room.broker()
    room.worker()
    peer = room.raw("load")
    bad = [dict(GOOD, service=""), dict(GOOD, method=""), dict(GOOD, request_id=b"short"), dict(GOOD, timeout_ms=0),
           dict(GOOD, timeout_ms=60001), dict(GOOD, service="a" * 33), dict(GOOD, service="bad\0name"),
           dict(GOOD, method="no spaces"), dict(GOOD, traceparent="short"), dict(GOOD, idempotency_key=b"k" * 33)]
    for fields in bad:
        peer.send(CALL, **fields)
        reply = peer.receive()
        assert reply.command == REPLY and reply.code == "BAD_REQUEST" and reply.header.executed == bus.EXECUTED_NO
    peer.bytes(b"B1\x01\x00\x00\x04\xff\xff\xff\xff")
    assert peer.receive().code == "BAD_REQUEST"
    peer.bytes(b"B1\x01\x00\x00\x00")
    assert peer.receive().code == "BAD_REQUEST"
    assert room.metric("mykey_bus_dropped_total", reason="bad_call") == len(bad) + 2


def test_sizes(room):
    room.broker()
    room.worker()
    peer = room.raw("load")
    assert len(peer.ask(body=b"x" * 65536).body) == 65536
    reply = peer.ask(body=b"x" * 65537)
    assert reply.code == "TOO_LARGE" and reply.header.executed == bus.EXECUTED_NO
    room.raw("load").bytes(b"x" * (256 * 1024))  # libzmq ends this connection
    assert room.raw("load").ask().code == "OK"


def test_commands_that_a_peer_may_not_say(room):
    room.broker()
    room.worker()
    peer = room.raw("load")
    for command in (DISPATCH, GOAWAY, REPLY, 6, 4, 7, 8, CANCEL):
        peer.send(command, service="echo", tag=99, credit=7)
        peer.bytes(b"B1" + bytes([command, 0, 0, 2]) + b"\xff\xff")
    assert peer.ask().code == "OK"
    assert room.metric("mykey_bus_workers", service="echo", state="ready") == 1


def test_the_same_call_twice_is_one_call(room):
    room.broker()
    worker, caller = room.raw("echo"), room.raw("load")
    worker.ready()
    for _ in range(3):
        caller.call(request_id=b"2" * 16, tag=7)
    job = worker.receive()
    assert worker.receive(0.3) is None
    worker.reply(job, b"once")
    assert caller.receive().body == b"once" and caller.receive(0.3) is None
    assert room.metric("mykey_bus_dropped_total", reason="duplicate") == 2


def test_the_same_request_id_for_another_question_is_a_conflict(room):
    room.broker()
    worker, caller = room.raw("echo"), room.raw("load")
    worker.ready()
    caller.call(request_id=b"3" * 16, body=b"one")
    worker.receive()
    reply = caller.ask(request_id=b"3" * 16, body=b"two")
    assert reply.code == "CONFLICT" and reply.header.executed == bus.EXECUTED_NO


def test_a_new_connection_that_asks_again_gets_the_one_answer(room):
    room.broker()
    worker, first, second = room.raw("echo"), room.raw("load"), room.raw("load")
    worker.ready()
    first.call(request_id=b"4" * 16)
    job = worker.receive()
    tag = second.call(request_id=b"4" * 16, tag=31)
    assert second.ping() and worker.receive(0.2) is None
    worker.reply(job, b"here")
    reply = second.receive()
    assert reply.body == b"here" and reply.header.tag == tag


def test_replies_that_are_late_or_replayed_are_dropped_and_counted(room):
    room.broker()
    worker, caller = room.raw("echo"), room.raw("load")
    worker.ready(credit=1)
    caller.call()
    job = worker.receive()
    for _ in range(3):
        worker.reply(job, b"again", credit=1)
    assert caller.receive().body == b"again" and caller.receive(0.3) is None
    assert room.metric("mykey_bus_dropped_total", reason="late_reply") == 2
    assert room.metric("mykey_bus_credits_free", service="echo") == 1  # a replay makes no credit


def test_offers_out_of_range(room):
    room.broker()
    worker = room.raw("echo")
    worker.ready(credit=2**32 - 1)
    assert room.metric("mykey_bus_credits_free", service="echo") == 1024
    worker.send(READY, service="echo", api_majors=list(range(5)))
    worker.send(READY, service="echo", shards=[bus.ShardEpoch(shard=n + 1, epoch=n) for n in range(65)])
    worker.send(READY, service="echo", shards=[bus.ShardEpoch(shard=1, epoch=1)] * 40, credit=1)
    worker.send(4, service="echo", credit=2**32 - 1)
    assert worker.ping() and room.metric("mykey_bus_dropped_total", reason="header") == 2
    assert room.metric("mykey_bus_credits_free", service="echo") == 1024


def test_bytes_that_are_no_zeromq(room):
    broker = room.broker()
    room.worker()
    for data in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff\0\0\0\0\0\0\0\x01\x7f" + os.urandom(200), os.urandom(2000)):
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(room.path("a.bus"))
            one.send(data or b"\0")
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert room.raw("load").ask().code == "OK" and broker.alive()


def test_changed_messages_at_random(room):
    """Every command with flipped, cut and grown bytes, from a caller and from a worker."""
    room.broker()
    room.worker()
    dice = random.Random(11)
    seeds = [frame(command, b"body", service="echo", method="Echo", request_id=b"5" * 16, timeout_ms=500, tag=3, credit=2,
                   api_majors=[1, 2], shards=[bus.ShardEpoch(shard=4, epoch=9)], code=0, executed=1, shard=0)
             for command in range(1, 13)]
    for principal in ("load", "other"):
        peer = room.raw(principal)
        for _ in range(1500):
            data = bytearray(dice.choice(seeds))
            for _ in range(dice.randint(1, 4)):
                data[dice.randrange(2, len(data))] = dice.randrange(256)
            peer.bytes(bytes(data[:dice.randint(1, len(data))] if dice.random() < 0.2 else data))
            while peer.socket.poll(0):
                peer.socket.recv_multipart()
    assert wait_for(lambda: room.raw("load").ask("Tell").code == "OK")


def test_many_made_up_names_cost_no_memory_of_names(room):
    room.principals["load"]["call"].append("other.*")
    room.write_acl()
    room.broker()
    room.worker()
    peer = room.raw("load")
    for number in range(800):
        peer.call(f"Made{number}")
    codes = [peer.receive().code for _ in range(800)]
    assert set(codes) == {"UNKNOWN_METHOD"}
    assert room.metric("mykey_bus_requests_total", method="other", code="UNKNOWN_METHOD") == 800
    assert peer.ask(service="nowhere").code == "DENIED"
