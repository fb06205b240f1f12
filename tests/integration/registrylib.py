# SPDX-License-Identifier: Apache-2.0
"""A real registry on a real broker and a real PostgreSQL; the test seals the tickets and speaks for the callers."""

import hashlib
import hmac
import os
import secrets
import subprocess
import sys
import threading
import time

from buslib import BUILD, REPLY, Bus, Process, wait_for
from pglib import ROOT, Database

sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))

from process import http_over_unix  # noqa: E402
from wire import registry, tap  # noqa: E402

REGISTRY = os.path.join(BUILD, "services", "registry", "mykey-registry")
TERMS = "2026-1"
CALLERS = {"gateway": ["registry.*"], "ops": ["registry.*"], "terminal-ca": ["registry.*"], "points": ["registry.*"],
           "feed-import": ["registry.*"]}


class Refused(Exception):
    def __init__(self, message):
        super().__init__(f"{message.code} {message.header.detail}".strip())
        self.code, self.detail, self.body = message.code, message.header.detail, message.body
        self.executed = message.header.executed


def sha(*parts):
    """SHA-256 over docs/tap.md's encoding of an object, written here a second time."""
    data = parts[0].encode() + b"\0"
    for number, value in enumerate(parts[1:], 1):
        data += bytes([number]) + len(value.encode()).to_bytes(4, "big") + value.encode()
    return hashlib.sha256(data).digest()


def object_link(operator, number, terms):
    return sha("MYKEY-OBJECT-LINK-1", operator, number, terms)


def object_terms(terms=TERMS):
    return sha("MYKEY-OBJECT-TERMS-1", terms)


