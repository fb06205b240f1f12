# SPDX-License-Identifier: Apache-2.0
"""The agent and its platform: what it signs, what it refuses, two edges, enrolment and renewal, the flows of the counter."""
import datetime
import os
import select
import socket
import stat
import subprocess
import threading
import time
from types import SimpleNamespace

import pytest
from agentlib import AGENT, CODE, Refuse, Terminal, commands, free_counter, wait_for
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from simcardlib import Station, demo_cards
from wire import object_link, object_terms, registry, tap, terminal


@pytest.fixture(scope="module")
def station():
    with Station(demo_cards()) as started:
        yield started


@pytest.fixture(scope="module")
def alone():
    """Another reader, for terminals of one test: two agents at one reader take the card from each other."""
    with Station(demo_cards()) as started:
        yield started


@pytest.fixture(scope="module")
def shared(station):
    with Terminal(station) as started:
        started.page.wait("wait")
        yield started


@pytest.fixture
def desk(station, shared):
    """A counter with a card that has just been laid on the reader."""
    with free_counter(shared) as free:
        station.insert("card-1")
        yield free
        reset(shared)


def reset(terminal_):
    platform = terminal_.platform
    platform.numbers, platform.notices, platform.clock_ms = ["789"], [], 0


# ---- what is signed ----

def flip(field, value):
    def bend(challenge):
        setattr(challenge.statement, field, value(getattr(challenge.statement, field)) if callable(value) else value)
    return bend


def other(data):
    return bytes([data[0] ^ 1]) + data[1:]


FLIPS = {
    "version": 2, "environment": "prod", "terminal_id": "t-other", "terminal_key_sha256": other, "origin": "https://evil.example",
    "purpose": tap.PURPOSE_DELETE_ID, "audience": "B1", "object": b"o" * 32, "amount": 500, "unit": "pt", "request_id": other,
    "nonce": b"short", "issued_at_ms": lambda t: t + 90000, "expires_at_ms": lambda t: t + 60000,
    "assurance": tap.ASSURANCE_PRESENCE}


@pytest.mark.parametrize("field", FLIPS)
def test_a_flipped_field_is_never_signed(desk, station, field):
    desk.platform.bends["/v1/challenge"] = flip(field, FLIPS[field])
    seen = desk.tap()
    assert seen["error"]["code"] in {"CHALLENGE_MISMATCH", "BAD_REQUEST", "CLOCK_WRONG"}, seen
    assert "sign" not in commands(station)


def test_times_far_from_our_clock_are_never_signed(desk, station):
    def bend(challenge):
        challenge.statement.issued_at_ms -= 61000
        challenge.statement.expires_at_ms -= 61000
    desk.platform.bends["/v1/challenge"] = bend
    assert desk.tap()["error"]["code"] == "CLOCK_WRONG"
    assert "sign" not in commands(station)


@pytest.mark.parametrize("answer", [b"", b"\xff" * 200, b"\x0a\x00", b"x" * 70000], ids=["none", "ff", "empty", "long"])
@pytest.mark.parametrize("path", ["/v1/challenge", "/v1/tap"])
def test_garbage_answers(desk, path, answer):
    desk.platform.bends[path] = lambda _: answer
    seen = desk.tap()
    if path == "/v1/tap" and answer == b"":  # a reply without numbers
        assert seen["state"] == "not_registered"
    else:  # what is too long is dropped, and the other edge asked, which knows the challenge no more
        assert seen["error"]["code"] in {"BAD_REQUEST", "NETWORK_DOWN", "CHALLENGE_GONE"}, seen


def test_a_lost_challenge_needs_no_second_pin(desk, station):
    refusals = ["CHALLENGE_GONE", "CHALLENGE_EXPIRED"]

    def bend(_):
        if refusals:
            raise Refuse(refusals.pop(0))
    desk.platform.bends["/v1/tap"] = bend
    taps = len(desk.platform.taps)
    assert desk.tap()["state"] == "number"
    assert commands(station).count("verify") == 1 and commands(station).count("sign") == 3
    assert len({statement.request_id for statement, _ in desk.platform.taps[taps:]}) == 1
    assert len({statement.nonce for statement, _ in desk.platform.taps[taps:]}) == 3


