# SPDX-License-Identifier: Apache-2.0
"""Calls and who may make them."""

import os
import signal
import subprocess

from buslib import CALL, DISPATCH, REJECT, REPLY, bus, program, room, wait_for  # noqa: F401

TRACE = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"


def test_call_and_reply_through_the_library(room):
    room.broker()
    room.worker()
    answer = room.run(total=50, inflight=5)
    assert answer["codes"] == {"OK": 50} and answer["wrong"] == 0 and answer["unknown"] == 0


def test_a_raw_caller_and_a_raw_worker_need_only_the_document(room):
    room.broker()
    worker, caller = room.raw("echo"), room.raw("load")
    worker.ready()
    tag = caller.call(body=b"question", request_id=b"R" * 16, traceparent=TRACE, idempotency_key=b"key", timeout_ms=2000)
    job = worker.receive()
    assert job.command == DISPATCH and job.body == b"question"
    header = job.header
    assert (header.service, header.method, header.request_id, header.traceparent, header.idempotency_key) == (
        "echo", "Echo", b"R" * 16, TRACE, b"key")
    assert header.caller == "load" and header.attempt == 0 and 1500 < header.timeout_ms <= 2000
    worker.reply(job, b"answer", work_us=7, server_instance="worker-1")
    reply = caller.receive()
    assert reply.command == REPLY and reply.header.tag == tag and reply.body == b"answer"
    assert reply.header.request_id == b"R" * 16 and reply.header.executed == bus.EXECUTED_YES
    assert reply.header.server_instance == "worker-1" and reply.header.work_us == 7


def test_a_caller_cannot_forge_who_it_is(room):
    room.broker()
    room.worker()
    told = room.raw("load").ask("Tell", caller="gateway", executed=3, credit=9).body.decode().split()
    assert told[1] == "load"


def test_fields_of_a_newer_version_travel_unchanged(room):
    room.broker()
    worker, caller = room.raw("echo"), room.raw("load")
    worker.ready()
    head = bus.Header(service="echo", method="Echo", request_id=b"1" * 16, timeout_ms=1000, tag=1).SerializeToString()
    head += bytes([45 << 3 & 0x7f | 0x80 | 2, 45 >> 4, 3]) + b"sig"  # field 45, three bytes
    caller.bytes(b"B1" + bytes([CALL, 0]) + len(head).to_bytes(2, "big") + head)
    job = worker.receive()
    assert b"\xea\x02\x03sig" in job.header.SerializeToString()


def test_a_call_that_the_acl_does_not_name_is_denied(room):
    room.broker()
    room.worker()
    meek = room.raw("meek")
    assert meek.ask("Echo").code == "OK"
    for method, service in (("Tell", "echo"), ("Echo", "other"), ("Stats", "bus"), ("Echo", "nowhere")):
        reply = meek.ask(method, service=service)
        assert reply.code == "DENIED" and reply.header.executed == bus.EXECUTED_NO
    assert room.metric("mykey_bus_denied_total", caller="meek") == 4


def test_serving_what_the_acl_does_not_name_is_denied(room):
    room.broker()
    thief, caller = room.raw("load"), room.raw("load")
    thief.send(3, service="echo", credit=10)
    assert thief.receive().command == REJECT
    caller.call(timeout_ms=300)
    assert thief.receive(1) is None
    assert caller.receive().code == "NO_WORKERS"


def test_a_worker_cannot_answer_for_another(room):
    room.broker()
    honest, thief, caller = room.raw("echo"), room.raw("other"), room.raw("load")
    honest.ready()
    thief.ready("other")
    caller.call()
    job = honest.receive()
    thief.reply(job, b"stolen")
    assert thief.ping()
    honest.reply(job, b"mine")
    assert caller.receive().body == b"mine"
    assert room.metric("mykey_bus_dropped_total", reason="late_reply") == 1


def test_an_unknown_key_is_refused(room):
    room.broker()
    room.worker()
    stranger = room.raw("stranger")
    assert not stranger.ping(1)
    assert wait_for(lambda: room.metric("mykey_bus_handshake_failed_total", reason="unknown_key"))


def test_a_key_taken_out_by_a_reload_is_refused_while_connected(room):
    broker = room.broker()
    room.worker()
    meek, load = room.raw("meek"), room.raw("load")
    assert meek.ask().code == "OK"
    del room.principals["meek"]
    room.write_acl()
    broker.signal(signal.SIGHUP)
    wait_for(lambda: "acl_reloaded" in broker.text())
    meek.call()
    assert meek.receive(1) is None
    assert load.ask().code == "OK"
    assert room.metric("mykey_bus_dropped_total", reason="revoked") == 1


def test_a_worker_whose_key_is_taken_out_loses_its_requests(room):
    broker = room.broker()
    worker, caller = room.raw("echo"), room.raw("load")
    worker.ready()
    caller.call(repeatable=True)
    assert worker.receive().command == DISPATCH
    room.principals["echo"]["keys"] = ["echo-next"]
    room.write_acl()
    broker.signal(signal.SIGHUP)
    reply = caller.receive()
    assert reply.code == "UNAVAILABLE" and reply.header.executed == bus.EXECUTED_UNKNOWN


def test_rotation_by_a_second_key(room):
    room.principals["load"]["keys"] = ["load", "load-next"]
    room.write_acl()
    room.broker()
    room.worker()
    assert room.raw("load").ask("Tell").body.split()[1] == b"load"
    assert room.raw("load", key="load-next").ask("Tell").body.split()[1] == b"load"


def test_a_bad_acl_changes_nothing(room):
    broker = room.broker()
    room.worker()
    with open(room.path("acl"), "a", encoding="ascii") as file:
        file.write('    late\n        key = "short"\n')
    broker.signal(signal.SIGHUP)
    wait_for(lambda: "acl_refused" in broker.text())
    assert room.raw("load").ask().code == "OK"
    room.write_acl()
    reply = room.raw("load").ask("Reload", service="bus")
    assert reply.code == "OK"


def test_a_secret_key_that_others_may_read_stops_the_start(room):
    os.chmod(room.path("broker-a.key"), 0o440)
    ran = subprocess.run([program("mykey-broker"), "--set", f"broker.listen={room.endpoint()}", "--set",
                          f"broker.key={room.path('broker-a.key')}", "--set", f"broker.acl={room.path('acl')}"],
                         stderr=subprocess.PIPE, text=True, timeout=10)
    assert ran.returncode == 1 and "0400" in ran.stderr


def test_what_the_broker_says_about_itself(room):
    room.broker()
    room.worker(credit=5)
    load = room.raw("load")
    assert load.ask("Ping", service="bus").code == "OK"
    info = bus.InfoReply.FromString(load.ask("Info", service="bus").body)
    assert info.instance.startswith("broker-") and not info.draining
    assert load.ask().code == "OK"
    stats = {row.service: row for row in bus.StatsReply.FromString(load.ask("Stats", service="bus").body).services}
    assert stats["echo"].workers == 1 and stats["echo"].free_credit == 5 and stats["echo"].requests == 1
    assert load.ask("Nothing", service="bus").code == "UNKNOWN_METHOD"
    assert room.metric("mykey_bus_requests_total", service="echo", method="Echo", caller="load", code="OK") == 1
    assert room.metric("mykey_bus_workers", service="echo", state="ready") == 1
