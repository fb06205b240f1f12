# SPDX-License-Identifier: Apache-2.0
"""The whole server side on real parts (tools/dev/stack.py: brokers, PostgreSQL, registry, jpki-verify, two gateways, two
edges: edge-a reaches the gateways through unix sockets, edge-b over TLS), and terminals that enrol, sign with test cards and
misbehave."""

import contextlib
import os
import shutil
import signal
import ssl
import threading
import time

import pytest
from edgelib import Client  # first: it finds what is imported below
from cpu import descendants  # noqa: I001
from layout import Layout
from operators import PLATFORM_TERMS_VERSION
from process import wait_until
from seed import seed
from soft_terminal import Card, Refused, SoftTerminal
from stack import EDGES, Stack
from wire import object_link, object_terms, registry, tap, terminal

TOWN = "M131164"
OPEN = {"gateway": {"terminal_rate": 100000, "terminal_burst": 100000}}
GATEWAYS = ("gateway-1", "gateway-2")


class Platform:
    def __init__(self):
        self.layout = Layout(f"test-edge-{os.getpid()}")
        self.stack = Stack(self.layout, gateways=2, settings={name: OPEN for name in GATEWAYS},
                           edge_limits=["--certificate-rate", "100000"], over_tls=("edge-b",))
        self.made = 0

    def start(self):
        self.stack.start()
        seed(self.stack)
        self.library, self.town, self.other = (self.terminal(operator) for operator in ("A1", TOWN, "B1"))
        return self

    def stop(self):
        faults = self.stack.stop()
        for path in (self.layout.data, self.layout.run):
            shutil.rmtree(path, ignore_errors=True)
        return faults

    def invite(self, operator_id):
        return self.stack.ctl("terminal", "invite", operator_id, "--authority", self.authority).strip()

    @property
    def authority(self):
        return f"{self.stack.authority}/authority.pem"

    def unenrolled(self, edge="edge-a"):
        self.made += 1
        folder = self.layout.in_data("terminals", f"soft-{self.made}")
        os.makedirs(folder)
        return SoftTerminal("127.0.0.1", self.stack.ports[edge], self.authority, folder)

    def terminal(self, operator_id, edge="edge-a"):
        made = self.unenrolled(edge)
        made.terminal_id = made.enrol(self.invite(operator_id))
        return made

    def through(self, edge, like):
        """The same terminal at another edge."""
        made = SoftTerminal("127.0.0.1", self.stack.ports[edge], self.authority, like.directory)
        made.terminal_id = like.terminal_id
        return made

    def card(self, name):
        return Card(self.layout.in_data("ca", "cards", name))

    def raw(self, like, edge="edge-a", **options):
        """A connection on which anything can be sent."""
        pem = like.path("both.pem")
        if not os.path.exists(pem):
            with open(pem, "wb") as out:
                for name in ("terminal.pem", "terminal.key"):
                    with open(like.path(name), "rb") as part:
                        out.write(part.read())
        return Client(self.stack.ports[edge], self.authority, pem, **options)

    @contextlib.contextmanager
    def stopped(self, name):
        process = self.stack.processes[name]
        process.kill(signal.SIGSTOP)
        try:
            yield
        finally:
            process.kill(signal.SIGCONT)


@pytest.fixture(scope="module")
def platform():
    made = Platform()
    try:
        yield made.start()
    finally:
        faults = made.stop()
    assert faults == []


def refusal(call, *arguments, **named):
    """The code's name; the call must be refused."""
    with pytest.raises(Refused) as caught:
        call(*arguments, **named)
    return caught.value.code


# ---- the story ----

def test_every_server_gives_way_when_it_is_woken(platform):
    servers = [process.pid for name, process in platform.stack.processes.items() if name != "terminal-ca"]
    pids = descendants([*servers, platform.stack.cluster.server.pid])
    threads = [int(thread) for pid in pids for thread in os.listdir(f"/proc/{pid}/task")]
    assert len(threads) > 20
    assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_BATCH}