def test_a_challenge_lost_for_ever_ends(desk, station):
    def bend(_):
        raise Refuse("CHALLENGE_GONE")
    desk.platform.bends["/v1/tap"] = bend
    seen = desk.tap()
    assert seen["error"]["code"] == "CHALLENGE_GONE" and seen["error"]["retry"] and len(seen["error"]["incident"]) == 32
    assert commands(station).count("sign") == 3


@pytest.mark.parametrize("code,retry", [("CERT_REVOKED", False), ("CERT_EXPIRED", False), ("CERT_UNTRUSTED", False),
                                        ("REVOCATION_STALE", True), ("NO_WORKERS", True), ("ID_SUSPENDED", False),
                                        ("NO_MYKEY_ID", False), ("INTERNAL", True)])
def test_refusals_reach_the_page(desk, code, retry):
    def bend(_):
        raise Refuse(code)
    desk.platform.bends["/v1/tap"] = bend
    error = desk.tap()["error"]
    assert (error["code"], error["retry"]) == (code, retry)
    assert (desk.page.act("retry") is None) == retry


def test_unknown_error_number_is_internal(desk):
    def bend(_):
        refusal = Refuse("INTERNAL")
        refusal.body.code = 4711
        raise refusal
    desk.platform.bends["/v1/tap"] = bend
    assert desk.tap()["error"]["code"] == "INTERNAL"


# ---- what is shown ----

def test_not_registered(desk):
    desk.platform.numbers = []
    seen = desk.tap()
    assert seen["state"] == "not_registered" and "number" not in seen


def test_several_numbers_and_notices(desk):
    desk.platform.numbers, desk.platform.notices = ["086", "789"], ["link_undone", "NOT a notice <b>"]
    seen = desk.tap()
    assert seen["number"]["values"] == ["086", "789"] and seen["notices"] == ["link_undone"]
    assert seen["number"]["chosen"] == -1 and "barcode" not in seen["number"]  # staff choose first
    assert desk.page.act("type_number") == "CONFLICT"
    assert desk.page.act("choose", index=2) == "BAD_REQUEST"
    desk.page.must("choose", index=1)
    wait_for(lambda: desk.page.now["number"]["chosen"] == 1, "the choice")
    assert desk.page.now["number"]["barcode"]["text"] == "A789A"


def test_number_is_gone_after_next_and_removal(desk, station):
    assert desk.tap()["state"] == "number"
    desk.page.must("next")
    assert "number" not in desk.page.wait("wait")
    desk.page.must("start", purpose="resolve")
    assert desk.tap()["state"] == "number"
    station.ask("remove")
    assert "number" not in desk.page.wait("wait")


def test_stopped_number_stays(desk, station):
    assert desk.tap()["state"] == "number"
    desk.page.must("stop_clear")
    station.ask("remove")
    time.sleep(1)
    assert desk.page.now["state"] == "number" and desk.page.now["clear"]["stopped"]
    desk.page.must("next")


def test_keyboard_where_there_is_none(desk):
    if os.path.exists("/dev/uinput"):
        pytest.skip("this machine has /dev/uinput")
    assert desk.tap()["state"] == "number"
    desk.page.must("type_number")
    seen = desk.page.wait("typing")
    assert seen["keyboard"]["phase"] == "failed" and seen["error"]["code"] == "KEYBOARD_UNAVAILABLE"
    desk.page.must("type_cancel")
    assert desk.page.wait("number")["number"]["values"] == ["789"]


def test_link(desk, station):
    desk.platform.numbers = []
    assert desk.tap()["state"] == "not_registered"
    desk.page.must("register")
    assert desk.page.wait("terms")["terms"] == {"version": "1", "ja": "規約", "en": "Terms"}
    desk.page.must("accept_terms")
    desk.page.wait("staff_scan")
    assert desk.page.act("staff_confirm") == "STAFF_REQUIRED"
    assert desk.page.act("staff_scan", number="ABC!") == "NUMBER_INVALID"
    assert desk.page.act("staff_scan", number="123456789") == "NUMBER_INVALID"  # at most 8 here
    desk.page.must("staff_scan", number="A０８６A")
    wait_for(lambda: desk.page.now["link"] == {"number": "086", "staff_confirmed": False}, "the scanned number")
    desk.page.must("staff_confirm")
    seen = desk.tap()  # the card is still in
    assert seen["state"] == "done" and seen["purpose"] == "link"
    statement, request = desk.platform.taps[-1]
    assert statement.object == object_link("A1", "086", "1")
    assert (request.customer_id, request.terms_version) == ("086", "1")
    assert (request.staff.scanned_customer_id, request.staff.confirmed) == ("086", True)


