# SPDX-License-Identifier: Apache-2.0
"""Certificates, a real edge in front of an observer that shows what arrives, and a client that can send anything."""

import contextlib
import datetime
import http.client
import http.server
import itertools
import json
import os
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [f"{ROOT}/tests/lib", f"{ROOT}/tools/dev"]

from process import Process, wait_until  # noqa: E402
from wire import NAMES, terminal  # noqa: E402

TYPE = "application/x-protobuf"
SECRET = "test-secret-0123456789-0123456789-0123456789"
NOBODY = 65534
HOUR = datetime.timedelta(hours=1)


def write_secret(path, data):
    """Readable by the edge's user alone."""
    with os.fdopen(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as file:
        file.write(data)
        if os.geteuid() == 0:
            os.fchown(file.fileno(), NOBODY, NOBODY)
    os.replace(path + ".new", path)


class Authority:
    """A self-made certificate authority; cert() writes NAME.pem (chain and key)."""

    def __init__(self, directory, name="authority"):
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self.build(self.name, self.key.public_key(), HOUR).add_extension(
            x509.BasicConstraints(True, 0), True).sign(self.key, hashes.SHA256())
        self.path = os.path.join(directory, f"{name}.ca.pem")
        self.write(self.path, self.certificate.public_bytes(serialization.Encoding.PEM))

    @staticmethod
    def write(path, data):
        with open(path, "wb") as file:
            file.write(data)

    def build(self, subject, public_key, life):
        start = datetime.datetime.utcnow() - 2 * HOUR
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public_key)
                .serial_number(x509.random_serial_number()).not_valid_before(start)
                .not_valid_after(datetime.datetime.utcnow() + life))

    def cert(self, name, usage=ExtendedKeyUsageOID.CLIENT_AUTH, life=HOUR, host="localhost"):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (self.build(subject, key.public_key(), life)
                       .add_extension(x509.ExtendedKeyUsage([usage]), False)
                       .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False)
                       .sign(self.key, hashes.SHA256()))
        path = os.path.join(self.directory, f"{name}.pem")
        write_secret(path, certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return path


def fingerprint(path):
    with open(path, "rb") as file:
        return x509.load_pem_x509_certificate(file.read()).fingerprint(hashes.SHA256()).hex()


class Observer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Stands where a gateway stands: answers with the request that it saw, as JSON; /health with self.health. mute: it takes
    requests and goes without an answer."""

    daemon_threads = True

    def __init__(self, name, path):
        self.name, self.path, self.health, self.seen, self.mute = name, path, 200, [], False
        super().__init__(path, ObserverHandler)
        os.chmod(path, 0o666)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()
        os.unlink(self.path)


class ObserverHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    connections = itertools.count()

    def setup(self):
        self.connection_number = next(self.connections)
        super().setup()

    def answer(self):
        if self.path == "/health":
            self.send_response(self.server.health)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen = {"gateway": self.server.name, "path": self.path, "headers": [[k.lower(), v] for k, v in self.headers.items()],
                "size": len(body), "connection": self.connection_number}
        self.server.seen.append(seen)
        if self.server.mute:
            self.close_connection = True
            return
        data = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = answer

    def address_string(self):
        return "edge"

    def log_message(self, *args):
        pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def nobody_command(command):
    """As a user without rights, where the tests run as root."""
    as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return [*(as_nobody if os.geteuid() == 0 else ()), *command]


class Edge:
    """haproxy with the rendered template; nobody: as a user without rights, where the tests run as root; more: arguments."""

    def __init__(self, directory, name, cert, authority, gateways, nobody=True, **limits):
        self.directory, self.name, self.nobody = directory, name, nobody and os.geteuid() == 0
        self.port, self.conf = free_port(), os.path.join(directory, f"{name}.cfg")
        self.ops = os.path.join(directory, f"{name}.ops")
        more = limits.pop("more", ())
        secret_map = os.path.join(directory, "edge.map")
        write_secret(secret_map, f"edge {SECRET}\n".encode())
        command = ["/usr/bin/python3", f"{ROOT}/deploy/haproxy/render.py", "edge", "--out", self.conf, "--listen",
                   f"127.0.0.1:{self.port}", "--cert", cert, "--terminal-ca", authority, "--secret-map", secret_map,
                   "--stats", os.path.join(directory, f"{name}.stats"), "--ops", f"unix:{self.ops}", *more]
        for gateway, path in gateways.items():
            command += ["--gateway", f"{gateway}={path}"]
        for limit, value in limits.items():
            command += [f"--{limit.replace('_', '-')}", str(value)]
        subprocess.run(command, check=True)
        self.process = None

    def start(self):
        command = ["/usr/sbin/haproxy", "-db", "-f", self.conf]
        if self.nobody:
            command = nobody_command(command)
        self.process = Process(self.name, command, os.path.join(self.directory, f"{self.name}.log")).start()
        wait_until(self.listens, 10, f"{self.name} listening")
        return self

    def listens(self):
        if not self.process.alive():
            raise RuntimeError(f"haproxy ended:\n{self.process.tail(20)}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.process:
            self.process.stop(10)


class Client:
    """A TLS connection to an edge that is kept open; the session can be resumed on another."""

    def __init__(self, port, authority, cert=None, session=None, version=None):
        self.context = session.context if session else ssl.create_default_context(cafile=authority)
        if not session:
            if cert:
                self.context.load_cert_chain(cert)
            if version:
                self.context.minimum_version = self.context.maximum_version = version
        raw = socket.create_connection(("127.0.0.1", port), timeout=20)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = self.context.wrap_socket(raw, server_hostname="localhost",
                                               session=session.socket.session if session else None)

    @property
    def resumed(self):
        return self.socket.session_reused

    def send(self, data):
        self.socket.sendall(data)

    def read(self, method="POST"):
        """(status, headers, body) of the next answer."""
        reply = http.client.HTTPResponse(self.socket, method=method)
        reply.begin()
        return reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read()

    def request(self, method, path, body=b"", headers=(), length=None):
        """length: what is announced, if not the body's."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Type: {TYPE}", *headers]
        if method == "POST":
            lines.append(f"Content-Length: {len(body) if length is None else length}")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self.read(method)

    def call(self, method, path, message=None, answer=None, headers=()):
        """(code's name, the answer's message or the ErrorBody, headers)"""
        body = message if isinstance(message, bytes) else message.SerializeToString() if message else b""
        status, got, data = self.request(method, path, body, headers)
        if status == 200:
            return "OK", answer.FromString(data) if answer else data, got
        error = error_of(status, got, data)
        return error.name, error, got

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def error_of(status, headers, data):
    """The ErrorBody of an answer, whose parts must agree with the error table."""
    assert headers["content-type"] == TYPE, (status, headers, data[:200])
    error = terminal.ErrorBody.FromString(data)
    assert NAMES[error.code] == error.name
    assert error.message_en and error.message_ja
    assert ("retry-after" in headers) == error.HasField("retry_after_ms")
    for name in ("date", "x-mykey-time", "x-mykey-trace"):
        assert name in headers, f"{error.name} without {name}"
    assert len(headers["x-mykey-trace"]) == 32
    return error


def make_directory():
    """Short, because unix sockets' paths are; open to the edge's user."""
    directory = tempfile.mkdtemp(prefix="mkedge-", dir="/tmp")
    os.chmod(directory, 0o777)
    return directory


def remove_directory(directory):
    shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def in_own_directory(make, mode=0o700):
    """make(directory), stopped at the end; the directory goes with it."""
    directory = make_directory()
    os.chmod(directory, mode)
    try:
        made = make(directory)
        yield made
        made.stop()
    finally:
        remove_directory(directory)