def test_each_counter_sees_its_own_number(platform):
    card = platform.card("card-1")
    assert list(platform.library.tap(card, tap.PURPOSE_RESOLVE, "A1").customer_ids) == ["789"]
    assert list(platform.other.tap(card, tap.PURPOSE_RESOLVE, "B1").customer_ids) == ["2342"]
    assert refusal(platform.other.tap, platform.card("card-2"), tap.PURPOSE_RESOLVE, "B1") in ("NOT_LINKED", "NO_MYKEY_ID")


def test_through_either_edge_and_gateway(platform):
    card, seen = platform.card("card-1"), set()
    for edge in EDGES * 3:
        counter = platform.through(edge, platform.library)
        challenge = counter.challenge(tap.PURPOSE_RESOLVE, "A1")
        seen.add(challenge.gateway)
        other = platform.through(EDGES[1 - EDGES.index(edge)], platform.library)
        assert list(other.redeem(challenge, card).customer_ids) == ["789"]
    assert seen == set(GATEWAYS)


def test_an_id_is_made_linked_and_given_up(platform):
    card, town, library = platform.card("card-new"), platform.town, platform.library
    made = town.tap(card, tap.PURPOSE_CREATE_ID, TOWN, object_terms(PLATFORM_TERMS_VERSION), terms_version=PLATFORM_TERMS_VERSION)
    assert len(made.mykey_id) == 8 and len(made.suspend_code) == 16
    assert town.tap(card, tap.PURPOSE_SHOW_ID, TOWN).mykey_id == made.mykey_id
    assert town.tap(card, tap.PURPOSE_CHANGE_ID, TOWN).mykey_id != made.mykey_id
    staff = registry.StaffConfirmation(scanned_customer_id="00123", confirmed=True)
    linked = library.tap(card, tap.PURPOSE_LINK, "A1", object_link("A1", "00123", "1"), customer_id="00123",
                         terms_version="1", staff=staff)
    assert list(linked.customer_ids) == ["00123"]
    assert list(library.tap(card, tap.PURPOSE_RESOLVE, "A1").customer_ids) == ["00123"]
    assert library.tap(card, tap.PURPOSE_UNLINK, "A1").removed == 1
    library.tap(card, tap.PURPOSE_LINK, "A1", object_link("A1", "00123", "1"), customer_id="00123", terms_version="1",
                staff=staff)
    library.call("POST", "/v1/undo-link", terminal.UndoLink(customer_id="00123", reason="mistyped"), terminal.Done)
    assert refusal(library.tap, card, tap.PURPOSE_RESOLVE, "A1") == "NOT_LINKED"
    town.call("POST", "/v1/suspend", terminal.Suspend(suspend_code=made.suspend_code), terminal.Done)
    assert refusal(town.tap, card, tap.PURPOSE_SHOW_ID, TOWN) == "ID_SUSPENDED"
    town.tap(card, tap.PURPOSE_RESUME_ID, TOWN)
    assert refusal(library.tap, card, tap.PURPOSE_UNLINK, "A1") == "NOT_LINKED"
    town.tap(card, tap.PURPOSE_DELETE_ID, TOWN)
    assert refusal(town.tap, card, tap.PURPOSE_SHOW_ID, TOWN) == "NO_MYKEY_ID"


def test_what_was_agreed_to_cannot_be_changed_afterwards(platform):
    """The card signed for one number: no other can be linked with it."""
    card, library = platform.card("card-3"), platform.library
    staff = registry.StaffConfirmation(scanned_customer_id="2", confirmed=True)
    for fields in ({"customer_id": "2", "terms_version": "1"}, {"customer_id": "1", "terms_version": "2"}):
        challenge = library.challenge(tap.PURPOSE_LINK, "A1", object_link("A1", "1", "1"))
        assert refusal(library.redeem, challenge, card, staff=staff, **fields) in ("TICKET_INVALID", "TERMS_OUTDATED",
                                                                                   "STAFF_REQUIRED", "CHALLENGE_MISMATCH")
    assert refusal(library.tap, card, tap.PURPOSE_RESOLVE, "A1") == "NOT_LINKED"


# ---- what the card signs is what the gateway recorded, field by field ----

def later(value):
    return value + 1


