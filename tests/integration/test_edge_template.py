# SPDX-License-Identifier: Apache-2.0
"""The edge alone (deploy/haproxy): what it lets through, what it says itself, what a gateway behind it gets to see."""

import contextlib
import json
import socket
import ssl
import time

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from edgelib import HOUR, SECRET, Authority, Client, Edge, Observer, error_of, fingerprint, in_own_directory
from process import http_over_unix, wait_until


class World:
    def __init__(self, directory):
        self.directory = directory
        self.authority, self.foreign = Authority(directory), Authority(directory, "foreign")
        self.server = self.authority.cert("server", ExtendedKeyUsageOID.SERVER_AUTH)
        self.good = self.authority.cert("good")
        self.gateways = {name: Observer(name, f"{directory}/{name}.http") for name in ("gateway-1", "gateway-2")}
        self.edge = self.make_edge("edge-a", certificate_rate=100000, enrol_rate=100000).start()

    def make_edge(self, name, **limits):
        return Edge(self.directory, name, self.server, self.authority.path,
                    {gateway.name: gateway.path for gateway in self.gateways.values()}, **limits)

    def client(self, cert="good", edge=None, **options):
        path = self.good if cert == "good" else cert
        return Client((edge or self.edge).port, self.authority.path, path, **options)

    def stop(self):
        self.edge.stop()
        for gateway in self.gateways.values():
            gateway.stop()


@pytest.fixture(scope="module")
def world():
    with in_own_directory(World, 0o777) as made:  # the edge's user goes there
        yield made


@pytest.fixture(scope="module")
def idle(world):
    """A connection that was used once, long before the last test."""
    with world.client() as client:
        seen(client.request("GET", "/v1/terminal"))
        yield client, time.monotonic()


def seen(answer):
    status, _, body = answer
    assert status == 200, answer
    return json.loads(body)


def ours(request):
    """What arrived under our names."""
    return {name: [v for k, v in request["headers"] if k == name] for name, _ in request["headers"]
            if name.startswith("x-mykey-")}


def test_a_terminal_is_named_by_its_certificates_hash(world, idle):
    assert idle
    with world.client() as client:
        assert ours(seen(client.request("GET", "/v1/terminal"))) == {
            "x-mykey-edge": [SECRET], "x-mykey-client-sha256": [fingerprint(world.good)]}


def test_no_connection_behind_the_edge_is_shared(world):
    used = []
    with world.client() as one, world.client() as other:
        for _ in range(3):
            used.append([seen(client.request("POST", "/v1/tap", b"x", headers=["X-Mykey-Gateway: gateway-1"]))["connection"]
                         for client in (one, other)])
    ones, others = (set(column) for column in zip(*used))
    assert not ones & others


FORGERIES = ["X-Mykey-Edge: {secret}", "x-mykey-edge: x", "X-MYKEY-EDGE: x", "X-Mykey-Client-Sha256: {other}",
             "x-mykey-client-sha256: {other}", "X-Mykey-Client-SHA256: {other}\r\nX-Mykey-Client-Sha256: {other}",
             "X-Mykey-: x", "X-Mykey-Anything: x", "X-Mykey-Gateway: gateway-2", "X-Mykey-Trace: {other}"]


@pytest.mark.parametrize("forgery", FORGERIES)
@pytest.mark.parametrize("path", ["/v1/terminal", "/v1/enrol"])
def test_nothing_forged_passes(world, path, forgery):
    header = forgery.format(secret=SECRET, other="0" * 64)
    with world.client() as client:
        assert ours(seen(client.request("POST", path, b"x", [header]))) == {
            "x-mykey-edge": [SECRET], "x-mykey-client-sha256": [fingerprint(world.good)]}


def test_a_forged_hash_does_not_stand_in_for_a_certificate(world):
    with world.client(cert=None) as client:
        got = ours(seen(client.request("POST", "/v1/enrol", b"x", ["X-Mykey-Client-Sha256: " + fingerprint(world.good)])))
        assert got == {"x-mykey-edge": [SECRET]}


@pytest.mark.parametrize("path", ["/v1/enrol", "/v1/enrol/result"])
def test_enrolment_needs_no_certificate(world, path):
    with world.client(cert=None) as client:
        assert seen(client.request("POST", path, b"x"))["path"] == path


@pytest.mark.parametrize("path", ["/v1/terminal", "/v1/tap", "/v1/challenge", "/v1/renew", "/v1/enrol/", "/v1/enrol/x",
                                  "/v1//enrol", "/v1/enrol/../tap", "/v1/%65nrol", "/v1/enrol%2f..%2ftap", "/v1/Enrol"])
def test_everything_else_needs_one(world, path):
    before = sum(len(gateway.seen) for gateway in world.gateways.values())
    with world.client(cert=None) as client:
        name, _, _ = client.call("POST", path, b"x")
        assert name == "TERMINAL_UNKNOWN"
    assert sum(len(gateway.seen) for gateway in world.gateways.values()) == before


