# SPDX-License-Identifier: Apache-2.0
"""mykey-gateway behind a real broker, where the test speaks for the registry and jpki-verify over the real bus: so that it
can say what no honest registry says, and count what it is asked."""

import contextlib
import os
import re
import threading

import zmq
from buspeer import Answer, Worker
from edgelib import ROOT, SECRET
from layout import program
from process import Process
from stack import zpl
from wire import jpki, registry, tap, terminal

ORIGIN = "https://edge.example:8443"
LIBRARY, MUNICIPAL, OTHER, REVOKED = (bytes([n]) * 32 for n in (1, 2, 3, 4))
TERMINALS = {
    # certificate hash: terminal id, operator id, kind, state
    LIBRARY: ("t-library", "A1", registry.OPERATOR_KIND_LIBRARY, registry.TERMINAL_STATE_ACTIVE),
    MUNICIPAL: ("t-town", "M131164", registry.OPERATOR_KIND_MUNICIPALITY, registry.TERMINAL_STATE_ACTIVE),
    OTHER: ("t-other", "B1", registry.OPERATOR_KIND_LIBRARY, registry.TERMINAL_STATE_ACTIVE),
    REVOKED: ("t-revoked", "A1", registry.OPERATOR_KIND_LIBRARY, registry.TERMINAL_STATE_REVOKED),
}
LIMITS = {"rate": 100000, "burst": 100000, "terminal_rate": 100000, "terminal_burst": 100000, "enrol_rate": 100000,
          "enrol_burst": 100000, "lame_duck_ms": 300}
OBJECT = b"o" * 32


class Service:
    """What the test says in a service's name."""

    def __init__(self):
        self.calls, self.rules, self.lock = [], {}, threading.Lock()

    def __call__(self, header, body):
        with self.lock:
            self.calls.append((header, body))
        rule = self.rules.get(header.method) or getattr(self, header.method)
        return rule(header, body)

    def of(self, method):
        with self.lock:
            return [(header, body) for header, body in self.calls if header.method == method]

    @contextlib.contextmanager
    def rule(self, **rules):
        self.rules.update(rules)
        try:
            yield
        finally:
            for name in rules:
                del self.rules[name]


def refusing(code, **more):
    def rule(header, body):
        raise Answer(code, **more)
    return rule


class Registry(Service):
    def __init__(self):
        super().__init__()
        self.terminals = dict(TERMINALS)

    def FindTerminal(self, header, body):
        digest = registry.FindTerminalRequest.FromString(body).certificate_sha256
        row = self.terminals.get(digest)
        if row is None:
            raise Answer("TERMINAL_UNKNOWN")
        terminal_id, operator_id, kind, state = row
        return registry.FindTerminalReply(
            terminal=registry.Terminal(terminal_id=terminal_id, operator_id=operator_id, state=state,
                                       key_sha256=b"k" * 32),
            operator=registry.Operator(operator_id=operator_id, kind=kind, name_ja="図書館", name_en="Library",
                                       output=registry.OutputSettings(symbology=registry.SYMBOLOGY_NW7)))

    def Resolve(self, header, body):
        return registry.ResolveReply(customer_ids=["789", "086"], notices=["link_undone"])

    def CreateId(self, header, body):
        return registry.CreateIdReply(mykey_id="ABCD1234", suspend_code="1234567890123456")

    def ShowId(self, header, body):
        return registry.ShowIdReply(mykey_id="ABCD1234")

    def ChangeId(self, header, body):
        return registry.ChangeIdReply(mykey_id="WXYZ9876")

    def DeleteId(self, header, body):
        return registry.DeleteIdReply()

    def ResumeId(self, header, body):
        return registry.ResumeIdReply()

    def Link(self, header, body):
        return registry.LinkReply(customer_id=registry.LinkRequest.FromString(body).customer_id)

    def Unlink(self, header, body):
        return registry.UnlinkReply(removed=2)

    def WithdrawConsent(self, header, body):
        return registry.WithdrawConsentReply(removed=3)

    def UndoLink(self, header, body):
        return registry.UndoLinkReply()

    def Suspend(self, header, body):
        return registry.SuspendReply()

    def Enrol(self, header, body):
        return registry.EnrolReply(enrolment_id=b"e" * 16, terminal_id="t-new")

    def EnrolResult(self, header, body):
        raise Answer("ENROL_PENDING", retry_after_ms=2500)

    def Renew(self, header, body):
        return registry.RenewReply(enrolment_id=b"r" * 16)


class Jpki(Service):
    def Verify(self, header, body):
        return jpki.VerifyReply(ticket=b"a ticket")


class Keys:
    """CURVE pairs as the programs read them."""

    def __init__(self, directory):
        self.directory, self.pairs = directory, {}
        for name in ("broker-a", "broker-b", "gateway", "registry", "jpki-verify", "terminal-ca", "ops"):
            public, secret = zmq.curve_keypair()
            self.pairs[name] = (public, secret)
            self.write(f"{name}.pub", {"public-key": public.decode()}, 0o444)
            self.write(f"{name}.key", {"public-key": public.decode(), "secret-key": secret.decode()}, 0o400)

    def write(self, name, lines, mode):
        path = os.path.join(self.directory, name)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, mode), "w", encoding="ascii") as file:
            file.write("curve\n" + "".join(f'    {key} = "{value}"\n' for key, value in lines.items()))

    def path(self, name):
        return os.path.join(self.directory, name)


