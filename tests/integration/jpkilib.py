# SPDX-License-Identifier: Apache-2.0
"""mykey-jpki-verify behind a real broker and mykey-jpki-revocation beside it, with the test certificate authority's cards."""

import functools
import hashlib
import hmac
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tools", "testca"))

from buslib import BUILD, CALL, REPLY, Bus, Process, wait_for  # noqa: E402
from wire import canonical, jpki, tap  # noqa: E402

import der  # noqa: E402

SECRETS = {name: hashlib.sha256(name.encode()).digest() for name in ("credential", "ticket")}


def run_testca(folder, *arguments):
    subprocess.run(["/usr/bin/python3", f"{ROOT}/tools/testca/testca.py", folder, *arguments], check=True,
                   stdout=subprocess.DEVNULL)


@functools.lru_cache
def load_key(pem):
    """Loading checks the key, which is slow; most variants share one."""
    return serialization.load_pem_private_key(pem, None)


class Card:
    def __init__(self, certificate, key):
        with open(certificate, "rb") as file:
            self.certificate = file.read()
        with open(key, "rb") as file:
            self.key = load_key(file.read())

    def sign(self, data):
        """Zeros where the key can't make the profile's signature: such a certificate is refused before that."""
        if not isinstance(self.key, rsa.RSAPrivateKey):
            return bytes(256)
        return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def statement(**changes):
    now_ms = int(time.time() * 1000)
    fields = {
        "version": 1, "environment": "dev", "terminal_id": "t-1", "terminal_key_sha256": bytes([1]) * 32,
        "origin": "https://edge.mykey.example", "purpose": tap.PURPOSE_LINK, "audience": "A1", "object": bytes([2]) * 32,
        "amount": 0, "unit": "", "request_id": os.urandom(16), "nonce": os.urandom(32), "issued_at_ms": now_ms,
        "expires_at_ms": now_ms + 15000, "assurance": tap.ASSURANCE_PIN, **changes,
    }
    return tap.TapStatement(**{name: value for name, value in fields.items() if value != ""})