FLIPS = {"version": later, "environment": lambda v: "prod", "terminal_id": lambda v: v + "x",
         "terminal_key_sha256": lambda v: bytes([v[0] ^ 1]) + v[1:], "origin": lambda v: v.replace("https", "http"),
         "purpose": lambda v: tap.PURPOSE_UNLINK, "audience": lambda v: "B1", "object": lambda v: b"\1" * 32,
         "amount": later, "unit": lambda v: "pt", "request_id": lambda v: bytes([v[0] ^ 1]) + v[1:],
         "nonce": lambda v: bytes([v[0] ^ 1]) + v[1:], "issued_at_ms": later, "expires_at_ms": later,
         "assurance": lambda v: tap.ASSURANCE_PRESENCE}


def test_every_field_has_its_flip():
    assert set(FLIPS) == {field.name for field in tap.TapStatement.DESCRIPTOR.fields}


@pytest.mark.parametrize("field", FLIPS)
def test_a_card_that_signed_something_else(platform, field):
    card = platform.card("card-1")
    challenge = platform.library.challenge(tap.PURPOSE_RESOLVE, "A1")
    assert challenge.statement.origin == Stack.origin
    signed = tap.TapStatement()
    signed.CopyFrom(challenge.statement)
    setattr(signed, field, FLIPS[field](getattr(signed, field)))
    assert refusal(platform.library.redeem, challenge, card, signature=card.sign(signed)) == "SIGNATURE_INVALID"
    assert refusal(platform.library.redeem, challenge, card) == "CHALLENGE_GONE"


@pytest.mark.parametrize("card, code", [("card-revoked", "CERT_REVOKED"), ("card-expired", "CERT_EXPIRED"),
                                        ("card-evil", "CERT_UNTRUSTED")])
def test_cards_that_are_no_good(platform, card, code):
    assert refusal(platform.library.tap, platform.card(card), tap.PURPOSE_RESOLVE, "A1") == code


def test_challenges_are_for_one_use_and_one_terminal(platform):
    card, library = platform.card("card-1"), platform.library
    challenge = library.challenge(tap.PURPOSE_RESOLVE, "A1")
    library.redeem(challenge, card)
    assert refusal(library.redeem, challenge, card) == "CHALLENGE_GONE"
    challenge = library.challenge(tap.PURPOSE_RESOLVE, "A1")
    assert refusal(platform.other.redeem, challenge, card) == "CHALLENGE_MISMATCH"
    assert refusal(library.redeem, challenge, card) == "CHALLENGE_GONE"


def test_a_terminal_asks_for_its_own_operator_only(platform):
    assert refusal(platform.library.challenge, tap.PURPOSE_RESOLVE, "B1") == "DENIED"
    assert refusal(platform.library.challenge, tap.PURPOSE_SHOW_ID, "A1") == "OPERATOR_KIND"


# ---- terminals ----

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_revoked_terminal_is_out_within_two_seconds(platform, version):
    """From the operator's command on: the kept-alive connection, a resumed session, another edge."""
    doomed = platform.terminal("A1")
    ask = ("GET", "/v1/terminal")
    with platform.raw(doomed, version=version) as kept:
        assert kept.call(*ask)[0] == "OK"
        with platform.raw(doomed, session=kept) as resumed:
            assert resumed.call(*ask)[0] == "OK" and resumed.resumed
            platform.stack.ctl("terminal", "revoke", doomed.terminal_id)
            began = sent = time.monotonic()
            while kept.call(*ask)[0] == "OK" or resumed.call(*ask)[0] == "OK":
                assert sent - began < 2.0
                time.sleep(0.02)
                sent = time.monotonic()
            assert [client.call(*ask)[0] for client in (kept, resumed)] == ["TERMINAL_REVOKED"] * 2
        with platform.raw(doomed, session=kept) as resumed:
            assert resumed.call(*ask)[0] == "TERMINAL_REVOKED" and resumed.resumed
    assert refusal(platform.through("edge-b", doomed).info) == "TERMINAL_REVOKED"


def test_forged_headers_do_not_revive_it(platform):
    doomed = platform.terminal("A1")
    platform.stack.ctl("terminal", "revoke", doomed.terminal_id)
    time.sleep(2.1)
    with open(platform.stack.edge_secret, encoding="ascii") as file:
        secret = file.read().strip()
    with platform.raw(doomed) as client:
        for value in (secret, "x"):
            headers = [f"X-Mykey-Edge: {value}", "X-Mykey-Client-Sha256: " + "0" * 64]
            assert client.call("GET", "/v1/terminal", headers=headers)[0] == "TERMINAL_REVOKED"


