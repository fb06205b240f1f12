# SPDX-License-Identifier: Apache-2.0
"""Agents' connections through two real edges to real gateways: whom they take a terminal for, where a tap goes, what is felt
of a revocation, a restart, a drain. The test speaks for the registry and jpki-verify (gatewaylib)."""

import os
import signal
import ssl
import threading
import time

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from edgelib import Authority, Client, Edge, error_of, fingerprint, in_own_directory
from gatewaylib import LIBRARY, MUNICIPAL, REVOKED, TERMINALS, World, answer_to, wish
from process import http_over_unix, wait_until
from wire import jpki, registry, tap, terminal

GATEWAYS = ("gateway-1", "gateway-2")


class Site:
    def __init__(self, directory):
        self.directory, self.world = directory, World(directory)
        self.authority, self.foreign = Authority(directory), Authority(directory, "foreign")
        self.server = self.authority.cert("server", ExtendedKeyUsageOID.SERVER_AUTH)
        self.gateways = {name: self.world.gateway(name, lame_duck_ms=1500) for name in GATEWAYS}
        self.edges = [self.edge(name).start() for name in ("edge-a", "edge-b")]
        self.library, self.town = self.terminal("library", LIBRARY), self.terminal("town", MUNICIPAL)

    def edge(self, name):
        return Edge(self.directory, name, self.server, self.authority.path,
                    {name: gateway.path for name, gateway in self.gateways.items()}, nobody=False,
                    certificate_rate=100000, source_connection_rate=100000)

    def terminal(self, name, like):
        """The certificate of a terminal that the registry knows."""
        cert = self.authority.cert(name)
        self.say(cert, like)
        return cert

    def say(self, cert, like):
        self.world.registry.terminals[bytes.fromhex(fingerprint(cert))] = TERMINALS[like]

    def client(self, cert, edge=0, **options):
        return Client(self.edges[edge].port, self.authority.path, cert, **options)

    def stop(self):
        for edge in self.edges:
            edge.stop()
        self.world.stop()


@pytest.fixture(scope="module")
def site():
    with in_own_directory(Site) as made:
        yield made


def info(client, *headers):
    return client.call("GET", "/v1/terminal", None, terminal.TerminalInfo, headers)


def challenge(client, like=LIBRARY, purpose=tap.PURPOSE_RESOLVE, **fields):
    name, answer, _ = client.call("POST", "/v1/challenge", wish(like, purpose, **fields), terminal.Challenge)
    return answer if name == "OK" else name


def redeem(client, issued, gateway=None):
    """(code, gateway that answered)"""
    name, _, headers = client.call("POST", "/v1/tap", answer_to(issued), terminal.TapReply,
                                   [f"X-Mykey-Gateway: {gateway or issued.gateway}"])
    return name, headers.get("x-mykey-gateway")


def gateway_of(client):
    return info(client)[2]["x-mykey-gateway"]


# ---- whom they take a terminal for ----

def test_a_terminal_is_who_its_certificate_says(site):
    for cert, terminal_id in ((site.library, "t-library"), (site.town, "t-town")):
        with site.client(cert) as client:
            name, answer, _ = info(client)
            assert (name, answer.terminal_id) == ("OK", terminal_id)


def test_a_certificate_of_our_authority_that_no_terminal_has(site):
    with site.client(site.authority.cert("nobody")) as client:
        assert info(client)[0] == "TERMINAL_UNKNOWN"


def test_no_certificate(site):
    with site.client(None) as client:
        for path in ("/v1/terminal", "/v1/challenge", "/v1/tap", "/v1/undo-link", "/v1/suspend", "/v1/renew"):
            assert client.call("POST", path, b"")[0] == "TERMINAL_UNKNOWN"
        assert client.call("POST", "/v1/enrol/result", terminal.EnrolResult(enrolment_id=b"e" * 16))[0] == "ENROL_PENDING"


def test_a_certificate_of_an_unknown_authority(site):
    cert = site.foreign.cert("library-too")
    site.say(cert, LIBRARY)  # even if the registry knew it
    with pytest.raises((ssl.SSLError, OSError)):
        with site.client(cert) as client:
            info(client)


