# SPDX-License-Identifier: Apache-2.0
"""For tests of the real agent: a terminal with reader and simulated cards, and a platform's edge that can lie.

The platform here is a peer in the contract, not a stand-in for the gateway (tests/story has the real one): it checks what
the card signed with its own canonical form, and bends any answer on demand."""
import contextlib
import datetime
import http.server
import ipaddress
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509.oid import NameOID
from edgelib import Authority
from simcardlib import BUILD, JPKI, ROOT, Station, demo_cards, wait_for

sys.path[:0] = [f"{ROOT}/tests/lib", f"{ROOT}/tools/dev"]

import loopback  # noqa: E402
from wire import CODES, canonical, registry, tap, terminal  # noqa: E402

AGENT = BUILD / "agent/mykey-agent"
TYPE = "application/x-protobuf"
ORIGIN = "https://platform.mykey.example"
CODE = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Page(loopback.Page):
    """A page whose end is noticed at once on both sides. entries: PINs that a person entered."""

    entries = 0

    def act(self, action, **arguments):
        refused = super().act(action, **arguments)
        self.entries += action == "pin_submit" and refused is None
        return refused

    def follow(self, answer):
        self.answer = answer
        super().follow(answer)

    def close(self):
        try:
            self.answer.fp.raw._sock.shutdown(socket.SHUT_RDWR)
        except (AttributeError, OSError):
            pass
        super().close()


class Refuse(Exception):
    """Raised by a bend: the platform answers this error."""

    def __init__(self, name, status=409, incident="0123456789abcdef" * 2):
        super().__init__(name)
        self.status, self.body = status, terminal.ErrorBody(code=CODES[name], name=name, incident=incident)


