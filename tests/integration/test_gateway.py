# SPDX-License-Identifier: Apache-2.0
"""mykey-gateway on its own socket: the test speaks for the edge, the registry and jpki-verify (gatewaylib)."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from edgelib import SECRET, TYPE, error_of, in_own_directory
from gatewaylib import (LIBRARY, LIMITS, MUNICIPAL, OBJECT, ORIGIN, OTHER, REVOKED, STATUS, TERMINALS, WITH_OBJECT, Gateway,
                        World, answer_to, refusing, wish)
from process import clean_environment, http_over_unix, wait_until
from wire import CODES, NAMES, jpki, registry, tap, terminal


class Client:
    """What the edge sends on behalf of one terminal."""

    def __init__(self, path, digest):
        self.digest = digest
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)

    def headers(self, **more):
        named = {"X-Mykey-Edge": SECRET, "Content-Type": TYPE}
        if self.digest:
            named["X-Mykey-Client-Sha256"] = self.digest.hex()
        named.update({name.replace("_", "-"): value for name, value in more.items()})
        return {name: value for name, value in named.items() if value is not None}

    def send(self, method, path, body=b"", length=None, **headers):
        lines = [f"{method} {path} HTTP/1.1", "Host: gateway"]
        lines += [f"{name}: {value}" for name, value in self.headers(**headers).items()]
        if method == "POST":
            lines.append(f"Content-Length: {len(body) if length is None else length}")
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def read(self):
        reply = http.client.HTTPResponse(self.socket)
        reply.begin()
        return reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read()

    def call(self, method, path, message=None, answer=None, **headers):
        """(name of the code, message or ErrorBody)"""
        body = message if isinstance(message, bytes) else message.SerializeToString() if message is not None else b""
        self.send(method, path, body, **headers)
        return self.answer(answer)

    def answer(self, answer=None):
        status, headers, data = self.read()
        if status == 200:
            return "OK", answer.FromString(data) if answer else data
        error = error_of(status, headers, data)
        assert error.incident == headers["x-mykey-trace"]
        assert status == STATUS[error.name]
        return error.name, error

    def code(self, method, path, message=None, **headers):
        return self.call(method, path, message, **headers)[0]

    def challenge(self, purpose=tap.PURPOSE_RESOLVE, **fields):
        request = wish(self.digest, purpose, **fields)
        return self.call("POST", "/v1/challenge", request, terminal.Challenge)

    def redeem(self, challenge, **fields):
        return self.call("POST", "/v1/tap", answer_to(challenge, **fields), terminal.TapReply)

    def whole_tap(self, purpose=tap.PURPOSE_RESOLVE, **fields):
        return self.redeem(self.challenge(purpose)[1], **fields)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def client_of(gateway, digest=LIBRARY):
    return Client(gateway.path, digest)


@pytest.fixture(scope="module")
def world():
    with in_own_directory(World) as made:
        yield made


@pytest.fixture(scope="module")
def gateway(world):
    return world.gateway("gateway-1")


@pytest.fixture
def library(gateway):
    with client_of(gateway, LIBRARY) as client:
        yield client


@pytest.fixture
def town(gateway):
    with client_of(gateway, MUNICIPAL) as client:
        yield client


@pytest.fixture(scope="module")
def early_challenge(gateway):
    """Issued now, to be found expired by the last test."""
    with client_of(gateway, OTHER) as client:
        return client.challenge()[1], time.monotonic()


# ---- the edge's word ----

@pytest.mark.parametrize("secret", [None, "", "x", SECRET + "0", SECRET[:-1], SECRET.upper(), f"edge {SECRET}"])
def test_without_the_edges_secret_nothing_is_answered(gateway, secret, early_challenge):
    assert early_challenge
    with client_of(gateway) as client, gateway.counted("mykey_gateway_edge_refused_total", 2):
        assert client.code("GET", "/v1/terminal", X_Mykey_Edge=secret) == "DENIED"
        assert client.code("POST", "/v1/enrol", b"", X_Mykey_Edge=secret) == "DENIED"


def test_who_the_certificate_says(gateway):
    for digest, code in ((None, "TERMINAL_UNKNOWN"), (b"?" * 32, "TERMINAL_UNKNOWN"), (REVOKED, "TERMINAL_REVOKED"),
                         (b"short", "BAD_REQUEST"), (LIBRARY, "OK"), (MUNICIPAL, "OK")):
        with client_of(gateway, digest) as client:
            assert client.code("GET", "/v1/terminal") == code


@pytest.mark.parametrize("path", ["/v1/challenge", "/v1/tap", "/v1/undo-link", "/v1/suspend", "/v1/renew"])
def test_every_path_but_enrolment_needs_a_terminal(gateway, path):
    for digest, code in ((None, "TERMINAL_UNKNOWN"), (REVOKED, "TERMINAL_REVOKED")):
        with client_of(gateway, digest) as client:
            assert client.code("POST", path, b"") == code


def test_terminal_info(library):
    name, info = library.call("GET", "/v1/terminal", None, terminal.TerminalInfo)
    assert name == "OK"
    assert (info.terminal_id, info.operator.operator_id, info.operator.name_ja) == ("t-library", "A1", "図書館")
    assert (info.environment, info.origin, info.platform_terms_version) == ("dev", ORIGIN, "7")
    assert (info.platform_terms_ja, info.platform_terms_en) == ("規約", "Terms")
    assert abs(info.server_time_ms - time.time() * 1000) < 2000


def test_headers_of_every_answer(library):
    library.send("GET", "/v1/terminal")
    _, headers, _ = library.read()
    assert re.fullmatch("[0-9a-f]{32}", headers["x-mykey-trace"])
    assert headers["content-type"] == TYPE and headers["cache-control"] == "no-store"
    assert headers["x-mykey-gateway"] == "gateway-1" and "date" in headers
    assert abs(int(headers["x-mykey-time"]) - time.time() * 1000) < 2000


# ---- bad requests ----

def test_unknown_paths_and_methods(library):
    for path in ("/", "/v1", "/v1/", "/v1/terminals", "/v1/tap/", "/metrics"):
        assert library.code("GET", path) == "NOT_FOUND"
    assert library.code("POST", "/v1/terminal", b"") == "UNKNOWN_METHOD"
    assert library.code("GET", "/v1/tap") == "UNKNOWN_METHOD"
    assert library.code("DELETE", "/v1/tap") == "UNKNOWN_METHOD"


@pytest.mark.parametrize("content_type", [None, "application/json", "application/x-protobuf2", "text/plain"])
def test_content_type(library, content_type):
    assert library.code("POST", "/v1/challenge", wish(LIBRARY, 1), Content_Type=content_type) == "BAD_REQUEST"


GARBAGE = [b"\xff" * 100, b"\x0a", b"\x0a\xff\xff\xff\xff\xff\x0f", b"\x08" * 5000, os.urandom(2000), b"\x12\x02\xff\xfe",
           b"\x12\x03A\x00B", b"\x0b" * 200, b"{}", b"\x1a" + b"\x80\x80\x04" + b"x" * 65532]


@pytest.mark.parametrize("garbage", range(len(GARBAGE)))
@pytest.mark.parametrize("path", ["/v1/challenge", "/v1/tap", "/v1/undo-link", "/v1/enrol", "/v1/enrol/result", "/v1/renew"])
def test_garbage_is_a_typed_error(gateway, path, garbage):
    with client_of(gateway) as client:
        assert client.code("POST", path, GARBAGE[garbage]) in ("BAD_REQUEST", "TOO_LARGE")
        assert client.code("GET", "/v1/terminal") == "OK"


def test_bodies_that_are_too_large(gateway):
    with client_of(gateway) as client:
        assert client.code("POST", "/v1/tap", b"x" * 65536) == "BAD_REQUEST"
    with client_of(gateway) as client:
        client.send("POST", "/v1/tap", b"", length=65537)
        assert client.answer()[0] == "TOO_LARGE"
    with client_of(gateway) as client:  # chunked: nobody said how much
        lines = [f"{name}: {value}" for name, value in client.headers().items()]
        client.socket.sendall("\r\n".join(["POST /v1/tap HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", *lines]).encode()
                              + b"\r\n\r\n" + (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 5 + b"0\r\n\r\n")
        assert client.answer()[0] == "TOO_LARGE"
    with client_of(gateway) as client:
        assert client.code("GET", "/v1/terminal") == "OK"


def test_requests_one_after_the_other_on_one_connection(library):
    for _ in range(5):
        library.send("GET", "/v1/terminal")
        library.send("POST", "/v1/challenge", wish(LIBRARY, 1).SerializeToString())
    seen = b""
    while seen.count(b"HTTP/1.1 200 OK") < 10:
        chunk = library.socket.recv(65536)
        assert chunk, "closed early"
        seen += chunk


def test_those_who_leave_are_not_waited_for(gateway, world):
    gate = threading.Event()
    with world.registry.rule(FindTerminal=lambda header, body: (gate.wait(1), world.registry.FindTerminal(header, body))[1]):
        for n in range(5):
            client = client_of(gateway, bytes([100 + n]) * 32)
            client.send("GET", "/v1/terminal")
            client.close()
        gate.set()
    wait_until(lambda: gateway.metric("mykey_gateway_requests_open") == 0, 5, "nobody waiting")
    with client_of(gateway) as client:
        assert client.code("GET", "/v1/terminal") == "OK"


# ---- whose terminal it is ----

def test_the_registry_is_asked_every_two_seconds(world, gateway, library):
    time.sleep(2.1)
    before = len(world.registry.of("FindTerminal"))
    began = time.monotonic()
    while time.monotonic() - began < 1.5:
        assert library.code("GET", "/v1/terminal") == "OK"
        time.sleep(0.05)
    assert len(world.registry.of("FindTerminal")) - before == 1
    time.sleep(0.7)
    assert library.code("GET", "/v1/terminal") == "OK"
    assert len(world.registry.of("FindTerminal")) - before == 2


def test_a_revoked_terminal_is_refused_within_two_seconds(world, gateway):
    digest = b"d" * 32
    world.registry.terminals[digest] = TERMINALS[LIBRARY]
    with client_of(gateway, digest) as client:
        assert client.code("GET", "/v1/terminal") == "OK"
        world.registry.terminals[digest] = TERMINALS[REVOKED]
        began = sent = time.monotonic()
        while client.code("GET", "/v1/terminal") == "OK":
            assert sent - began < 2.0
            time.sleep(0.02)
            sent = time.monotonic()
        assert client.code("POST", "/v1/tap", b"") == "TERMINAL_REVOKED"
        world.registry.terminals[digest] = TERMINALS[LIBRARY]
        wait_until(lambda: client.code("GET", "/v1/terminal") == "OK", 3, "allowed again")


def test_many_at_once_are_one_question(world, gateway):
    digest, gate = b"m" * 32, threading.Event()
    world.registry.terminals[digest] = TERMINALS[LIBRARY]
    before = len(world.registry.of("FindTerminal"))
    with world.registry.rule(FindTerminal=lambda header, body: (gate.wait(1), world.registry.FindTerminal(header, body))[1]):
        clients = [client_of(gateway, digest) for _ in range(20)]
        for client in clients:
            client.send("GET", "/v1/terminal")
        time.sleep(0.2)
        gate.set()
        assert [client.answer()[0] for client in clients] == ["OK"] * 20
    assert len(world.registry.of("FindTerminal")) - before == 1
    for client in clients:
        client.close()


@pytest.mark.parametrize("said, told", [("BUSY", "BUSY"), ("NO_WORKERS", "UNAVAILABLE"), ("INTERNAL", "INTERNAL"),
                                        ("DENIED", "INTERNAL"), ("NOT_FOUND", "TERMINAL_UNKNOWN"),
                                        ("UNAVAILABLE", "UNAVAILABLE")])
def test_what_a_terminal_is_told_when_the_registry_cannot(world, gateway, said, told):
    with world.registry.rule(FindTerminal=refusing(said)), client_of(gateway, os.urandom(32)) as client:
        assert client.code("GET", "/v1/terminal") == told


@pytest.mark.parametrize("reply", [b"", b"\xff\xff", registry.FindTerminalReply(
    terminal=registry.Terminal(terminal_id="t", operator_id="A1", state=1, key_sha256=b"short")).SerializeToString()])
def test_a_registry_that_talks_nonsense_is_a_fault(world, gateway, reply):
    with world.registry.rule(FindTerminal=lambda header, body: reply), client_of(gateway, os.urandom(32)) as client:
        assert client.code("GET", "/v1/terminal") in ("INTERNAL", "BAD_REQUEST")


def test_no_registry_is_unavailable(world, gateway):
    world.workers["registry"].stop()
    try:
        with client_of(gateway, os.urandom(32)) as client:
            assert client.code("GET", "/v1/terminal") == "UNAVAILABLE"
    finally:
        world.workers["registry"].start()
    with client_of(gateway) as client:
        wait_until(lambda: client.code("GET", "/v1/terminal") == "OK", 5, "the registry is back")


# ---- challenges ----

def test_the_statement_is_the_terminals_own(library):
    request_id = os.urandom(16)
    name, challenge = library.challenge(request_id=request_id)
    assert (name, challenge.gateway) == ("OK", "gateway-1")
    s = challenge.statement
    assert (s.version, s.environment, s.terminal_id, s.terminal_key_sha256) == (1, "dev", "t-library", b"k" * 32)
    assert (s.origin, s.purpose, s.audience, s.object, s.amount, s.unit) == (ORIGIN, tap.PURPOSE_RESOLVE, "A1", b"", 0, "")
    assert (s.request_id, len(s.nonce), s.assurance) == (request_id, 32, tap.ASSURANCE_PIN)
    assert s.expires_at_ms - s.issued_at_ms == 15000 and abs(s.issued_at_ms - time.time() * 1000) < 2000
    assert library.challenge()[1].statement.nonce != s.nonce


WRONG_WISHES = [
    ({"purpose": None}, "BAD_REQUEST", "purpose"),
    ({"purpose": 0}, "BAD_REQUEST", "purpose"),
    ({"audience": None}, "BAD_REQUEST", "audience"),
    ({"audience": "B1"}, "DENIED", "audience"),
    ({"audience": "a1"}, "DENIED", "audience"),
    ({"audience": ""}, "DENIED", "audience"),
    ({"object": OBJECT}, "BAD_REQUEST", "object"),
    ({"purpose": tap.PURPOSE_LINK}, "BAD_REQUEST", "object"),
    ({"purpose": tap.PURPOSE_LINK, "object": OBJECT[1:]}, "BAD_REQUEST", "object"),
    ({"purpose": tap.PURPOSE_LINK, "object": OBJECT + b"x"}, "BAD_REQUEST", "object"),
    ({"amount": 1}, "BAD_REQUEST", "amount"),
    ({"amount": 2**64 - 1}, "BAD_REQUEST", "amount"),
    ({"unit": "pt"}, "BAD_REQUEST", "unit"),
    ({"request_id": None}, "BAD_REQUEST", "request_id"),
    ({"request_id": b"x" * 15}, "BAD_REQUEST", "request_id"),
    ({"request_id": b"x" * 17}, "BAD_REQUEST", "request_id"),
    ({"assurance": None}, "BAD_REQUEST", "assurance"),
    ({"assurance": 0}, "BAD_REQUEST", "assurance"),
    ({"assurance": tap.ASSURANCE_PRESENCE}, "PRESENCE_UNAVAILABLE", "assurance"),
    *(({"purpose": purpose, **({"object": OBJECT} if purpose in WITH_OBJECT else {})}, "OPERATOR_KIND", "purpose")
      for purpose in (tap.PURPOSE_CREATE_ID, tap.PURPOSE_SHOW_ID, tap.PURPOSE_CHANGE_ID, tap.PURPOSE_DELETE_ID,
                      tap.PURPOSE_RESUME_ID)),
]


@pytest.mark.parametrize("row", range(len(WRONG_WISHES)))
def test_each_wrong_field_has_its_answer(gateway, library, row):
    fields, code, detail = WRONG_WISHES[row]
    before = gateway.metric("mykey_gateway_challenges_issued_total")
    request = wish(LIBRARY, **{"purpose": tap.PURPOSE_RESOLVE, "object": None, **fields})
    name, error = library.call("POST", "/v1/challenge", request)
    assert (name, error.detail) == (code, detail)
    assert gateway.metric("mykey_gateway_challenges_issued_total") == before


def test_an_unknown_purpose_is_refused(library):
    raw = wish(LIBRARY, 1).SerializeToString()
    for number in (10, 20, 99):
        assert library.code("POST", "/v1/challenge", raw.replace(b"\x08\x01", bytes([8, number]), 1)) == "BAD_REQUEST"


# ---- taps ----

TAPS = [
    # purpose, method, changes something, reply's fields
    (tap.PURPOSE_RESOLVE, "Resolve", False, {"customer_ids": ["789", "086"], "notices": ["link_undone"]}),
    (tap.PURPOSE_CREATE_ID, "CreateId", True, {"mykey_id": "ABCD1234", "suspend_code": "1234567890123456"}),
    (tap.PURPOSE_SHOW_ID, "ShowId", False, {"mykey_id": "ABCD1234"}),
    (tap.PURPOSE_CHANGE_ID, "ChangeId", True, {"mykey_id": "WXYZ9876"}),
    (tap.PURPOSE_DELETE_ID, "DeleteId", True, {}),
    (tap.PURPOSE_RESUME_ID, "ResumeId", True, {}),
    (tap.PURPOSE_LINK, "Link", True, {"customer_ids": ["086"]}),
    (tap.PURPOSE_UNLINK, "Unlink", True, {"removed": 2}),
    (tap.PURPOSE_WITHDRAW_CONSENT, "WithdrawConsent", True, {"removed": 3}),
]


@pytest.mark.parametrize("purpose, method, changes, expected", TAPS)
def test_each_purpose_is_one_method(world, town, purpose, method, changes, expected):
    staff = registry.StaffConfirmation(scanned_customer_id="086", confirmed=True)
    _, challenge = town.challenge(purpose)
    name, reply = town.redeem(challenge, customer_id="086", terms_version="3", staff=staff)
    assert name == "OK"
    assert reply == terminal.TapReply(purpose=purpose, **expected)
    header, body = world.registry.of(method)[-1]
    request = getattr(registry, f"{method}Request").FromString(body)
    assert request.ticket == b"a ticket"
    assert header.idempotency_key == (challenge.statement.request_id if changes else b"")
    if method == "Link":
        assert (request.customer_id, request.terms_version, request.staff) == ("086", "3", staff)
    if method == "CreateId":
        assert request.terms_version == "3"


def test_jpki_gets_the_recorded_statement_and_nothing_of_the_taps(world, library):
    _, challenge = library.challenge()
    assert library.redeem(challenge, certificate=b"c" * 8192, signature=b"s" * 512)[0] == "OK"
    request = jpki.VerifyRequest.FromString(world.jpki.of("Verify")[-1][1])
    assert request.statement == challenge.statement
    assert (request.certificate, request.signature, request.consumer) == (b"c" * 8192, b"s" * 512, "registry")


def test_one_trace_through_all(world, library):
    _, challenge = library.challenge()
    library.send("POST", "/v1/tap", answer_to(challenge).SerializeToString())
    _, headers, _ = library.read()
    for calls in (world.jpki.of("Verify"), world.registry.of("Resolve")):
        assert calls[-1][0].traceparent.split("-")[1] == headers["x-mykey-trace"]


@pytest.mark.parametrize("fields, detail", [
    ({"nonce": None}, "nonce"), ({"nonce": b"x" * 31}, "nonce"), ({"nonce": b"x" * 33}, "nonce"),
    ({"certificate": None}, "certificate"), ({"certificate": b""}, "certificate"), ({"certificate": b"c" * 8193}, "certificate"),
    ({"signature": None}, "signature"), ({"signature": b""}, "signature"), ({"signature": b"s" * 513}, "signature")])
def test_a_malformed_tap_does_not_cost_the_challenge(library, fields, detail):
    _, challenge = library.challenge()
    name, error = library.redeem(challenge, **fields)
    assert (name, error.detail) == ("BAD_REQUEST", detail)
    assert library.redeem(challenge)[0] == "OK"


def test_a_challenge_is_redeemed_once(world, gateway, library):
    _, challenge = library.challenge()
    before = len(world.jpki.of("Verify"))
    assert library.redeem(challenge)[0] == "OK"
    with gateway.counted("mykey_gateway_challenges_taken_total", 3, result="CHALLENGE_GONE"):
        assert [library.redeem(challenge)[0] for _ in range(3)] == ["CHALLENGE_GONE"] * 3
    assert len(world.jpki.of("Verify")) - before == 1


def test_of_many_at_once_one_redeems(world, gateway, library):
    _, challenge = library.challenge()
    clients = [client_of(gateway) for _ in range(10)]
    for client in clients:
        client.send("POST", "/v1/tap", answer_to(challenge).SerializeToString())
    names = sorted(client.answer()[0] for client in clients)
    assert names.count("OK") == 1 and set(names) <= {"OK", "CHALLENGE_GONE", "BUSY"}
    for client in clients:
        client.close()


def test_each_flipped_bit_of_a_nonce_is_unknown(library):
    _, challenge = library.challenge()
    for position in range(0, 256, 37):
        nonce = bytearray(challenge.statement.nonce)
        nonce[position // 8] ^= 1 << position % 8
        assert library.redeem(challenge, nonce=bytes(nonce))[0] == "CHALLENGE_GONE"
    assert library.redeem(challenge)[0] == "OK"


def test_another_terminals_challenge(world, gateway, library, town):
    _, challenge = library.challenge()
    before = len(world.jpki.of("Verify"))
    assert town.redeem(challenge)[0] == "CHALLENGE_MISMATCH"
    assert library.redeem(challenge)[0] == "CHALLENGE_GONE"
    assert len(world.jpki.of("Verify")) == before


def test_a_new_challenge_replaces_that_of_the_same_request(library):
    request_id = os.urandom(16)
    _, first = library.challenge(request_id=request_id)
    _, second = library.challenge(request_id=request_id)
    assert library.redeem(first)[0] == "CHALLENGE_GONE"
    assert library.redeem(second)[0] == "OK"


def test_the_purpose_is_the_challenges(world, library):
    """Nothing in a tap can make another act of it."""
    _, challenge = library.challenge(tap.PURPOSE_RESOLVE)
    before = len(world.registry.of("Link"))
    name, reply = library.redeem(challenge, customer_id="789", terms_version="1",
                              staff=registry.StaffConfirmation(scanned_customer_id="789", confirmed=True))
    assert (name, reply.purpose) == ("OK", tap.PURPOSE_RESOLVE)
    assert len(world.registry.of("Link")) == before


@pytest.mark.parametrize("code", sorted(set(CODES) - {"OK"}))
def test_every_refusal_comes_through_as_it_is(world, library, code):
    """Of jpki-verify and of the registry; STATUS and texts are checked by answer()."""
    for service, method in ((world.jpki, "Verify"), (world.registry, "Resolve")):
        with service.rule(**{method: refusing(code, detail="rule_7")}):
            name, error = library.whole_tap()
            assert (name, error.detail) == (code, "rule_7")


def test_an_unknown_code_is_internal(world, library):
    with world.jpki.rule(Verify=refusing(249)):
        assert library.whole_tap()[0] == "INTERNAL"


@pytest.mark.parametrize("service, method", [("jpki", "Verify"), ("registry", "Resolve")])
def test_replies_of_the_wrong_form_are_internal(world, library, service, method):
    for reply in (b"\xff\xff", b"\x0a\x05\xff\xfe"):
        with getattr(world, service).rule(**{method: lambda header, body: reply}):
            assert library.whole_tap()[0] == "INTERNAL"
    with world.jpki.rule(Verify=lambda header, body: b""):
        assert library.whole_tap()[0] == "INTERNAL"


def test_retry_after_is_passed_on(world, library):
    with world.registry.rule(Resolve=refusing("BUSY", retry_after_ms=4100)):
        _, challenge = library.challenge()
        library.send("POST", "/v1/tap", answer_to(challenge).SerializeToString())
        status, headers, data = library.read()
    assert (status, headers["retry-after"], error_of(status, headers, data).retry_after_ms) == (503, "5", 4100)


# ---- staff, enrolment ----

def test_undo_link_names_the_terminal_of_the_certificate(world, library):
    message = terminal.UndoLink(customer_id="086", reason="mistyped")
    assert library.call("POST", "/v1/undo-link", message, terminal.Done) == ("OK", terminal.Done())
    request = registry.UndoLinkRequest.FromString(world.registry.of("UndoLink")[-1][1])
    assert (request.operator_id, request.terminal_id, request.customer_id, request.reason) == (
        "A1", "t-library", "086", "mistyped")
    assert library.code("POST", "/v1/undo-link", terminal.UndoLink(reason="mistyped")) == "BAD_REQUEST"
    assert library.code("POST", "/v1/undo-link", terminal.UndoLink(customer_id="1")) == "BAD_REQUEST"


def test_only_a_municipality_suspends(world, library, town):
    message = terminal.Suspend(suspend_code="1234567890123456")
    before = len(world.registry.of("Suspend"))
    assert library.code("POST", "/v1/suspend", message) == "OPERATOR_KIND"
    assert len(world.registry.of("Suspend")) == before
    assert town.code("POST", "/v1/suspend", message) == "OK"
    request = registry.SuspendRequest.FromString(world.registry.of("Suspend")[-1][1])
    assert (request.operator_id, request.terminal_id, request.suspend_code) == ("M131164", "t-town", "1234567890123456")
    assert town.code("POST", "/v1/suspend", terminal.Suspend()) == "BAD_REQUEST"


def csr(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "anything")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.DER)


GOOD_CSR = csr(ec.generate_private_key(ec.SECP256R1()))
BAD_CSRS = {"csr_size": [b"", b"\x30" * 4097], "csr_form": [b"\x30\x00", GOOD_CSR + b"\x00", GOOD_CSR[:-1], os.urandom(300)],
            "csr_key": [csr(ec.generate_private_key(ec.SECP384R1())),
                        csr(rsa.generate_private_key(public_exponent=65537, key_size=2048))],
            "csr_signature": [GOOD_CSR[:-1] + bytes([GOOD_CSR[-1] ^ 1])]}


def test_enrolment(world, gateway):
    with client_of(gateway, None) as client:
        name, accepted = client.call("POST", "/v1/enrol", terminal.Enrol(code="ABCDEFGHIJKLMNOPQRSTUVWXYZ", csr=GOOD_CSR),
                                     terminal.EnrolAccepted)
        assert (name, accepted.enrolment_id, accepted.terminal_id) == ("OK", b"e" * 16, "t-new")
        request = registry.EnrolRequest.FromString(world.registry.of("Enrol")[-1][1])
        assert (request.code, request.csr) == ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", GOOD_CSR)
        name, error = client.call("POST", "/v1/enrol/result", terminal.EnrolResult(enrolment_id=b"e" * 16))
        assert (name, error.retry_after_ms) == ("ENROL_PENDING", 2500)
        with world.registry.rule(EnrolResult=lambda header, body: registry.EnrolResultReply(certificate=b"c", authority=b"a")):
            name, done = client.call("POST", "/v1/enrol/result", terminal.EnrolResult(enrolment_id=b"e" * 16), terminal.Enrolled)
        assert (name, done.certificate, done.authority) == ("OK", b"c", b"a")
        with world.registry.rule(Enrol=refusing("INVITE_INVALID")):
            assert client.code("POST", "/v1/enrol", terminal.Enrol(code="A", csr=GOOD_CSR)) == "INVITE_INVALID"


def test_renewal(world, library):
    name, accepted = library.call("POST", "/v1/renew", terminal.Renew(csr=GOOD_CSR), terminal.EnrolAccepted)
    assert (name, accepted.enrolment_id, accepted.terminal_id) == ("OK", b"r" * 16, "t-library")
    request = registry.RenewRequest.FromString(world.registry.of("Renew")[-1][1])
    assert (request.terminal_id, request.csr) == ("t-library", GOOD_CSR)


@pytest.mark.parametrize("detail", BAD_CSRS)
def test_bad_certificate_requests_go_no_further(world, gateway, detail):
    before = len(world.registry.of("Enrol")) + len(world.registry.of("Renew"))
    with client_of(gateway) as client:
        for bad in BAD_CSRS[detail]:
            for path, message in (("/v1/enrol", terminal.Enrol(code="A", csr=bad)), ("/v1/renew", terminal.Renew(csr=bad))):
                name, error = client.call("POST", path, message)
                assert (name, error.detail) == ("BAD_REQUEST", detail)
    assert len(world.registry.of("Enrol")) + len(world.registry.of("Renew")) == before


@pytest.mark.parametrize("code", [None, "", "A B", "x" * 65, "あ"])
def test_bad_invite_codes_go_no_further(world, gateway, code):
    before = len(world.registry.of("Enrol"))
    message = terminal.Enrol(csr=GOOD_CSR)
    if code is not None:
        message.code = code
    with client_of(gateway, None) as client:
        assert client.code("POST", "/v1/enrol", message) == "BAD_REQUEST"
    assert len(world.registry.of("Enrol")) == before


# ---- admission ----

@contextlib.contextmanager
def held_jpki(world):
    gate = threading.Event()
    with world.jpki.rule(Verify=lambda header, body: (gate.wait(4), jpki.VerifyReply(ticket=b"a ticket"))[1]):
        yield gate
        gate.set()


def test_one_tap_of_a_terminal_at_a_time(world, gateway, library):
    challenges = [library.challenge()[1] for _ in range(2)]
    with held_jpki(world) as gate, client_of(gateway) as second:
        library.send("POST", "/v1/tap", answer_to(challenges[0]).SerializeToString())
        wait_until(lambda: gateway.metric("mykey_gateway_requests_open") > 0, 5, "the first tap inside")
        name, error = second.redeem(challenges[1])
        assert (name, error.detail) == ("BUSY", "terminal_tap") and error.retry_after_ms > 0
        assert second.code("GET", "/v1/terminal") == "OK"
        with client_of(gateway, MUNICIPAL) as town:
            assert town.challenge()[0] == "OK"
        gate.set()
        assert library.answer()[0] == "OK"
        assert second.redeem(challenges[1])[0] == "OK"


def test_busy_under_a_flood_and_well_after_it(world):
    gateway = world.gateway("gateway-flood", rate=50, burst=20)
    with client_of(gateway) as client:
        names = [client.code("GET", "/v1/terminal") for _ in range(200)]
        assert names.count("OK") >= 20 and names.count("BUSY") >= 50 and set(names) == {"OK", "BUSY"}
        assert gateway.metric("mykey_gateway_admission_refused_total", reason="rate") == names.count("BUSY")
        time.sleep(0.5)
        assert client.code("GET", "/v1/terminal") == "OK"
    assert gateway.process.stop(10) == 0


def test_rates_of_one_terminal_and_of_enrolment(world):
    gateway = world.gateway("gateway-rates", terminal_rate=60, terminal_burst=5, enrol_rate=60, enrol_burst=2)
    with client_of(gateway) as one, client_of(gateway, MUNICIPAL) as other, client_of(gateway, None) as nobody:
        names = [one.code("GET", "/v1/terminal") for _ in range(10)]
        assert names[:5] == ["OK"] * 5 and "BUSY" in names[5:]
        assert other.code("GET", "/v1/terminal") == "OK"
        names = [nobody.code("POST", "/v1/enrol", terminal.Enrol(code="A", csr=GOOD_CSR)) for _ in range(5)]
        assert names[:2] == ["OK"] * 2 and "BUSY" in names[2:]
        assert other.code("GET", "/v1/terminal") == "OK"
    assert gateway.process.stop(10) == 0


def test_requests_at_once_are_bounded(world):
    gateway = world.gateway("gateway-small", outstanding_max=4)
    gate = threading.Event()
    with world.registry.rule(FindTerminal=lambda header, body: (gate.wait(1.2), world.registry.FindTerminal(header, body))[1]):
        clients = [client_of(gateway, os.urandom(32)) for _ in range(6)]
        for client in clients:
            client.send("GET", "/v1/terminal")
        wait_until(lambda: gateway.metric("mykey_gateway_admission_refused_total", reason="outstanding") == 2, 5, "two refused")
        gate.set()
        assert sorted(client.answer()[0] for client in clients) == ["BUSY"] * 2 + ["TERMINAL_UNKNOWN"] * 4
        for client in clients:
            client.close()
    assert gateway.process.stop(10) == 0


def test_challenges_are_bounded(world):
    gateway = world.gateway("gateway-few", challenges_max=5)
    with client_of(gateway) as library, client_of(gateway, MUNICIPAL) as town:
        nonces = [library.challenge()[1] for _ in range(6)]
        assert gateway.metric("mykey_gateway_challenges_open") == 4
        assert library.redeem(nonces[0])[0] == "CHALLENGE_GONE"
        assert town.challenge()[0] == "OK"
        name, error = town.challenge()
        assert (name, error.detail) == ("BUSY", "challenges")
        assert library.redeem(nonces[5])[0] == "OK"
        assert town.challenge()[0] == "OK"
    gateway.process.kill(signal.SIGKILL)


# ---- the end of a gateway ----

def test_drain_redeems_what_was_issued(world):
    gateway = world.gateway("gateway-drain")
    with client_of(gateway) as library, client_of(gateway, MUNICIPAL) as town:
        challenges = [client.challenge()[1] for client in (library, town)]
        assert http_over_unix(gateway.path, "/health")[0] == 200
        gateway.process.kill(signal.SIGTERM)
        wait_until(lambda: http_over_unix(gateway.ops, "/readyz")[0] == 503, 5, "not ready")
        assert http_over_unix(gateway.path, "/health")[0] == 404
        name, error = library.challenge()
        assert name == "UNAVAILABLE" and error.HasField("retry_after_ms")
        time.sleep(0.6)  # longer than the lame duck's time: it waits for the challenges
        assert gateway.process.alive()
        assert library.redeem(challenges[0])[0] == "OK"
        with held_jpki(world) as gate:
            town.send("POST", "/v1/tap", answer_to(challenges[1]).SerializeToString())
            time.sleep(0.6)
            assert gateway.process.alive()
            gate.set()
            assert town.answer()[0] == "OK"
    assert gateway.process.child.wait(5) == 0


def test_a_second_signal_ends_it_with_requests_inside(world):
    gateway = world.gateway("gateway-end")
    with held_jpki(world), client_of(gateway) as library:
        library.send("POST", "/v1/tap", answer_to(library.challenge()[1]).SerializeToString())
        wait_until(lambda: gateway.metric("mykey_gateway_requests_open") == 1, 5, "the tap inside")
        gateway.process.kill(signal.SIGTERM)
        wait_until(lambda: http_over_unix(gateway.ops, "/readyz")[0] == 503, 5, "draining")
        gateway.process.kill(signal.SIGTERM)
        assert gateway.process.child.wait(5) == 128 + signal.SIGTERM


def test_after_a_kill_the_challenge_is_gone_and_a_new_one_works(world):
    gateway = world.gateway("gateway-killed")
    request_id = os.urandom(16)
    with client_of(gateway) as client:
        _, lost = client.challenge(request_id=request_id)
    gateway.process.kill(signal.SIGKILL)
    gateway.process.child.wait()
    gateway.start()
    with client_of(gateway) as client:
        assert client.redeem(lost)[0] == "CHALLENGE_GONE"
        _, challenge = client.challenge(request_id=request_id)
        assert challenge.gateway == lost.gateway
        assert client.redeem(challenge)[0] == "OK"
    assert gateway.process.stop(10) == 0


def test_a_new_secret_is_taken_over_on_hup(world):
    gateway = world.gateway("gateway-secret")
    path, new = f"{world.directory}/secret", "n" * 40
    os.chmod(path, 0o600)
    with open(path, "a", encoding="ascii") as file:
        file.write(f"edge {new}\n")
    gateway.process.kill(signal.SIGHUP)
    with client_of(gateway) as client:
        wait_until(lambda: client.code("GET", "/v1/terminal", X_Mykey_Edge=new) == "OK", 5, "the new secret")
        assert client.code("GET", "/v1/terminal") == "OK"
        with open(path, "w", encoding="ascii") as file:
            file.write("nonsense\n")
        gateway.process.kill(signal.SIGHUP)
        time.sleep(0.2)
        assert client.code("GET", "/v1/terminal") == "OK"
    with open(path, "w", encoding="ascii") as file:
        file.write(f"edge {SECRET}\n")
    assert gateway.process.stop(10) == 0


PLAIN_TO_OTHERS = ["0.0.0.0:80", "[::]:80", "10.0.0.5:80", "gateway.example:80", "80", "unix:"]


@pytest.mark.parametrize("setting, value", [("origin", "http://x"), ("environment", "Dev"), ("id", "a b"),
                                            ("platform_terms_version", "x" * 17),
                                            *(("listen", value) for value in PLAIN_TO_OTHERS)])
def test_check_config_names_what_is_wrong(world, setting, value):
    """gateway.listen: what this process speaks is plain, so that no other host may reach it."""
    gateway = Gateway(world, "unchecked", {**LIMITS, setting: value})
    for more in ([], ["--check-config"]):
        done = subprocess.run([*gateway.process.command, *more], capture_output=True, text=True, check=False,
                              env=clean_environment())
        assert done.returncode == 2 and f"setting gateway.{setting} from" in done.stderr, done.stderr
    assert (setting == "listen") == ("TLS" in done.stderr)


@pytest.mark.parametrize("setting, value", [("edge_secret_file", "/nonexistent"), ("platform_terms_ja", "/nonexistent"),
                                            ("listen", "unix:/nonexistent/x")])
def test_what_only_the_start_shows_is_named(world, setting, value):
    gateway = Gateway(world, f"wrong-{setting.replace('_', '-')}", {**LIMITS, setting: value})
    gateway.process.start()
    assert gateway.process.child.wait(10) == 2
    line = json.loads(gateway.process.tail(1))
    assert (line["event"], line["setting"]) == ("start_failed", f"gateway.{setting}")


# ---- what is left behind ----

def test_the_log_knows_no_one(world, gateway, library):
    with world.registry.rule(Resolve=refusing("NOT_LINKED", detail="none")):
        assert library.whole_tap(customer_id="canary-5551", certificate=b"canary-certificate")[0] == "NOT_LINKED"
    with open(gateway.log, encoding="utf-8") as log:
        lines = [json.loads(line) for line in log]
    refused = [line for line in lines if line["event"] == "tap_refused"][-1]
    assert {"purpose", "code", "trace_id"} <= set(refused) <= {"ts", "level", "svc", "inst", "event", "purpose", "code",
                                                              "detail", "trace_id"}
    assert (refused["purpose"], refused["code"]) == ("resolve", "NOT_LINKED")
    text = json.dumps(lines)
    for canary in ("canary", "t-library", SECRET, LIBRARY.hex(), "ABCD1234"):
        assert canary not in text


def test_metrics_are_closed_sets(gateway):
    text = gateway.process.metrics()
    for name in ("requests_total", "request_duration_seconds_bucket", "challenges_open", "challenges_issued_total",
                 "challenges_taken_total", "taps_total", "admission_refused_total", "terminal_lookups_total",
                 "edge_refused_total", "requests_open"):
        assert f"mykey_gateway_{name}" in text
    methods = set(re.findall(r'mykey_gateway_requests_total{method="([^"]*)"', text))
    assert methods <= {"other", "/v1/terminal", "/v1/challenge", "/v1/tap", "/v1/undo-link", "/v1/suspend", "/v1/renew",
                       "/v1/enrol", "/v1/enrol/result"}
    assert set(re.findall(r'mykey_gateway_requests_total{[^}]*code="([^"]*)"', text)) <= set(NAMES.values())


def test_an_old_challenge_has_expired(gateway, early_challenge):
    challenge, issued = early_challenge
    time.sleep(max(0, 15.2 - (time.monotonic() - issued)))
    with client_of(gateway, OTHER) as client:
        late = time.monotonic() - issued > 29
        assert client.redeem(challenge)[0] == ("CHALLENGE_GONE" if late else "CHALLENGE_EXPIRED")
        assert client.redeem(challenge)[0] == "CHALLENGE_GONE"