def test_terms_that_changed_meanwhile_are_shown_again(desk):
    desk.page.wait("pin")
    desk.page.must("cancel")
    desk.page.wait("wait")
    desk.page.must("start", purpose="link")
    desk.page.wait("terms")
    desk.page.must("accept_terms")
    desk.page.must("staff_scan", number="789")
    desk.page.must("staff_confirm")

    def bend(_):
        desk.platform.operator.terms_version = "2"
        raise Refuse("TERMS_OUTDATED")
    desk.platform.bends["/v1/tap"] = bend
    assert desk.tap()["error"]["code"] == "TERMS_OUTDATED"
    desk.platform.bends.clear()
    asked = desk.platform.count("/v1/terminal")
    wait_for(lambda: desk.platform.count("/v1/terminal") > asked - 1, "fresh settings")
    time.sleep(0.3)
    desk.page.must("retry")
    assert desk.page.wait("terms")["terms"]["version"] == "2"
    desk.page.must("accept_terms")
    assert desk.tap()["state"] == "done"
    assert desk.platform.taps[-1][0].object == object_link("A1", "789", "2")
    desk.platform.operator.terms_version = "1"


def test_municipal_acts_are_refused_at_a_library(desk):
    desk.page.wait("pin")
    desk.page.must("cancel")
    desk.page.wait("wait")
    for purpose in ("create_id", "show_id", "change_id", "delete_id", "resume_id"):
        assert desk.page.act("start", purpose=purpose) == "OPERATOR_KIND"
    assert desk.page.act("suspend", code="1234567890123456") == "OPERATOR_KIND"
    assert desk.page.act("start", purpose="points") == "BAD_REQUEST"


def test_undo_link(desk, station):
    station.ask("remove")
    desk.page.act("cancel")
    desk.page.act("next")
    desk.page.wait("wait")
    assert desk.page.act("undo_link", number="789", reason="because") == "REASON_INVALID"
    desk.page.must("undo_link", number="789", reason="mistyped")
    assert desk.page.wait("done")["purpose"] == "undo_link"
    assert desk.platform.requests[-1][0] == "/v1/undo-link"


def test_town_hall(alone):
    """create, show and suspend at a municipality; show_id is what a card means there."""
    alone.ask("remove")
    alone.ask("unblock card-1")
    with Terminal(alone) as hall:
        hall.platform.operator.kind = registry.OPERATOR_KIND_MUNICIPALITY
        hall.page.wait("wait")
        hall.page.must("start", purpose="create_id")
        assert hall.page.wait("terms")["terms"]["version"] == "p1"
        hall.page.must("accept_terms")
        assert hall.page.wait("wait")["purpose"] == "create_id"
        alone.insert("card-1")
        seen = hall.tap()
        assert seen["id"] == {"mykey_id": "MY123456", "suspend_code": "1234 5678 9012 3456"}
        assert hall.platform.taps[-1][0].object == object_terms("p1")
        alone.ask("remove")
        hall.page.must("next")
        assert "id" not in hall.page.wait("wait")
        alone.insert("card-1")
        seen = hall.tap()
        assert seen["purpose"] == "show_id" and seen["id"] == {"mykey_id": "MY123456"}
        hall.page.must("next")
        hall.page.wait("wait")
        assert hall.page.act("suspend", code="1234") == "SUSPEND_CODE_WRONG"
        hall.page.must("suspend", code="1234 5678-9012 3456")
        assert hall.page.wait("done")["purpose"] == "suspend"


# ---- network, clock, revocation ----

def test_the_other_edge_takes_over(desk, station):
    desk.page.wait("pin")
    desk.platform.kill(0)
    try:
        assert desk.tap()["state"] == "number"
        assert desk.platform.requests[-1][1] == desk.platform.edges[1].server_address[1]
    finally:
        desk.platform.revive(0)


def test_an_edge_that_dies_with_the_answer_needs_no_second_pin(desk, station):
    """The card signed, the answer is lost: the other edge is asked, where the challenge is gone, so the card signs anew."""
    deaths = [ConnectionError()]

    def bend(_):
        if deaths:
            raise deaths.pop()
    desk.platform.bends["/v1/tap"] = bend
    taps = len(desk.platform.taps)
    assert desk.tap()["state"] == "number"
    assert commands(station).count("verify") == 1 and commands(station).count("sign") == 2
    assert len({statement.request_id for statement, _ in desk.platform.taps[taps:]}) == 1
    assert len({port for path, port, _ in desk.platform.requests if path == "/v1/tap"}) == 2


