# SPDX-License-Identifier: Apache-2.0
"""Brokers, workers and callers of the bus as real processes, and a raw ZeroMQ peer written from docs/bus.md."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest
import zmq

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))

from wire import CODES, NAMES, bus  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("MYKEY_BUILD", os.path.join(ROOT, "build")))
CALL, CANCEL, READY, CREDIT, REPLY, REJECT, DRAIN, BYE, DISPATCH, PING, PONG, GOAWAY = range(1, 13)


FOLDERS = {"mykey-broker": "services/broker", "mykey-jpki-verify": "services/jpki-verify",
           "mykey-jpki-revocation": "services/jpki-verify"}


def program(name):
    return os.path.join(BUILD, FOLDERS.get(name, "common/bus"), name)


def wait_for(what, seconds=10, pause=0.02):
    """The first true value of what(); fails the test when there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(pause)
    raise AssertionError(f"did not happen within {seconds} s")


def frame(command, body=b"", **fields):
    head = bus.Header(**fields).SerializeToString()
    return b"B1" + bytes([command, 0]) + len(head).to_bytes(2, "big") + head + body


def parse(data):
    assert data[:2] == b"B1" and data[3] == 0
    size = int.from_bytes(data[4:6], "big")
    return data[2], bus.Header.FromString(data[6:6 + size]), data[6 + size:]


class Message:
    def __init__(self, data):
        self.command, self.header, self.body = parse(data)

    @property
    def code(self):
        return NAMES[self.header.code]


class Process:
    """One program with its log; ended by pid when the test ends."""

    def __init__(self, command, log, **options):
        self.log = log
        with open(log, "ab") as file:
            self.child = subprocess.Popen(command, stderr=file, stdin=subprocess.DEVNULL, text=True, **options)

    @property
    def pid(self):
        return self.child.pid

    def alive(self):
        return self.child.poll() is None

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, seconds=20):
        return self.child.wait(seconds)

    def end(self):
        if self.alive():
            self.child.send_signal(signal.SIGCONT)
            self.child.kill()
        self.child.wait()
        if self.child.stdout:
            self.child.stdout.close()

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()