class Verifier(Bus):
    """One jpki-verify, one loader of revocation lists, one broker, one caller. `ca` is a folder of testca.py."""

    DEFAULT = {"jpki-verify": {"serve": ["jpki"]}, "gateway": {"call": ["jpki.*"]}}

    def __init__(self, ca, **settings):
        super().__init__()
        self.ca, self.settings = ca, settings
        for name, secret in SECRETS.items():
            with os.fdopen(os.open(self.path(f"{name}.keys"), os.O_WRONLY | os.O_CREAT, 0o400), "w") as file:
                file.write(f"7 {secret.hex()}\n")
        self.broker()
        self.gateway = self.raw("gateway")
        self.process, self.loader, self.codes = None, None, {}

    def launch(self, ready=True, loader=True):
        if loader and not (self.loader and self.loader.alive()):
            self.launch_loader()
        settings = {
            **self.common("jpki-verify", "a"), "ops.listen": f"unix:{self.path('jpki')}.ops",
            "jpki.roots": f"{self.ca}/roots", "jpki.root_pins": f"{self.ca}/root-pins", "jpki.index": self.path("revocation/index"),
            "jpki.environment": "dev", "jpki.credential_keys": self.path("credential.keys"),
            "jpki.ticket_keys_registry": self.path("ticket.keys"), **self.settings}
        self.process = self.start("mykey-jpki-verify", f"jpki-{len(self.processes)}.log", settings)
        if ready:
            wait_for(lambda: self.readyz()[0] == 200)
        return self

    def launch_loader(self, **settings):
        self.loader = self.start("mykey-jpki-revocation", f"loader-{len(self.processes)}.log", {
            "ops.listen": f"unix:{self.path('loader')}.ops", "revocation.lists": f"{self.ca}/crl",
            "revocation.roots": f"{self.ca}/roots", "revocation.root_pins": f"{self.ca}/root-pins",
            "revocation.data": self.path("revocation"), **settings})

    # ---- calls ----

    def verify(self, card, said=None, signed=None, seconds=8, **changes):
        """The reply for a card that signed `signed` when the gateway recorded `said`."""
        said = said or statement()
        request = {"statement": said, "certificate": card.certificate, "signature": card.sign(canonical(signed or said)),
                   "consumer": "registry", **changes}
        body = jpki.VerifyRequest(**{name: value for name, value in request.items() if value is not None})
        return self.gateway.ask("Verify", body.SerializeToString(), service="jpki", seconds=seconds)

    def answer(self, *arguments, **changes):
        """(code, failed row)"""
        reply = self.verify(*arguments, **changes)
        return reply.code, reply.header.detail

    def send_many(self, card, count):
        """Sends without waiting; the tags."""
        said = statement()
        body = jpki.VerifyRequest(statement=said, certificate=card.certificate, signature=card.sign(canonical(said)),
                                  consumer="registry").SerializeToString()
        return [self.gateway.call("Verify", body, service="jpki", timeout_ms=8000) for _ in range(count)]

    def gather(self, tags):
        """Codes in the order of the tags."""
        while any(tag not in self.codes for tag in tags):
            message = self.gateway.receive(10)
            assert message is not None and message.command == REPLY
            self.codes[message.header.tag] = message.code
        return [self.codes.pop(tag) for tag in tags]

    # ---- looking ----

    def http(self, path, program="jpki"):
        connection = http.client.HTTPConnection("localhost", timeout=5)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(f"{self.path(program)}.ops")
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def readyz(self):
        try:
            return self.http("/readyz")
        except OSError:
            assert self.process.alive(), self.process.text()
            return 0, ""

    def metrics(self, program="jpki"):
        return self.http("/metrics", program)[1]

    def events(self, name, process=None):
        text = (process or self.process).text()
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def loader_events(self, name):
        return self.events(name, self.loader)

    def parser_pid(self):
        """The process id of the parser in use."""
        return self.events("parser_ready")[-1]["child_pid"]


def card(verifier, name):
    return Card(f"{verifier.ca}/cards/{name}/auth.der", f"{verifier.ca}/cards/{name}/auth.key")


def variant(verifier, name):
    return Card(f"{verifier.ca}/variants/{name}.der", f"{verifier.ca}/variants/{name}.key")


def credential_id(certificate):
    fields = der.children(der.children(certificate)[0])
    _, at, end = der.read_header(fields[1])
    issuer, serial = fields[3], fields[1][at:end]
    text = len(issuer).to_bytes(4, "big") + issuer + len(serial).to_bytes(4, "big") + serial
    return hmac.new(SECRETS["credential"], text, hashlib.sha256).digest()


def open_ticket(data):
    sealed = tap.SealedTicket.FromString(data)
    text = b"MYKEY-TICKET-1\0" + sealed.key_version.to_bytes(4, "big") + sealed.body
    assert hmac.compare_digest(hmac.new(SECRETS["ticket"], text, hashlib.sha256).digest(), sealed.mac)
    return tap.TapTicket.FromString(sealed.body)


# ---- fixtures: a test file imports them ----


@pytest.fixture(scope="session")
def authority():
    """The long-lived parts are made once; each test that changes something gets a copy."""
    folder = tempfile.mkdtemp(prefix="mkca-", dir="/tmp")
    run_testca(folder)
    run_testca(folder, "variants")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def own(authority):
    """A service and an authority that a test may spoil; not launched."""
    folder = tempfile.mkdtemp(prefix="mkca-", dir="/tmp")
    shutil.copytree(authority, folder, dirs_exist_ok=True)
    verifier = Verifier(folder)
    yield verifier
    verifier.close()
    shutil.rmtree(folder)


__all__ = ["CALL", "SECRETS", "Card", "Verifier", "authority", "card", "credential_id", "open_ticket", "own", "run_testca", "statement", "variant"]