class World:
    """One broker (the other of the two is down), the test's services, gateways."""

    def __init__(self, directory):
        self.directory, self.keys = directory, Keys(directory)
        self.registry, self.jpki = Registry(), Jpki()
        self.endpoint = f"ipc://{directory}/a.bus"
        self.broker = self.start_broker()
        self.workers = {"registry": self.worker("registry", "registry", self.registry),
                        "jpki": self.worker("jpki-verify", "jpki", self.jpki)}
        for worker in self.workers.values():
            worker.start()
        self.gateways = []

    def configure(self, name, settings):
        path = os.path.join(self.directory, f"{name}.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(zpl({"ops": {"listen": f"unix:{self.directory}/{name}.ops"}, **settings}) + "\n")
        return path

    def start_broker(self):
        with open(f"{ROOT}/deploy/bus/acl.zpl", encoding="ascii") as file:
            acl = re.sub("@([a-z-]+)@", lambda found: self.keys.pairs[found[1]][0].decode(), file.read())
        with open(os.path.join(self.directory, "acl.zpl"), "w", encoding="ascii") as file:
            file.write(acl)
        conf = self.configure("broker-a", {"broker": {"listen": self.endpoint, "key": self.keys.path("broker-a.key"),
                                                      "acl": f"{self.directory}/acl.zpl", "grace_ms": 300}})
        return Process("broker-a", [program("mykey-broker"), "--config", conf], f"{self.directory}/broker-a.log",
                       f"{self.directory}/broker-a.ops").start().wait_ready()

    def worker(self, principal, service, handler):
        return Worker(self.endpoint, self.keys.pairs["broker-a"][0], *self.keys.pairs[principal], service, handler)

    def gateway(self, name, **settings):
        gateway = Gateway(self, name, {**LIMITS, **settings})
        self.gateways.append(gateway)
        return gateway.start()

    def stop(self):
        for gateway in self.gateways:  # drains are tested, and wait for open challenges
            if gateway.process.alive():
                gateway.process.kill()
                gateway.process.child.wait()
        for worker in self.workers.values():
            worker.stop()
        self.broker.stop(10)


class Gateway:
    def __init__(self, world, name, settings):
        directory, keys = world.directory, world.keys
        self.name, self.path, self.ops = name, f"{directory}/{name}.http", f"{directory}/{name}.ops"
        texts = {}
        for language, text in (("ja", "規約"), ("en", "Terms")):
            texts[f"platform_terms_{language}"] = f"{directory}/terms.{language}"
            with open(texts[f"platform_terms_{language}"], "w", encoding="utf-8") as file:
                file.write(text)
        secret = f"{directory}/secret"
        if not os.path.exists(secret):
            with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o400), "w", encoding="ascii") as file:
                file.write(f"edge {SECRET}\n")
        bus = {"key": keys.path("gateway.key"), "broker_a": f"ipc://{directory}/a.bus",
               "broker_b": f"ipc://{directory}/b.bus", "broker_a_key": keys.path("broker-a.pub"),
               "broker_b_key": keys.path("broker-b.pub")}
        self.conf = world.configure(name, {"bus": bus, "gateway": {
            "listen": f"unix:{self.path}", "id": name, "environment": "dev", "origin": ORIGIN, "edge_secret_file": secret,
            "platform_terms_version": "7", **texts, **settings}})
        self.log = f"{directory}/{name}.log"
        self.process = Process(name, [program("mykey-gateway"), "--config", self.conf], self.log, self.ops)

    def start(self):
        self.process.start().wait_ready()
        return self

    def metric(self, name, **labels):
        total = 0.0
        for line in self.process.metrics().splitlines():
            if line.startswith(name) and all(f'{key}="{value}"' in line for key, value in labels.items()):
                total += float(line.rpartition(" ")[2])
        return total

    @contextlib.contextmanager
    def counted(self, name, by, **labels):
        before = self.metric(name, **labels)
        yield
        assert self.metric(name, **labels) - before == by


def http_statuses():
    with open(f"{ROOT}/proto/errors.tbl.h", encoding="utf-8") as file:
        return {name: int(status) for name, status in re.findall(r"X\((\w+),\s*\d+,\s*\d,\s*(\d+),", file.read())}


STATUS = http_statuses()
WITH_OBJECT = (tap.PURPOSE_LINK, tap.PURPOSE_CREATE_ID)


def wish(digest, purpose, **fields):
    fields = {"purpose": purpose, "audience": TERMINALS[digest][1], "request_id": os.urandom(16),
              "assurance": tap.ASSURANCE_PIN, **({"object": OBJECT} if purpose in WITH_OBJECT else {}), **fields}
    return terminal.ChallengeRequest(**{name: value for name, value in fields.items() if value is not None})


def answer_to(challenge, **fields):
    fields = {"nonce": challenge.statement.nonce, "certificate": b"certificate", "signature": b"s" * 256, **fields}
    return terminal.TapRequest(**{name: value for name, value in fields.items() if value is not None})