class Bus:
    """A directory with keys and ACL, and the processes in it."""

    DEFAULT = {
        "echo": {"serve": ["echo"]},
        "other": {"serve": ["other"]},
        "load": {"call": ["echo.*", "bus.*"]},
        "meek": {"call": ["echo.Echo"]},
    }

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="mkbus-", dir="/tmp")
        self.processes, self.peers, self.keys = [], [], {}
        self.context = zmq.Context()
        for name in ("a", "b"):
            self.key(f"broker-{name}")
        self.principals = {name: dict(rights) for name, rights in self.DEFAULT.items()}
        self.write_acl()

    def close(self):
        for peer in self.peers:
            peer.close()
        for process in self.processes:
            process.end()
        self.context.destroy(linger=0)
        shutil.rmtree(self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def key(self, name):
        """(public, secret) of a principal; made on first use, by the project's own code."""
        if name not in self.keys:
            subprocess.run([program("bus_keygen"), self.path(f"{name}.key"), self.path(f"{name}.pub")], check=True)
            with open(self.path(f"{name}.key"), encoding="ascii") as file:
                text = file.read()
            self.keys[name] = tuple(re.search(rf'{part}-key = "(.*)"', text).group(1) for part in ("public", "secret"))
        return self.keys[name]

    def write_acl(self):
        lines = ["principal"]
        for name, rights in self.principals.items():
            lines.append(f"    {name}")
            lines += [f'        key = "{self.key(key)[0]}"' for key in rights.get("keys", [name])]
            lines += [f"        serve = {service}" for service in rights.get("serve", [])]
            lines += [f'        call = "{pattern}"' for pattern in rights.get("call", [])]
        with open(self.path("acl.new"), "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        os.rename(self.path("acl.new"), self.path("acl"))

    # ---- processes ----

    def start(self, name, log, settings, stdout=None, prefix=()):
        command = [*prefix, program(name)]
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        process = Process(command, self.path(log), stdout=stdout)
        self.processes.append(process)
        return process

    def endpoint(self, name="a"):
        return f"ipc://{self.path(name)}.bus"

    def broker(self, name="a", **settings):
        """settings: queue_count=10 → broker.queue_count"""
        process = self.start("mykey-broker", f"broker-{name}-{len(self.processes)}.log", {
            "broker.listen": self.endpoint(name), "broker.key": self.path(f"broker-{name}.key"),
            "broker.acl": self.path("acl"), "ops.listen": f"unix:{self.path(name)}.ops",
            **{f"broker.{key}": value for key, value in settings.items()}})
        wait_for(lambda: '"event":"started"' in process.text() or not process.alive())
        assert process.alive(), process.text()
        process.name = name
        return process

    def common(self, principal, brokers):
        settings = {"bus.key": self.path(f"{principal}.key")}
        self.key(principal)
        for slot, name in zip("ab", brokers):
            settings[f"bus.broker_{slot}"] = self.endpoint(name)
            settings[f"bus.broker_{slot}_key"] = self.path(f"broker-{name}.pub")
        return settings

    def worker(self, principal="echo", brokers="a", ready=True, **settings):
        process = self.start("bus_worker", f"worker-{len(self.processes)}.log", {
            **self.common(principal, brokers), "test.service": principal,
            **{f"test.{key}": value for key, value in settings.items()}})
        if ready:
            wait_for(lambda: '"state":"ready"' in process.text())
        return process

    def load(self, principal="load", brokers="a", **settings):
        return self.start("bus_load", f"load-{len(self.processes)}.log", {
            **self.common(principal, brokers), **{f"test.{key}": value for key, value in settings.items()}},
            stdout=subprocess.PIPE)

    def finish(self, load, seconds=40):
        output, _ = load.child.communicate(timeout=seconds)
        assert load.child.returncode == 0, load.text()
        return json.loads(output)

    def run(self, **settings):
        return self.finish(self.load(**settings))

    # ---- looking inside ----

    def ops(self, name, path):
        import http.client
        import socket
        connection = http.client.HTTPConnection("localhost", timeout=5)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(f"{self.path(name)}.ops")
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return text

    def metric(self, metric, broker="a", **labels):
        """The sum of the series that have these labels."""
        total = 0.0
        for line in self.ops(broker, "/metrics").splitlines():
            match = re.match(rf"{metric}(?:{{(.*)}})? (\S+)$", line)
            if match:
                found = dict(re.findall(r'(\w+)="([^"]*)"', match.group(1) or ""))
                if all(found.get(key) == value for key, value in labels.items()):
                    total += float(match.group(2))
        return total

    def raw(self, principal, broker="a", key=None):
        peer = Raw(self, principal if key is None else key, broker)
        self.peers.append(peer)
        return peer


class Raw:
    """A DEALER that says whatever it is told to; PINGs are answered while it waits."""

    def __init__(self, of, principal, broker):
        self.socket = of.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.curve_publickey, self.socket.curve_secretkey = (part.encode() for part in of.key(principal))
        self.socket.curve_serverkey = of.key(f"broker-{broker}")[0].encode()
        self.socket.connect(of.endpoint(broker))
        self.serial, self.kept = 0, []

    def close(self):
        self.socket.close()

    def bytes(self, *parts):
        self.socket.send_multipart(parts)

    def send(self, command, body=b"", **fields):
        self.socket.send(frame(command, body, **fields))

    def receive(self, seconds=5):
        """The next message that is not PING or PONG; None if there is none in time."""
        if self.kept:
            return self.kept.pop(0)
        end = time.monotonic() + seconds
        while (message := self.next(end)) is not None:
            if message.command != PONG:
                return message
        return None

    def next(self, end):
        while (left := end - time.monotonic()) > 0 and self.socket.poll(max(1, int(left * 1000))):
            message = Message(self.socket.recv())
            if message.command != PING:
                return message
            self.send(PONG)
        return None

    def ping(self, seconds=5):
        """Does the broker answer? All that was sent before has then been read."""
        self.send(PING)
        end = time.monotonic() + seconds
        while (message := self.next(end)) is not None:
            if message.command == PONG:
                return True
            self.kept.append(message)
        return False

    def ready(self, service="echo", credit=4, **fields):
        fields.setdefault("api_majors", [1])
        self.send(READY, service=service, credit=credit, **fields)
        assert self.ping()

    def call(self, method="Echo", body=b"hello", service="echo", timeout_ms=3000, **fields):
        """Sends a CALL; returns its tag."""
        self.serial += 1
        fields.setdefault("request_id", os.urandom(16))
        fields.setdefault("tag", self.serial)
        self.send(CALL, body, service=service, method=method, timeout_ms=timeout_ms, **fields)
        return fields["tag"]

    def ask(self, *args, seconds=8, **fields):
        """CALL and its REPLY."""
        tag = self.call(*args, **fields)
        message = self.receive(seconds)
        assert message is not None and message.command == REPLY and message.header.tag == tag
        return message

    def reply(self, dispatch, body=b"", code="OK", executed=bus.EXECUTED_YES, **fields):
        fields.setdefault("credit", 1)
        self.send(REPLY, body, tag=dispatch.header.tag, request_id=dispatch.header.request_id, code=CODES[code],
                  executed=executed, **fields)


@pytest.fixture
def room():
    """A Bus of its own for each test. A broker that ended by itself fails the test, whatever it was about."""
    one = Bus()
    yield one
    fallen = [process.text() for process in one.processes
              if hasattr(process, "name") and process.child.poll() not in (None, 0, -9)]
    one.close()
    assert not fallen, fallen