@pytest.mark.parametrize("path", ["/", "/health", "/metrics", "/v2/terminal", "/V1/terminal", "*"])
def test_only_the_api_is_served(world, path):
    with world.client() as client:
        assert client.call("GET", path)[0] == "NOT_FOUND"


def refused_handshake(world, cert):
    """TLS 1.3 tells the client only at its first read."""
    with pytest.raises((ssl.SSLError, ConnectionError, OSError)):
        with world.client(cert=cert) as client:
            client.request("POST", "/v1/enrol", b"x")
    return True


def test_certificates_of_others_are_refused(world):
    assert refused_handshake(world, world.foreign.cert("stranger"))
    assert refused_handshake(world, world.authority.cert("past", life=-HOUR))
    assert refused_handshake(world, world.authority.cert("server-like", ExtendedKeyUsageOID.SERVER_AUTH))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_resumed_session_is_named_too(world, version):
    with world.client(version=version) as first:
        seen(first.request("GET", "/v1/terminal"))
        with world.client(session=first) as second:
            got = ours(seen(second.request("GET", "/v1/terminal")))
            assert second.resumed
            assert got["x-mykey-client-sha256"] == [fingerprint(world.good)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_is_refused(world):
    with pytest.raises((ssl.SSLError, OSError)):
        world.client(version=ssl.TLSVersion.TLSv1_1).close()


def test_large_bodies_stop_here(world):
    with world.client() as client:
        assert seen(client.request("POST", "/v1/tap", b"x" * 65536))["size"] == 65536
        status, headers, data = client.request("POST", "/v1/tap", b"x", length=65537)
        assert (status, error_of(status, headers, data).name) == (413, "TOO_LARGE")


def test_chunks_of_unknown_length_are_refused(world):
    with world.client() as client:
        client.send(b"POST /v1/tap HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        assert error_of(*client.read()).name == "BAD_REQUEST"


@pytest.mark.parametrize("garbage", [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"POST /v1/tap HTTP/1.1\r\nHost: x\r\n"
                                     b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
                                     b"GET /v1/terminal HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 20000 + b"\r\n\r\n",
                                     b"GET /v1/terminal HTTP/1.1\r\nHost: x\r\nX-Mykey-Edge : y\r\n\r\n"])
def test_what_is_not_http_is_refused(world, garbage):
    """By HAProxy's parser, before there is a request that could have a typed answer."""
    before = sum(len(gateway.seen) for gateway in world.gateways.values())
    with world.client() as client:
        client.send(garbage)
        status, headers, _ = client.read()
        assert (status, headers["connection"]) == (400, "close")
    assert sum(len(gateway.seen) for gateway in world.gateways.values()) == before
    with world.client() as client:
        seen(client.request("GET", "/v1/terminal"))


def test_a_tap_goes_to_the_gateway_that_it_names(world):
    with world.client() as client:
        for name in ["gateway-1", "gateway-2"] * 3:
            assert seen(client.request("POST", "/v1/tap", b"x", [f"X-Mykey-Gateway: {name}"]))["gateway"] == name


@pytest.mark.parametrize("name", ["gateway-9", "", "gateway-1 ", "%[env(PATH)]", "a" * 200, "gateway-1, gateway-2", "../x"])
def test_an_unknown_name_is_any_gateway(world, name):
    with world.client() as client:
        assert seen(client.request("POST", "/v1/tap", b"x", [f"X-Mykey-Gateway: {name}"]))["path"] == "/v1/tap"


def test_a_draining_gateway_gets_its_taps_and_nothing_else(world):
    draining = world.gateways["gateway-2"]
    draining.health = 404
    try:
        with world.client() as client:
            wait_until(lambda: all(seen(client.request("GET", "/v1/terminal"))["gateway"] == "gateway-1" for _ in range(6)),
                       5, "gateway-2 draining")
            assert seen(client.request("POST", "/v1/tap", b"x", ["X-Mykey-Gateway: gateway-2"]))["gateway"] == "gateway-2"
    finally:
        draining.health = 200
    with world.client() as client:
        wait_until(lambda: any(seen(client.request("GET", "/v1/terminal"))["gateway"] == "gateway-2" for _ in range(6)),
                   5, "gateway-2 back")


@contextlib.contextmanager
def mute(world):
    """Gateways that take a request and are gone before they answer."""
    for gateway in world.gateways.values():
        gateway.mute = True
    before = sum(len(gateway.seen) for gateway in world.gateways.values())
    try:
        yield lambda: sum(len(gateway.seen) for gateway in world.gateways.values()) - before
    finally:
        for gateway in world.gateways.values():
            gateway.mute = False


@pytest.mark.parametrize("path", ["/v1/tap", "/v1/challenge", "/v1/enrol"])
def test_what_may_come_twice_is_tried_again(world, path):
    with mute(world) as count, world.client() as client:
        status, headers, data = client.request("POST", path, b"x")
        assert (status, error_of(status, headers, data).name, count()) == (502, "UNAVAILABLE", 3)


@pytest.mark.parametrize("path", ["/v1/undo-link", "/v1/suspend", "/v1/renew"])
def test_what_may_not_is_sent_once(world, path):
    with mute(world) as count, world.client() as client:
        status, headers, data = client.request("POST", path, b"x")
        assert (status, error_of(status, headers, data).name, count()) == (502, "UNAVAILABLE", 1)


def test_a_slow_client_is_told_and_let_go(world):
    with world.client() as client:
        began = time.monotonic()
        client.send(b"POST /v1/tap HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf of it")
        status, headers, data = client.read()
        assert (status, error_of(status, headers, data).name) == (408, "BAD_REQUEST")
        assert time.monotonic() - began < 10


def test_answers_of_the_edge_have_what_every_answer_has(world):
    with world.client(cert=None) as client:
        first, second = (client.request("GET", "/v1/terminal")[1] for _ in range(2))
    assert first["x-mykey-trace"] != second["x-mykey-trace"]
    assert abs(int(second["x-mykey-time"]) - time.time() * 1000) < 2000
    assert first["cache-control"] == "no-store" and "GMT" in first["date"] and "strict-transport-security" in first


def test_answers_say_nothing_of_the_secret(world):
    with world.client(cert=None) as client:
        answer = client.request("GET", "/v1/terminal")
        assert SECRET not in repr(answer)
    with open(world.edge.process.log, encoding="utf-8") as log:
        text = log.read()
    assert SECRET not in text and fingerprint(world.good) not in text and "/v1/" not in text


def test_the_ops_port(world):
    assert http_over_unix(world.edge.ops, "/livez")[0] == 200
    assert http_over_unix(world.edge.ops, "/readyz")[0] == 200
    assert "haproxy_frontend_http_requests_total" in http_over_unix(world.edge.ops, "/metrics")[1]
    assert http_over_unix(world.edge.ops, "/other")[0] == 404


@contextlib.contextmanager
def edge_with(world, **limits):
    edge = world.make_edge("edge-" + next(iter(limits)).replace("_", "-"), **limits).start()
    try:
        yield edge
    finally:
        edge.stop()


def test_one_terminal_cannot_take_the_others_share(world):
    with edge_with(world, certificate_rate=10) as edge:
        with world.client(edge=edge) as client:
            names = [client.call("GET", "/v1/terminal")[0] for _ in range(12)]
            assert names == ["OK"] * 10 + ["BUSY"] * 2
        other = world.authority.cert("other")
        with world.client(edge=edge, cert=other) as client:
            assert client.call("GET", "/v1/terminal")[0] == "OK"


def test_enrolment_is_slow_going(world):
    with edge_with(world, enrol_rate=3) as edge:
        with world.client(edge=edge, cert=None) as client:
            assert [client.call("POST", "/v1/enrol", b"x")[0] for _ in range(5)] == ["OK"] * 3 + ["BUSY"] * 2
        with world.client(edge=edge) as client:
            assert client.call("GET", "/v1/terminal")[0] == "OK"


def test_one_address_has_so_many_connections(world):
    with edge_with(world, source_connections=5) as edge:
        held = [world.client(edge=edge) for _ in range(5)]
        with pytest.raises((ssl.SSLError, ConnectionError, OSError)):
            world.client(edge=edge).close()
        for client in held:
            client.close()
        wait_until(lambda: can_connect(world, edge), 5, "room again")


def can_connect(world, edge):
    try:
        world.client(edge=edge).close()
        return True
    except (ssl.SSLError, OSError):
        return False


def test_no_gateway_is_a_typed_answer(world):
    edge = Edge(world.directory, "edge-alone", world.server, world.authority.path,
                {"gateway-9": f"{world.directory}/nobody.http"}).start()
    try:
        with world.client(edge=edge) as client:
            status, headers, data = client.request("GET", "/v1/terminal")
            assert (status, error_of(status, headers, data).name) == (503, "UNAVAILABLE")
        wait_until(lambda: http_over_unix(edge.ops, "/readyz")[0] == 503, 5, "not ready")
    finally:
        edge.stop()


def test_an_idle_connection_is_kept(world, idle):
    """Longer than anything but a connection between two requests may last: the next tap needs no handshake."""
    client, used = idle
    time.sleep(max(0, 17 - (time.monotonic() - used)))
    assert seen(client.request("GET", "/v1/terminal"))["path"] == "/v1/terminal"


def test_plain_http_is_refused(world):
    with socket.create_connection(("127.0.0.1", world.edge.port), timeout=5) as plain:
        plain.sendall(b"GET /v1/terminal HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            assert plain.recv(100) == b""
        except ConnectionResetError:
            pass