def test_network_down_and_back(desk, station):
    desk.page.wait("pin")
    desk.platform.kill(0)
    desk.platform.kill(1)
    try:
        assert desk.tap()["error"]["code"] == "NETWORK_DOWN"
        desk.page.must("manual_open")  # the counter goes on by hand
        desk.page.must("manual_number", number="７８９", reason="network_fault")
        assert desk.page.wait("number")["number"]["values"] == ["789"]
        desk.page.must("next")
        desk.page.wait("error/NETWORK_DOWN")
    finally:
        desk.platform.revive(0)
        desk.platform.revive(1)
    desk.page.wait("wait", seconds=20)


def test_an_edge_without_gateways(desk):
    """A page of HTML from something on the way: nothing was executed, the other edge is asked."""
    answers = [b"<html>503 Service Unavailable", b"", b"\x08\x00"]

    def bend(_):
        if answers:
            refusal = Refuse("UNAVAILABLE", 503)
            refusal.body = SimpleNamespace(SerializeToString=lambda data=answers.pop(0): data)
            raise refusal
    desk.platform.bends["/v1/challenge"] = bend
    assert desk.tap()["error"]["code"] == "NETWORK_DOWN"  # both said it
    desk.page.must("retry")
    asked = len(desk.platform.requests)
    assert desk.tap()["state"] == "number"
    ports = {port for path, port, _ in desk.platform.requests[asked:] if path == "/v1/challenge"}
    assert len(ports) == 2


def test_through_a_proxy(alone):
    alone.ask("remove")
    with Tunnel() as tunnel, Terminal(alone, proxy=f"http://127.0.0.1:{tunnel.port}") as one:
        one.page.wait("wait", seconds=10)
        assert set(tunnel.asked) <= {one.platform.url(n).removeprefix("https://") for n in (0, 1)} and tunnel.asked


class Tunnel:
    """An HTTP proxy that knows CONNECT."""

    def __enter__(self):
        self.asked, self.server = [], socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.close()

    def accept(self):
        while True:
            try:
                threading.Thread(target=self.carry, args=(self.server.accept()[0],), daemon=True).start()
            except OSError:
                return

    def carry(self, peer):
        head = b""
        while b"\r\n\r\n" not in head:
            head += peer.recv(4096)
        assert head.startswith(b"CONNECT ")
        self.asked.append(head.split()[1].decode())
        host, port = self.asked[-1].split(":")
        far = socket.create_connection((host, int(port)))
        peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        while ready := select.select([peer, far], [], [], 30)[0]:
            for one in ready:
                data = one.recv(65536)
                if not data:
                    return
                (far if one is peer else peer).sendall(data)


def test_clock_wrong(desk):
    desk.page.wait("pin")
    desk.page.must("cancel")
    desk.page.wait("wait")
    desk.platform.clock_ms = 61000
    desk.page.must("start", purpose="resolve")
    desk.tap()
    desk.page.must("next")
    desk.page.wait("error/CLOCK_WRONG")
    desk.platform.clock_ms = 0
    desk.page.wait("wait", seconds=20)


def test_revoked_terminal(alone):
    with Terminal(alone) as one:
        def bend(_):
            raise Refuse("TERMINAL_REVOKED", 403)
        one.platform.bends["/v1/terminal"] = bend
        assert one.page.wait("error")["error"]["code"] == "TERMINAL_REVOKED"
        assert one.page.now["checks"]["key"] == "TERMINAL_REVOKED"
        one.platform.bends.clear()
        one.page.wait("wait", "pin", seconds=10)


@pytest.mark.parametrize("field,value", [("environment", "prod"), ("origin", "https://evil.example"), ("terminal_id", "t-2")])
def test_another_platform_is_no_platform(alone, field, value):
    with Terminal(alone) as one:
        one.platform.bends["/v1/terminal"] = lambda info: setattr(info, field, value)
        assert one.page.wait("error", seconds=10)["error"]["code"] == "TERMINAL_UNKNOWN"