def test_forged_names_of_others_change_nothing(site):
    town = fingerprint(site.town)
    for headers in ([f"X-Mykey-Client-Sha256: {town}"], [f"x-mykey-client-sha256: {town}", f"X-MYKEY-CLIENT-SHA256: {town}"],
                    [f"X-Mykey-Edge: anything\r\nX-Mykey-Client-Sha256: {town}"]):
        with site.client(site.library) as client:
            assert info(client, *headers)[1].terminal_id == "t-library"
        with site.client(None) as client:
            assert info(client, *headers)[0] == "TERMINAL_UNKNOWN"
            assert client.call("POST", "/v1/enrol/result", terminal.EnrolResult(enrolment_id=b"e" * 16),
                               headers=headers)[0] == "ENROL_PENDING"


# ---- revocation ----

def refused_within(seconds, ask):
    """A request that is sent that long afterwards is refused."""
    began = sent = time.monotonic()
    while (name := ask()) == "OK":
        assert sent - began < seconds, "still answered"
        time.sleep(0.02)
        sent = time.monotonic()
    return name


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_revocation_is_felt_in_two_seconds_on_what_is_open_already(site, version):
    cert = site.terminal(f"soon-revoked-{version.name}", LIBRARY)
    with site.client(cert, version=version) as kept:
        assert info(kept)[0] == "OK"
        issued = challenge(kept)
        with site.client(None, session=kept) as resumed:
            assert info(resumed)[0] == "OK" and resumed.resumed
            site.say(cert, REVOKED)
            assert refused_within(2.0, lambda: info(kept)[0]) == "TERMINAL_REVOKED"
            assert info(resumed)[0] == "TERMINAL_REVOKED"
            assert redeem(kept, issued)[0] == "TERMINAL_REVOKED"
        with site.client(None, session=kept) as resumed:  # and on a session resumed afterwards
            assert info(resumed)[0] == "TERMINAL_REVOKED" and resumed.resumed
    with site.client(cert, edge=1) as fresh:
        assert info(fresh)[0] == "TERMINAL_REVOKED"


# ---- where a tap goes ----

def test_a_tap_finds_the_gateway_that_issued_its_challenge_through_either_edge(site):
    seen = set()
    for n in range(12):
        with site.client(site.library, edge=n % 2) as first, site.client(site.library, edge=(n + 1) % 2) as second:
            issued = challenge(first)
            seen.add(issued.gateway)
            assert redeem(second, issued) == ("OK", issued.gateway)
    assert seen == set(GATEWAYS)


def test_a_tap_at_another_gateway_is_gone_but_not_lost(site):
    with site.client(site.library) as client:
        issued = challenge(client)
        other = GATEWAYS[1 - GATEWAYS.index(issued.gateway)]
        assert redeem(client, issued, other) == ("CHALLENGE_GONE", other)
        assert redeem(client, issued) == ("OK", issued.gateway)
        assert redeem(client, issued)[0] == "CHALLENGE_GONE"


def test_an_unknown_gateway_is_a_typed_answer(site):
    with site.client(site.library) as client:
        for name in ("gateway-9", "-", "gateway-1;gateway-2"):
            assert redeem(client, challenge(client), name)[0] in ("OK", "CHALLENGE_GONE")


def test_another_terminals_challenge(site):
    with site.client(site.library) as library, site.client(site.town) as town:
        issued = challenge(library)
        assert redeem(town, issued)[0] == "CHALLENGE_MISMATCH"
        assert redeem(library, issued)[0] == "CHALLENGE_GONE"


# ---- restarts ----

def test_after_kill_9_the_same_request_goes_on_with_a_new_challenge(site):
    request_id = os.urandom(16)
    with site.client(site.library) as client:
        issued = challenge(client, request_id=request_id)
        dead = site.gateways[issued.gateway]
        dead.process.kill(signal.SIGKILL)
        dead.process.child.wait()
        name, answered_by = redeem(client, issued)
        assert name in ("CHALLENGE_GONE", "UNAVAILABLE") and answered_by != issued.gateway
        again = challenge(client, request_id=request_id)
        assert again.gateway != issued.gateway
        assert redeem(client, again)[0] == "OK"
        dead.start()
        wait_until(lambda: gateway_of(client) == issued.gateway, 5, "the gateway is back at the edge")