class World:
    """Database, broker and registry in one directory; close() removes them."""

    def __init__(self, postgres="fsync = off\n"):  # processes are killed here, the machine is not
        self.bus, self.registries = Bus(), []
        self.database = Database(postgres)
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        self.database.make("registry")
        self.bus.principals = {"registry": {"serve": ["registry"]}}
        self.bus.principals |= {name: {"call": patterns} for name, patterns in CALLERS.items()}
        self.bus.write_acl()
        self.ticket_key = self.keys("ticket.keys", {1: secrets.token_bytes(32), 3: secrets.token_bytes(32)})
        self.suspend_key = self.keys("suspend.keys", {1: secrets.token_bytes(32)})
        self.broker = self.bus.broker("a")
        self.local = threading.local()
        self.start_registry()

    def close(self):
        for process in self.registries:
            process.end()
        self.bus.close()
        self.database.close()

    def keys(self, name, keys):
        """Writes a key file; returns {version: key}."""
        path = self.bus.path(name)
        if os.path.exists(path):
            os.unlink(path)
        text = "".join(f"{version} {key.hex()}\n" for version, key in sorted(keys.items()))
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o400), "w", encoding="ascii") as file:
            file.write(text)
        return keys

    # ---- the registry ----

    def settings(self, name="registry"):
        return {**self.bus.common("registry", "a"), "ops.listen": f"unix:{self.bus.path(name)}.ops",
                "registry.database": self.database.conninfo("registry"), "registry.connections": 2,
                "registry.ticket_keys": self.bus.path("ticket.keys"),
                "registry.suspend_keys": self.bus.path("suspend.keys"),
                "registry.deletion_log": self.bus.path("deletions"), "registry.platform_terms_version": TERMS}

    def start_registry(self, name="registry", ready=True, options=None, **more):
        command = [REGISTRY]
        for key, value in {**self.settings(name), **more}.items():
            command += ["--set", f"{key}={value}"]
        process = Process(command, self.bus.path(f"{name}.log"), **(options or {}))
        process.name = name
        self.registries.append(process)
        if ready:
            self.wait_ready(process)
        return process

    def readyz(self, name="registry"):
        """(status, text); (0, "") when nobody answers."""
        return http_over_unix(f"{self.bus.path(name)}.ops", "/readyz")

    def wait_ready(self, process, seconds=20):
        wait_for(lambda: self.readyz(process.name)[0] == 200 or not process.alive(), seconds)
        assert process.alive(), process.text()

    @property
    def process(self):
        return self.registries[-1]

    def reset(self):
        """As new: no rows, no deletions, one registry with the first keys."""
        for process in self.registries:
            process.end()
        self.registries.clear()
        for name in ("deletions", "registry.log"):
            if os.path.exists(self.bus.path(name)):
                os.unlink(self.bus.path(name))
        self.keys("suspend.keys", self.suspend_key)
        tables = self.database.sql("SELECT string_agg('registry.' || tablename, ', ') FROM pg_tables WHERE schemaname = 'registry'")
        self.database.sql(f"TRUNCATE {tables}")
        self.start_registry()

    # ---- calling ----

    def ask(self, method, request=None, caller="gateway", timeout_ms=8000, **fields):
        """The reply's message, or Refused. One socket a thread and caller."""
        peers = self.local.__dict__.setdefault("peers", {})
        if caller not in peers:
            peers[caller] = self.bus.raw(caller)
        body = b"" if request is None else request if isinstance(request, bytes) else request.SerializeToString()
        message = peers[caller].ask(method, body, service="registry", timeout_ms=timeout_ms, seconds=timeout_ms / 1000 + 2,
                                    **fields)
        if message.code != "OK":
            raise Refused(message)
        return getattr(registry, method + "Reply").FromString(message.body)

    def flood(self, method, requests, caller="gateway", timeout_ms=20000):
        """All at once on one socket: [(code name, reply or None)] in the order of the requests."""
        peer = self.bus.raw(caller)
        tags = {peer.call(method, one.SerializeToString(), service="registry", timeout_ms=timeout_ms): i
                for i, one in enumerate(requests)}
        answers = [None] * len(requests)
        for _ in requests:
            message = peer.receive(timeout_ms / 1000 + 2)
            assert message is not None and message.command == REPLY
            reply = getattr(registry, method + "Reply").FromString(message.body) if message.code == "OK" else None
            answers[tags[message.header.tag]] = (message.code, reply)
        peer.close()
        return answers

    # ---- tickets ----

    def ticket(self, card, purpose, audience, object_=b"", request_id=None, version=None, key=None, **changes):
        """A sealed ticket as jpki-verify makes it; changes: other values of its fields."""
        fields = {"consumer": "registry", "credential_id": card.credential, "credential_key_version": 1,
                  "assurance": tap.ASSURANCE_PIN, "purpose": purpose, "audience": audience, "terminal_id": "t-1",
                  "request_id": request_id or secrets.token_bytes(16),
                  "expires_at_ms": int(time.time() * 1000) + 9000}
        if object_:
            fields["object"] = object_
        fields.update(changes)
        body = tap.TapTicket(**{name: value for name, value in fields.items() if value is not None}).SerializeToString()
        version = version or max(self.ticket_key)
        return self.seal(body, version, key or self.ticket_key[version])

    @staticmethod
    def seal(body, version, key):
        mac = hmac.new(key, b"MYKEY-TICKET-1\0" + version.to_bytes(4, "big") + body, hashlib.sha256).digest()
        return tap.SealedTicket(body=body, key_version=version, mac=mac).SerializeToString()

    # ---- the acts, as the gateway asks for them ----

    def put_operator(self, operator_id, kind="LIBRARY", terms="1", **more):
        operator = registry.Operator(operator_id=operator_id, kind=getattr(registry, f"OPERATOR_KIND_{kind}"),
                                     name_ja=f"{operator_id}の窓口", name_en=operator_id, terms_version=terms, **more)
        self.ask("PutOperator", registry.PutOperatorRequest(operator=operator), "ops")

    def create_id(self, card, operator="M1", terms=TERMS, **more):
        ticket = self.ticket(card, tap.PURPOSE_CREATE_ID, operator, object_terms(terms), **more)
        return self.ask("CreateId", registry.CreateIdRequest(ticket=ticket, terms_version=terms))

    def link_request(self, card, operator, number, terms="1", normalised=None, scanned=None, confirmed=True, **more):
        ticket = self.ticket(card, tap.PURPOSE_LINK, operator, object_link(operator, normalised or number, terms), **more)
        staff = registry.StaffConfirmation(scanned_customer_id=number if scanned is None else scanned, confirmed=confirmed)
        return registry.LinkRequest(ticket=ticket, customer_id=number, terms_version=terms, staff=staff)

    def link(self, card, operator, number, **more):
        return self.ask("Link", self.link_request(card, operator, number, **more)).customer_id

    def resolve(self, card, operator, **more):
        ticket = self.ticket(card, tap.PURPOSE_RESOLVE, operator, **more)
        return list(self.ask("Resolve", registry.ResolveRequest(ticket=ticket)).customer_ids)

    def act(self, method, purpose, card, operator, **more):
        """The acts that take a ticket and nothing else."""
        request = getattr(registry, method + "Request")(ticket=self.ticket(card, purpose, operator, **more))
        return self.ask(method, request)

    def show_id(self, card, operator="M1", **more):
        return self.act("ShowId", tap.PURPOSE_SHOW_ID, card, operator, **more).mykey_id

    def change_id(self, card, operator="M1", **more):
        return self.act("ChangeId", tap.PURPOSE_CHANGE_ID, card, operator, **more).mykey_id

    def delete_id(self, card, operator="M1", **more):
        self.act("DeleteId", tap.PURPOSE_DELETE_ID, card, operator, **more)

    def resume_id(self, card, operator="M1", **more):
        self.act("ResumeId", tap.PURPOSE_RESUME_ID, card, operator, **more)

    def unlink(self, card, operator, **more):
        return self.act("Unlink", tap.PURPOSE_UNLINK, card, operator, **more).removed

    def withdraw(self, card, operator, **more):
        return self.act("WithdrawConsent", tap.PURPOSE_WITHDRAW_CONSENT, card, operator, **more).removed

    def suspend(self, code, operator="M1", terminal="t-town"):
        self.ask("Suspend", registry.SuspendRequest(operator_id=operator, terminal_id=terminal, suspend_code=code))

    def undo(self, operator, terminal, number, reason="mistyped", **fields):
        self.ask("UndoLink", registry.UndoLinkRequest(operator_id=operator, terminal_id=terminal, customer_id=number,
                                                      reason=reason), **fields)

    # ---- terminals ----

    def add_terminal(self, terminal, operator):
        """A terminal by the short way, for tests about something else."""
        self.database.sql(f"INSERT INTO registry.terminal VALUES ('{terminal}', '{operator}', '') ON CONFLICT DO NOTHING")

    def count(self, table, where="true"):
        return int(self.database.sql(f"SELECT count(*) FROM registry.{table} WHERE {where}"))

    def dump(self):
        """All data of the database as text."""
        text = subprocess.run(["pg_dump", "-h", self.database.socket_dir, "-U", "registry_owner", "-d", "registry", "-a",
                               "--inserts"], stdout=subprocess.PIPE, check=True, text=True).stdout
        return "\n".join(line for line in text.split("\n") if "restrict " not in line)  # new at each dump


class Card:
    """What jpki-verify knows a card by."""

    def __init__(self):
        self.credential = secrets.token_bytes(32)

    @property
    def sql(self):
        return f"'\\x{self.credential.hex()}'"