def test_server_of_another_authority(alone, tmp_path):
    """Only the pinned authority counts, whatever the machine trusts."""
    from edgelib import Authority
    stranger = Authority(str(tmp_path), "stranger")
    with Terminal(alone, server_ca=stranger.path) as one:
        time.sleep(2)
        assert one.platform.requests == [] and one.page.now["checks"]["key"] != "ok"


# ---- enrolment ----

def modes(folder):
    return {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(folder)}


def test_files_of_an_enrolled_terminal(shared):
    assert modes(shared.profile) == {"terminal.pem": 0o400, "authority.der": 0o400, "launch": 0o600}
    assert stat.S_IMODE(os.stat(shared.profile).st_mode) == 0o700
    assert CODE not in shared.log()


def enrol(one, text=None, **settings):
    settings = {"invite_file": "", **settings}
    return subprocess.run([*one.arguments(**settings), "--enrol"], input=text, env=one.environment, capture_output=True,
                          text=True, timeout=20)


def test_enrol_from_standard_input(alone):
    one = Terminal(alone)
    try:
        assert enrol(one, one.platform.invite()).stdout == "OK t-test\n"
        assert set(modes(one.profile)) == {"terminal.pem", "authority.der"}
        assert CODE not in open(f"/proc/{os.getpid()}/cmdline").read()
    finally:
        one.__exit__()


@pytest.mark.parametrize("invite", ["", "x", f"{CODE}.", f"{CODE}." + "00" * 32, "B" * 26 + "." + "00" * 32])
def test_wrong_invites(alone, invite):
    one = Terminal(alone)
    try:
        done = enrol(one, invite)
        assert done.returncode == 1 and "OK" not in done.stdout
        assert "terminal.pem" not in modes(one.profile)
    finally:
        one.__exit__()


def test_invite_that_others_can_read(alone):
    one = Terminal(alone)
    try:
        one.write_invite()
        os.chmod(one.invite, 0o644)
        assert enrol(one, invite_file=one.invite).returncode == 1
        assert one.platform.requests == []
    finally:
        one.__exit__()


def test_certificate_for_another_key(alone):
    one = Terminal(alone)
    try:
        stranger = ec.generate_private_key(ec.SECP256R1()).public_key()

        def bend(enrolled):
            enrolled.certificate = one.platform.issue(stranger)
        one.platform.bends["/v1/enrol/result"] = bend
        done = enrol(one, one.platform.invite())
        assert done.returncode == 1 and done.stdout.startswith("CERT_UNTRUSTED")
    finally:
        one.__exit__()


def test_enrolment_survives_a_restart(alone):
    alone.ask("remove")
    one = Terminal(alone)
    try:
        one.platform.pending = 100
        one.start()
        wait_for(lambda: "next.id" in modes(one.profile), "the enrolment's id")
        assert one.stop() == 0
        for entry in one.platform.enrolled.values():
            entry[1] = 0
        one.start()
        one.page.wait("wait", seconds=10)
        assert one.platform.count("/v1/enrol") == 1
    finally:
        one.__exit__()


def test_renewal_at_two_thirds(alone):
    alone.ask("remove")
    one = Terminal(alone)
    try:
        now = datetime.datetime.utcnow()
        short = {"start": now - datetime.timedelta(days=61), "end": now + datetime.timedelta(days=29)}

        def first(enrolled):
            key = x509.load_der_x509_certificate(enrolled.certificate).public_key()
            enrolled.certificate = one.platform.issue(key, **short)
            del one.platform.bends["/v1/enrol/result"]
        one.platform.bends["/v1/enrol/result"] = first
        one.start()
        one.page.wait("wait", seconds=10)
        wait_for(lambda: one.platform.count("/v1/renew") == 1, "the renewal", 10)
        wait_for(lambda: "next.pem" not in modes(one.profile), "the new certificate", 10)
        pem = (one.profile / "terminal.pem").read_bytes()
        new = x509.load_pem_x509_certificate(pem)
        assert new.not_valid_before > short["start"] + datetime.timedelta(days=50)
        der = new.public_bytes(serialization.Encoding.DER)
        wait_for(lambda: one.platform.requests[-1][2] == der, "a request with the new certificate")
        assert one.platform.count("/v1/renew") == 1
        alone.insert("card-1")
        assert one.tap()["state"] == "number"  # what is signed names the new key
    finally:
        one.__exit__()


def test_agent_is_a_program_with_settings():
    done = subprocess.run([AGENT, "--check-config"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and "agent.profile" in done.stderr
    assert terminal.Done() is not None