class Load(threading.Thread):
    """Taps one after the other as an agent makes them: a new challenge after CHALLENGE_GONE, at once again when told so."""

    def __init__(self, site, cert, like, edge):
        super().__init__(daemon=True)
        self.site, self.cert, self.like, self.edge = site, cert, like, edge
        self.ending, self.done, self.failed, self.longest = threading.Event(), 0, [], 0.0

    def one(self, client):
        name = "?"
        for _ in range(3):
            issued = challenge(client, self.like)
            if isinstance(issued, str):
                name = issued
                time.sleep(0.1)
                continue
            name, _ = redeem(client, issued)
            if name == "OK":
                return name
        return name

    def run(self):
        try:
            with self.site.client(self.cert, edge=self.edge) as client:
                while not self.ending.is_set():
                    began = time.monotonic()
                    name = self.one(client)
                    self.longest = max(self.longest, time.monotonic() - began)
                    self.done += name == "OK"
                    if name != "OK":
                        self.failed.append(name)
        except Exception as fault:  # pylint: disable=broad-except
            self.failed.append(repr(fault))

    def stop(self):
        self.ending.set()
        self.join(20)
        return self


def start_afresh(site):
    """Without the challenges that other tests left open, for which a drain would wait."""
    for gateway in site.gateways.values():
        gateway.process.kill(signal.SIGKILL)
        gateway.process.child.wait()
        gateway.start()
    for n in range(2):
        with site.client(site.town, edge=n) as client:
            wait_until(lambda: {gateway_of(client) for _ in range(4)} == set(GATEWAYS), 5, "both gateways at the edge")


def test_no_tap_fails_while_the_gateways_are_replaced_one_by_one(site):
    start_afresh(site)
    load = [Load(site, site.library, LIBRARY, 0), Load(site, site.town, MUNICIPAL, 1)]
    for thread in load:
        thread.start()
    time.sleep(0.5)
    for gateway in site.gateways.values():
        assert gateway.process.stop(20) == 0
        gateway.start()
        time.sleep(0.7)
    for thread in load:
        thread.stop()
    assert [thread.failed for thread in load] == [[], []]
    assert all(thread.done > 20 for thread in load)


def test_a_draining_gateway_still_redeems_through_the_edge(site):
    slow = threading.Event()
    with site.client(site.library) as client, site.client(site.town, edge=1) as other:
        issued = challenge(client)
        draining = site.gateways[issued.gateway]
        draining.process.kill(signal.SIGTERM)
        wait_until(lambda: http_over_unix(draining.path, "/health")[0] == 404, 5, "draining")
        wait_until(lambda: all(gateway_of(other) != issued.gateway for _ in range(8)), 5, "no new requests")
        rule = lambda header, body: (slow.wait(0.5), jpki.VerifyReply(ticket=b"a ticket"))[1]  # noqa: E731
        with site.world.jpki.rule(Verify=rule):
            assert redeem(client, issued) == ("OK", issued.gateway)
    assert draining.process.child.wait(10) == 0
    draining.start()


# ---- and when those behind are gone ----

def test_what_an_agent_is_told_when_nobody_answers(site):
    site.world.workers["registry"].stop()
    try:
        with site.client(site.terminal("newcomer", LIBRARY)) as client:
            assert info(client)[0] == "UNAVAILABLE"
    finally:
        site.world.workers["registry"].start()
    with site.client(site.library) as client:
        wait_until(lambda: info(client)[0] == "OK", 5, "the registry is back")
    site.world.workers["jpki"].stop()
    try:
        with site.client(site.library) as client:
            assert redeem(client, challenge(client))[0] == "NO_WORKERS"
    finally:
        site.world.workers["jpki"].start()


def test_staff_acts_and_sizes_through_the_edge(site):
    with site.client(site.town) as client:
        assert client.call("POST", "/v1/suspend", terminal.Suspend(suspend_code="1" * 16))[0] == "OK"
        assert client.call("POST", "/v1/undo-link", terminal.UndoLink(customer_id="086", reason="other"))[0] == "OK"
        request = registry.UndoLinkRequest.FromString(site.world.registry.of("UndoLink")[-1][1])
        assert (request.terminal_id, request.operator_id) == ("t-town", "M131164")
        assert client.call("POST", "/v1/challenge", os.urandom(65536))[0] == "BAD_REQUEST"
        assert error_of(*client.request("POST", "/v1/challenge", b"x", length=65537)).name == "TOO_LARGE"