def test_an_invite_is_good_once(platform):
    invite = platform.invite("A1")
    platform.unenrolled().enrol(invite)
    assert refusal(platform.unenrolled().enrol, invite) == "INVITE_INVALID"
    assert refusal(platform.unenrolled().enrol, "A" * 26 + "." + "0" * 64) == "INVITE_INVALID"


def test_without_a_certificate_there_is_enrolment_only(platform):
    nobody = platform.unenrolled()
    assert refusal(nobody.info) == "TERMINAL_UNKNOWN"
    assert refusal(nobody.challenge, tap.PURPOSE_RESOLVE, "A1") == "TERMINAL_UNKNOWN"
    unknown = terminal.EnrolResult(enrolment_id=os.urandom(16))
    assert refusal(nobody.call, "POST", "/v1/enrol/result", unknown) not in ("TERMINAL_UNKNOWN", "INTERNAL", "ENROL_PENDING")


# ---- when parts are gone ----

@pytest.mark.parametrize("edge", EDGES)
def test_a_killed_gateway_costs_a_signature_not_a_tap(platform, edge):
    card, library, request_id = platform.card("card-1"), platform.through(edge, platform.library), os.urandom(16)
    challenge = library.challenge(tap.PURPOSE_RESOLVE, "A1", request_id=request_id)
    process = platform.stack.processes[challenge.gateway]
    process.kill(signal.SIGKILL)
    process.child.wait()
    assert refusal(library.redeem, challenge, card) == "CHALLENGE_GONE"
    again = library.challenge(tap.PURPOSE_RESOLVE, "A1", request_id=request_id)
    assert list(library.redeem(again, card).customer_ids) == ["789"]
    process.start().wait_ready()


@pytest.mark.parametrize("edge", EDGES)
def test_a_drained_gateway_redeems_what_it_issued(platform, edge):
    card, library = platform.card("card-1"), platform.through(edge, platform.library)
    challenge = library.challenge(tap.PURPOSE_RESOLVE, "A1")
    process = platform.stack.processes[challenge.gateway]
    process.kill(signal.SIGTERM)
    time.sleep(1)
    assert list(library.redeem(challenge, card).customer_ids) == ["789"]
    assert process.child.wait(20) == 0
    process.start().wait_ready()


def test_a_registry_that_hangs_is_a_typed_answer(platform):
    newcomer = platform.terminal("A1")
    time.sleep(2.1)
    with platform.stopped("registry"):
        began = time.monotonic()
        assert refusal(newcomer.info) in ("DEADLINE_EXCEEDED", "UNAVAILABLE", "BUSY")
        assert time.monotonic() - began < 5
    wait_until(lambda: answers(newcomer), 10, "the registry is back")


def answers(counter):
    try:
        return counter.info().terminal_id == counter.terminal_id
    except Refused:
        return False


def test_one_tap_at_a_time_of_a_terminal(platform):
    """Each gateway sees to it for itself: of two taps there the second is refused at once and costs nothing."""
    card, library, waiting = platform.card("card-1"), platform.library, {name: [] for name in GATEWAYS}
    while max(len(issued) for issued in waiting.values()) < 2:
        challenge = library.challenge(tap.PURPOSE_RESOLVE, "A1")
        waiting[challenge.gateway].append(challenge)
    (first, second), names = max(waiting.values(), key=len), []
    with platform.stopped("jpki-verify"):
        other = platform.through("edge-b", library)
        thread = threading.Thread(target=lambda: names.append(outcome(other, first, card)))
        thread.start()
        time.sleep(0.3)
        assert refusal(library.redeem, second, card) == "BUSY"
    thread.join(15)
    assert names == ["OK"]
    for challenge in (second, *min(waiting.values(), key=len)):
        assert outcome(library, challenge, card) == "OK"


def outcome(counter, challenge, card):
    try:
        counter.redeem(challenge, card)
        return "OK"
    except Refused as refused:
        return refused.code
