# SPDX-License-Identifier: Apache-2.0
"""An edge that reaches a gateway over TLS (deploy/haproxy, inner.cfg.in): who gets in, and who is told why not. Taps, drain and
a killed gateway over the same way: test_edge_platform.py, edge-b."""

import contextlib
import json
import os
import re
import socket
import ssl
import subprocess

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from edgelib import HOUR, ROOT, Authority, Client, Edge, Observer, free_port, in_own_directory, nobody_command
from process import Process, http_over_unix, wait_until

RENDER = ["/usr/bin/python3", f"{ROOT}/deploy/haproxy/render.py"]


class World:
    def __init__(self, directory):
        self.directory = directory
        self.terminals, self.inner = Authority(directory, "terminals"), Authority(directory, "inner")
        self.server = self.terminals.cert("server", ExtendedKeyUsageOID.SERVER_AUTH)
        self.terminal = self.terminals.cert("terminal")
        self.edge_cert = self.inner.cert("edge")
        self.gateway_cert = self.inner.cert("gateway-1", ExtendedKeyUsageOID.SERVER_AUTH, host="gateway-1")
        self.gateway = Observer("gateway-1", f"{directory}/gateway-1.http")
        self.made = 0

    def stop(self):
        self.gateway.stop()

    @contextlib.contextmanager
    def inner_with(self, cert=None):
        """The TLS side of the gateway, with this certificate: (process, its port)."""
        self.made += 1
        name, port = f"inner-{self.made}", free_port()
        ops = f"{self.directory}/{name}.ops"
        subprocess.run([*RENDER, "inner", "--out", f"{self.directory}/{name}.cfg", "--edge-ca", self.inner.path, "--ops", f"unix:{ops}",
                        "--gateway", f"gateway-1=127.0.0.1:{port},{cert or self.gateway_cert},{self.gateway.path}"], check=True)
        process = Process(name, nobody_command(["/usr/sbin/haproxy", "-db", "-f", f"{self.directory}/{name}.cfg"]),
                          f"{self.directory}/{name}.log", ops).start().wait_ready()
        try:
            yield process, port
        finally:
            process.stop(10)

    @contextlib.contextmanager
    def edge_with(self, port, cert=None, authority=None):
        self.made += 1
        edge = Edge(self.directory, f"edge-{self.made}", self.server, self.terminals.path, {"gateway-1": f"127.0.0.1:{port}"},
                    more=["--gateway-cert", cert or self.edge_cert, "--gateway-ca", authority or self.inner.path])
        try:
            yield edge.start()
        finally:
            edge.stop()

    def ask(self, edge):
        """(status, what the gateway saw) of one request of a terminal."""
        with Client(edge.port, self.terminals.path, self.terminal) as client:
            status, _, data = client.request("GET", "/v1/terminal")
            return status, json.loads(data) if status == 200 else data


@pytest.fixture(scope="module")
def world():
    with in_own_directory(World, 0o777) as made:  # HAProxy's user goes there
        yield made


@pytest.fixture(scope="module")
def inner(world):
    with world.inner_with() as made:
        yield made


def log_of(process):
    with open(process.log, encoding="utf-8") as log:
        return log.read()


def test_an_edge_gets_in(world, inner):
    with world.edge_with(inner[1]) as edge:
        status, seen = world.ask(edge)
        assert (status, seen["gateway"]) == (200, "gateway-1")
        assert http_over_unix(edge.ops, "/readyz")[0] == 200  # its checks pass, too


def test_health_is_the_gateways_own(world, inner):
    with world.edge_with(inner[1]) as edge:
        world.gateway.health = 503
        try:
            wait_until(lambda: http_over_unix(edge.ops, "/readyz")[0] == 503, 5, "the gateway is not ready")
        finally:
            world.gateway.health = 200
        wait_until(lambda: world.ask(edge)[0] == 200, 5, "the gateway is back")


def refuse_edge(world, inner, cert, why):
    """An edge with this certificate: no request of its gets through, its checks fail, and the gateway's side says why."""
    process, port = inner
    before, seen = len(log_of(process)), len(world.gateway.seen)
    with world.edge_with(port, cert=cert) as edge:
        wait_until(lambda: http_over_unix(edge.ops, "/readyz")[0] == 503, 5, "the edge has no gateway")
        assert world.ask(edge)[0] == 503 and len(world.gateway.seen) == seen
        assert "gateways/gateway-1 is DOWN" in log_of(edge.process)
    lines = [json.loads(line) for line in log_of(process)[before:].splitlines() if "connection_refused" in line]
    assert lines and all(why.items() <= line.items() for line in lines), lines