class Platform:
    """Two edges in one. `bends[path]` is called with the request (or None) and the answer, and may change it or raise."""

    def __init__(self, folder):
        self.authority = Authority(str(folder), "terminals")
        self.operator = registry.Operator(
            operator_id="A1", kind=registry.OPERATOR_KIND_LIBRARY, name_ja="中央図書館", name_en="Central Library",
            terms_version="1", terms_ja="規約", terms_en="Terms", number=registry.NumberRule(digits_only=True, max_length=8),
            output=registry.OutputSettings(symbology=registry.SYMBOLOGY_NW7, keyboard=True, clear_after_s=30))
        self.numbers, self.notices, self.bends, self.requests = ["789"], [], {}, []
        self.open, self.used, self.taps, self.clock_ms, self.pending = {}, [], [], 0, 1
        self.enrolled = {}
        self.server_pem = self.authority_server(folder)
        self.edges = [self.listen(), self.listen()]

    def authority_server(self, folder):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "edge")])
        cert = self.authority.build(name, key.public_key(), datetime.timedelta(hours=1)).add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False).sign(
                self.authority.key, hashes.SHA256())
        path = os.path.join(folder, "edge.pem")
        self.authority.write(path, cert.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return path

    def listen(self, port=0):
        platform = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def do_GET(self):
                platform.serve(self)

            do_POST = do_GET

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        server = Server(("127.0.0.1", port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server_pem)
        context.load_verify_locations(self.authority.path)
        context.verify_mode = ssl.CERT_OPTIONAL
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.connections = []
        accept = server.get_request

        def remember():
            connection, address = accept()
            server.connections.append(connection)
            return connection, address
        server.get_request = remember
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    def url(self, number):
        return f"https://127.0.0.1:{self.edges[number].server_address[1]}"

    def kill(self, number):
        """The edge is gone: its port is closed, and so is what was open."""
        edge = self.edges[number]
        edge.shutdown()
        edge.server_close()
        for connection in edge.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
                connection.close()
            except OSError:
                pass

    def revive(self, number):
        self.edges[number] = self.listen(self.edges[number].server_address[1])

    def stop(self):
        for number in (0, 1):
            self.kill(number)

    # ---- one request ----

    def serve(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        certificate = handler.connection.getpeercert(True)
        self.requests.append((handler.path, handler.server.server_address[1], certificate))
        status, data = 200, b""
        try:
            answer = self.routes[handler.path](self, body, certificate, handler)
            bend = self.bends.get(handler.path)
            if bend:
                bent = bend(answer)
                answer = answer if bent is None else bent
            data = answer if isinstance(answer, bytes) else answer.SerializeToString()
        except Refuse as refused:
            status, data = refused.status, refused.body.SerializeToString()
        handler.send_response(status)
        handler.send_header("Content-Type", TYPE)
        handler.send_header("X-Mykey-Time", str(int(time.time() * 1000) + self.clock_ms))
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def who(self, certificate):
        if not certificate:
            raise Refuse("TERMINAL_UNKNOWN", 401)
        return x509.load_der_x509_certificate(certificate)

    def info(self, _body, certificate, _handler):
        subject = self.who(certificate).subject
        return terminal.TerminalInfo(
            terminal_id=subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value, operator=self.operator,
            environment="test", origin=ORIGIN, server_time_ms=int(time.time() * 1000), platform_terms_version="p1",
            platform_terms_ja="共通規約", platform_terms_en="Platform terms")

    def challenge(self, body, certificate, _handler):
        request = terminal.ChallengeRequest.FromString(body)
        holder = self.who(certificate)
        spki = holder.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        digest = hashes.Hash(hashes.SHA256())
        digest.update(spki)
        now = int(time.time() * 1000)
        statement = tap.TapStatement(
            version=1, environment="test", origin=ORIGIN, purpose=request.purpose, audience=request.audience,
            terminal_id=holder.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value,
            terminal_key_sha256=digest.finalize(), request_id=request.request_id, nonce=os.urandom(32),
            issued_at_ms=now, expires_at_ms=now + 15000, assurance=request.assurance)
        if request.HasField("object"):
            statement.object = request.object
        self.open[statement.nonce] = tap.TapStatement.FromString(statement.SerializeToString())
        return terminal.Challenge(statement=statement, gateway="gateway-1")

    def redeem(self, body, certificate, handler):
        self.who(certificate)
        request = terminal.TapRequest.FromString(body)
        assert handler.headers["X-Mykey-Gateway"] == "gateway-1"
        statement = self.open.pop(request.nonce, None)
        if statement is None:
            raise Refuse("CHALLENGE_GONE")
        card = x509.load_der_x509_certificate(request.certificate)
        card.public_key().verify(request.signature, canonical(statement), padding.PKCS1v15(), hashes.SHA256())
        self.taps.append((statement, request))
        reply = terminal.TapReply(purpose=statement.purpose, notices=self.notices)
        if statement.purpose == tap.PURPOSE_RESOLVE:
            if not self.numbers:
                raise Refuse("NOT_LINKED", 404)
            reply.customer_ids.extend(self.numbers)
        if statement.purpose == tap.PURPOSE_LINK:
            reply.customer_ids.append(request.customer_id)
        if statement.purpose in (tap.PURPOSE_CREATE_ID, tap.PURPOSE_SHOW_ID):
            reply.mykey_id = "MY123456"
        if statement.purpose == tap.PURPOSE_CREATE_ID:
            reply.suspend_code = "1234567890123456"
        return reply

    def done(self, _body, certificate, _handler):
        self.who(certificate)
        return terminal.Done()

    def accept(self, csr):
        identifier = os.urandom(16)
        self.enrolled[identifier] = [x509.load_der_x509_csr(csr), self.pending]
        return terminal.EnrolAccepted(enrolment_id=identifier, terminal_id="t-test")

    def enrol(self, body, _certificate, _handler):
        request = terminal.Enrol.FromString(body)
        if request.code != CODE or self.enrolled:
            raise Refuse("INVITE_INVALID", 403)
        return self.accept(request.csr)

    def renew(self, body, certificate, _handler):
        self.who(certificate)
        return self.accept(terminal.Renew.FromString(body).csr)

    def result(self, body, _certificate, _handler):
        entry = self.enrolled[terminal.EnrolResult.FromString(body).enrolment_id]
        entry[1] -= 1
        if entry[1] >= 0:
            raise Refuse("ENROL_PENDING", 202)
        return terminal.Enrolled(certificate=self.issue(entry[0].public_key()), authority=self.authority_der())

    def authority_der(self):
        return self.authority.certificate.public_bytes(serialization.Encoding.DER)

    def issue(self, public_key, start=None, end=None):
        now = datetime.datetime.utcnow()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "t-test"),
                          x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, self.operator.operator_id),
                          x509.NameAttribute(NameOID.ORGANIZATION_NAME, "MyKey terminal")])
        certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(self.authority.name).public_key(public_key)
                       .serial_number(x509.random_serial_number())
                       .not_valid_before(start or now - datetime.timedelta(minutes=1))
                       .not_valid_after(end or now + datetime.timedelta(days=1))
                       .sign(self.authority.key, hashes.SHA256()))
        return certificate.public_bytes(serialization.Encoding.DER)

    def invite(self):
        return f"{CODE}.{self.authority.certificate.fingerprint(hashes.SHA256()).hex()}\n"

    routes = {"/v1/terminal": info, "/v1/challenge": challenge, "/v1/tap": redeem, "/v1/undo-link": done,
              "/v1/suspend": done, "/v1/enrol": enrol, "/v1/enrol/result": result, "/v1/renew": renew}

    def count(self, path):
        return sum(1 for asked, _, _ in self.requests if asked == path)