def test_certificates_that_are_no_edges_are_refused(world, inner):
    other = Authority(world.directory, "other")
    refuse_edge(world, inner, world.terminal, {"gateway": "gateway-1", "x509": 20})
    refuse_edge(world, inner, other.cert("other-edge"), {"x509": 20})
    refuse_edge(world, inner, world.inner.cert("past-edge", life=-HOUR), {"x509": 10})
    refuse_edge(world, inner, world.gateway_cert, {"x509": 26})


def speak(port, context):
    with pytest.raises(OSError):
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=5)) as peer:
            peer.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            if not peer.recv(100):
                raise ConnectionError("closed without an answer")


def anyone(version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    return context


def test_without_a_certificate_nothing_is_answered(world, inner):
    process, port = inner
    speak(port, anyone(ssl.TLSVersion.TLSv1_3))
    wait_until(lambda: "peer did not return a certificate" in log_of(process), 5, "it says why")


def test_old_tls_is_refused(world, inner):
    context = anyone(ssl.TLSVersion.TLSv1_2)
    context.load_cert_chain(world.edge_cert)
    speak(inner[1], context)


def test_plain_http_is_refused(inner):
    assert http_plain(inner[1]) == b""


def http_plain(port):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            return plain.recv(100)
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize("name, reason", [("elsewhere", "different from the configured one"), ("past", "handshake failure"),
                                          ("foreign", "handshake failure"), ("client-only", "handshake failure")])
def test_gateways_that_are_not_the_one_meant_are_refused(world, name, reason):
    server = ExtendedKeyUsageOID.SERVER_AUTH
    cert = {"elsewhere": lambda: world.inner.cert("elsewhere", server, host="gateway-2"),
            "past": lambda: world.inner.cert("past", server, -HOUR, "gateway-1"),
            "foreign": lambda: world.terminals.cert("foreign", server, host="gateway-1"),
            "client-only": lambda: world.inner.cert("client-only", host="gateway-1")}[name]()
    with world.inner_with(cert) as (_, port), world.edge_with(port) as edge:
        wait_until(lambda: http_over_unix(edge.ops, "/readyz")[0] == 503, 5, "the edge has no gateway")
        assert world.ask(edge)[0] == 503
        down = re.search("gateways/gateway-1 is DOWN, reason: Layer6 invalid response, info: \"([^\"]*)\"", log_of(edge.process))
        assert down and reason in down[1], log_of(edge.process)


def test_a_gateway_that_is_gone_is_not_ready(world):
    with world.inner_with() as (process, _):
        world.gateway.stop()
        try:
            wait_until(lambda: http_over_unix(process.ops, "/readyz")[0] == 503, 5, "it says so")
        finally:
            world.gateway = Observer("gateway-1", world.gateway.path)
        wait_until(lambda: http_over_unix(process.ops, "/readyz")[0] == 200, 5, "it is back")


# ---- what is refused before anything starts ----

def rendered(*arguments):
    return subprocess.run([*RENDER, *arguments], capture_output=True, text=True, check=False)


def edge_arguments(world, *more):
    secret = os.path.join(world.directory, "edge.map")
    return ("edge", "--out", f"{world.directory}/none.cfg", "--listen", ":8443", "--cert", world.server, "--terminal-ca",
            world.terminals.path, "--secret-map", secret, *more)


def test_no_plain_way_to_another_host(world):
    for more in ([], ["--gateway-ca", world.inner.path], ["--gateway-cert", world.edge_cert]):
        done = rendered(*edge_arguments(world, "--gateway", "gateway-1=10.0.0.5:8543", *more))
        assert done.returncode == 2 and "gateway-1 at 10.0.0.5:8543 is reached over TLS only" in done.stderr
    assert not os.path.exists(f"{world.directory}/none.cfg")


def test_keys_that_others_can_read_are_refused(world):
    loose = world.inner.cert("loose")
    os.chmod(loose, 0o440)
    way = ("--gateway", "gateway-1=gateway.example:8543", "--gateway-ca", world.inner.path, "--gateway-cert", loose)
    inner = ("inner", "--out", f"{world.directory}/none.cfg", "--edge-ca", world.inner.path, "--gateway",
             f"gateway-1=:8543,{loose},/run/gateway-1.http")
    for arguments in (edge_arguments(world, *way), inner):
        done = rendered(*arguments)
        assert done.returncode == 2 and f"{loose}: holds a key" in done.stderr and "chmod 0400" in done.stderr