class Terminal:
    """One counter: platform, station (NONE: no PC/SC daemon), agent, page. `with` leaves nothing behind."""

    def __init__(self, station=None, **settings):
        self.folder = Path(tempfile.mkdtemp(prefix="mk-ag-", dir="/tmp"))
        self.platform, self.station, self.settings = Platform(self.folder), station, settings
        self.profile = self.folder / "profile"
        self.invite = self.folder / "invite"
        self.process = self.page = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.page:
            self.page.close()
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.platform.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def arguments(self, **more):
        values = {"profile": self.profile, "edge_a": self.platform.url(0), "edge_b": self.platform.url(1),
                  "server_ca": self.platform.authority.path, "environment": "test", "origin": ORIGIN,
                  "invite_file": self.invite, "card_timeout_ms": 3000, **self.settings, **more}
        return [AGENT, *(part for name, value in values.items() for part in ("--set", f"agent.{name}={value}"))]

    @property
    def environment(self):
        environment = self.station.environment if self.station else {
            **os.environ, "PCSCLITE_CSOCK_NAME": str(self.folder / "no-pcscd")}
        return {**environment, "https_proxy": "http://127.0.0.1:9", "all_proxy": "http://127.0.0.1:9"}

    def write_invite(self):
        with os.fdopen(os.open(self.invite, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(self.platform.invite())

    def start(self, page=True):
        if not self.invite.exists():
            self.write_invite()
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(self.arguments(), env=self.environment, stdin=subprocess.DEVNULL, stderr=log)
        log.close()
        launch = self.profile / "launch"
        wait_for(lambda: launch.exists() or self.process.poll() is not None, "the launch file", 10)
        assert self.process.poll() is None, self.log()
        self.url = launch.read_text().strip()
        if page:
            self.page = Page(self.url)
        return self

    def stop(self, how=signal.SIGTERM):
        if self.page:
            self.page.close()
        self.process.send_signal(how)
        return self.process.wait(15)

    def log(self):
        return (self.folder / "log").read_text()

    def child(self):
        """The card child's pid."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid), "-f", "card-child"], capture_output=True, text=True)
        return int(found.stdout.split()[0]) if found.stdout else None

    def tap(self, pin="1234"):
        """From a card on the reader to what comes of it."""
        self.page.wait("pin")
        mark = self.page.mark()
        self.page.enter_pin(pin)
        return self.page.wait("number", "done", "not_registered", "error", since=mark)


@contextlib.contextmanager
def free_counter(one):
    """A counter without a card, waiting. At its end the agent lives, has sent its card nothing but what it may, and one
    VERIFY at most for each PIN that a person entered."""
    clear(one)
    one.page.entries = 0
    yield one
    assert one.process.poll() is None, one.log()
    judge_commands(one.station, one.page.entries)
    clear(one)


def clear(one):
    one.station.ask("fault none")
    for slot in (0, 1):
        one.station.ask(f"remove {slot}")
    for card in ("card-1", "card-2"):
        one.station.ask(f"unblock {card}")
    one.platform.bends.clear()
    wait_for(lambda: is_free(one), "a free counter", 20)
    one.station.ask("log clear")


def is_free(one):
    """That the card has gone may be seen after any of these."""
    if one.page.now["state"] != "wait":
        one.page.act("next")
        one.page.act("cancel")
    return one.page.now["state"] == "wait"


def judge_commands(station, entries):
    aid = JPKI[10:].lower()
    allowed = {"select": lambda apdu: apdu["aid"] == aid, "select-ef": lambda apdu: True,
               "read": lambda apdu: apdu["file"] in ("token", "auth-cert"), "tries": lambda apdu: apdu["file"] == "auth-pin",
               "verify": lambda apdu: apdu["file"] == "auth-pin" and apdu["lc"] == 4,
               "sign": lambda apdu: apdu["file"] == "auth-key" and apdu["lc"] == 51}
    apdus = station.apdus()
    for apdu in apdus:
        assert apdu["command"] in allowed and allowed[apdu["command"]](apdu), apdu
    verifies = sum(apdu["command"] == "verify" for apdu in apdus)
    assert verifies <= entries, f"{verifies} VERIFY for {entries} entered"


def commands(station):
    return [apdu["command"] for apdu in station.apdus()]


def pin_of(station, card):
    return json.loads((station.cards / card / "card.json").read_text())["pin"]
