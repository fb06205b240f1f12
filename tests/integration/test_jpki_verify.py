# SPDX-License-Identifier: Apache-2.0
"""jpki-verify from outside: tickets, every wrong card, a parser that dies."""

import hashlib
import os
import shutil
import signal
import time

import pytest
from buslib import wait_for
from jpkilib import SECRETS, Card, Verifier, authority, card, credential_id, open_ticket, own, statement, variant  # noqa: F401
from wire import jpki, tap


@pytest.fixture(scope="session")
def shared(authority):
    verifier = Verifier(authority).launch()
    yield verifier
    verifier.close()


# ---- tickets ----


@pytest.mark.parametrize("name", ["card-1", "card-2", "card-3", "card-new"])
def test_a_good_card_gets_a_ticket_of_what_it_signed(shared, name):
    said = statement(amount=120, unit="pt")
    reply = shared.verify(card(shared, name), said)
    assert reply.code == "OK", reply.header.detail
    ticket = open_ticket(jpki.VerifyReply.FromString(reply.body).ticket)
    for field in ("assurance", "purpose", "audience", "terminal_id", "object", "amount", "unit", "request_id"):
        assert getattr(ticket, field) == getattr(said, field), field
    assert ticket.consumer == "registry" and ticket.credential_key_version == 7
    assert ticket.credential_id == credential_id(card(shared, name).certificate)
    assert 0 < ticket.expires_at_ms - time.time() * 1000 <= 10000


def test_a_refusal_carries_no_ticket(shared):
    assert shared.verify(card(shared, "card-revoked")).body == b""


# ---- what was signed ----

OTHER = {
    "terminal_id": "t-2", "terminal_key_sha256": bytes([9]) * 32, "origin": "https://other.mykey.example",
    "purpose": tap.PURPOSE_RESOLVE, "audience": "B1", "object": bytes([9]) * 32, "amount": 121,
    "request_id": bytes([9]) * 16, "nonce": bytes([9]) * 32,
}


@pytest.mark.parametrize("field", OTHER)
def test_each_field_is_under_the_signature(shared, field):
    signed = statement(amount=120, unit="pt")
    said = tap.TapStatement()
    said.CopyFrom(signed)
    setattr(said, field, OTHER[field])
    assert shared.answer(card(shared, "card-1"), said, signed) == ("SIGNATURE_INVALID", "signature")


def test_no_amount_is_another_statement_than_some(shared):
    signed = statement(amount=120, unit="pt")
    said = tap.TapStatement()
    said.CopyFrom(signed)
    said.ClearField("amount")
    said.ClearField("unit")
    assert shared.answer(card(shared, "card-1"), said, signed) == ("SIGNATURE_INVALID", "signature")


@pytest.mark.parametrize("field, change", [("issued_at_ms", 1), ("expires_at_ms", -1)])
def test_each_time_is_under_the_signature(shared, field, change):
    signed = statement()
    said = tap.TapStatement()
    said.CopyFrom(signed)
    setattr(said, field, getattr(said, field) + change)
    assert shared.answer(card(shared, "card-1"), said, signed) == ("SIGNATURE_INVALID", "signature")


REQUESTS = {
    "another environment": ({"environment": "prod"}, {}, "CHALLENGE_MISMATCH", "environment"),
    "without PIN": ({"assurance": tap.ASSURANCE_PRESENCE}, {}, "PRESENCE_UNAVAILABLE", "assurance"),
    "expired": ({"issued_at_ms": -10000, "expires_at_ms": -1}, {}, "CHALLENGE_EXPIRED", "expiry"),
    "from the future": ({"issued_at_ms": 60000, "expires_at_ms": 70000}, {}, "CHALLENGE_EXPIRED", "expiry"),
    "version 2": ({"version": 2}, {}, "BAD_REQUEST", "statement"),
    "short nonce": ({"nonce": b"x"}, {}, "BAD_REQUEST", "statement"),
    "no purpose": ({"purpose": tap.PURPOSE_UNSPECIFIED}, {}, "BAD_REQUEST", "statement"),
    "no statement": ({}, {"statement": None}, "BAD_REQUEST", "statement"),
    "unknown consumer": ({}, {"consumer": "points"}, "DENIED", "consumer"),
    "no consumer": ({}, {"consumer": None}, "DENIED", "consumer"),
    "no certificate": ({}, {"certificate": None}, "CERT_MALFORMED", "size"),
    "large certificate": ({}, {"certificate": bytes(8193)}, "CERT_MALFORMED", "size"),
    "no signature": ({}, {"signature": None}, "SIGNATURE_INVALID", "signature_size"),
    "large signature": ({}, {"signature": bytes(513)}, "SIGNATURE_INVALID", "signature_size"),
    "signature of zeros": ({}, {"signature": bytes(256)}, "SIGNATURE_INVALID", "signature"),
    "longer signature": ({}, {"signature": bytes(257)}, "SIGNATURE_INVALID", "signature"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_that_are_refused(shared, name):
    fields, changes, code, row = REQUESTS[name]
    now_ms = int(time.time() * 1000)
    said = statement(**{field: now_ms + value if field.endswith("_at_ms") else value for field, value in fields.items()})
    signed = statement() if name == "version 2" else said
    assert shared.answer(card(shared, "card-1"), said, signed, **changes) == (code, row)


def test_garbage_is_a_bad_request(shared):
    for body in (b"\xff" * 100, os.urandom(2000), b"\x0a\xff\xff\xff\xff\x0f"):
        assert shared.gateway.ask("Verify", body, service="jpki").code == "BAD_REQUEST"
    assert shared.answer(card(shared, "card-1"))[0] == "OK"


def test_a_signature_is_for_one_card(shared):
    said = statement()
    other = card(shared, "card-3").sign(b"MYKEY")
    assert shared.answer(card(shared, "card-1"), said, signature=other) == ("SIGNATURE_INVALID", "signature")


# ---- certificates ----


def index(authority):
    with open(f"{authority}/variants/index", encoding="ascii") as file:
        return [line.split() for line in file]


def test_every_wrong_certificate_gets_its_code_and_row(shared):
    rows, parser = index(shared.ca), shared.parser_pid()
    assert len(rows) >= 60
    wrong = []
    for name, code, row in rows:
        expected = (code, "" if row == "-" else row)
        if name == "outlives_root":  # needs another clock: a unit test
            continue
        found = shared.answer(variant(shared, name))
        if found != expected:
            wrong.append((name, expected, found))
    assert wrong == []
    assert shared.parser_pid() == parser, "a certificate ended the parser"


@pytest.mark.parametrize("name, code", [("card-revoked", "CERT_REVOKED"), ("card-expired", "CERT_EXPIRED"),
                                        ("card-evil", "CERT_UNTRUSTED")])
def test_demo_cards_that_are_refused(shared, name, code):
    assert shared.answer(card(shared, name))[0] == code


def test_signature_certificate_is_not_taken(shared):
    other = Card(f"{shared.ca}/cards/card-1/sign.der", f"{shared.ca}/cards/card-1/sign.key")
    assert shared.answer(other) == ("CERT_UNTRUSTED", "issuer")


# ---- roots ----


@pytest.mark.parametrize("spoil, why", [
    (lambda ca: shutil.copy(f"{ca}/sign-roots/sign-1.der", f"{ca}/roots/sign-1.der"), "a root is not pinned"),
    (lambda ca: shutil.copy(f"{ca}/roots/auth-1.der", f"{ca}/roots/auth-2.der"), "a root differs from its pin"),
    (lambda ca: os.unlink(f"{ca}/roots/auth-1.der"), "a pinned root is missing"),
    (lambda ca: os.unlink(f"{ca}/root-pins"), "the root pins can't be read"),
])
def test_roots_must_be_the_pinned_ones(own, spoil, why):
    spoil(own.ca)
    own.launch(ready=False)
    assert own.process.wait() == 1
    assert own.events("start_failed")[0]["detail"] == why


def pin_roots(ca):
    names = sorted(os.listdir(f"{ca}/roots"))
    pins = [f"{hashlib.sha256(open(f'{ca}/roots/{name}', 'rb').read()).hexdigest()}  {name}\n" for name in names]
    with open(f"{ca}/root-pins.new", "w", encoding="ascii") as file:
        file.writelines(pins)
    os.rename(f"{ca}/root-pins.new", f"{ca}/root-pins")


def test_a_root_is_retired_and_added_again_under_load(own):
    own.launch()
    kept = f"{own.ca}/auth-1.der"
    os.rename(f"{own.ca}/roots/auth-1.der", kept)
    wait_for(lambda: own.events("roots_kept"))
    assert own.events("roots_kept")[0]["detail"] == "a pinned root is missing"
    assert own.answer(card(own, "card-2"))[0] == "OK", "roots that disagree with their pins change nothing"
    pin_roots(own.ca)
    seen = []

    def answers(code):
        seen.extend(own.gather(own.send_many(card(own, "card-3"), 20)))
        return own.answer(card(own, "card-2"))[0] == code

    wait_for(lambda: answers("CERT_UNTRUSTED"))
    os.rename(kept, f"{own.ca}/roots/auth-1.der")
    pin_roots(own.ca)
    wait_for(lambda: answers("OK"))
    assert set(seen) == {"OK"}


def test_key_files_must_be_private(own):
    os.chmod(own.path("credential.keys"), 0o440)
    own.launch(ready=False)
    assert own.process.wait() == 1
    assert own.events("start_failed")[0]["setting"] == "jpki.credential_keys"


# ---- the parser ----


def test_the_parser_has_nothing(shared):
    pid = shared.parser_pid()
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1"
    files = {name: os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
    assert sorted(files) == ["0", "1", "2", "3"]
    assert {files[name] for name in "012"} == {"/dev/null"} and files["3"].startswith("socket:")
    with open(f"/proc/{pid}/environ", "rb") as file:
        assert file.read() == b""
    with open(f"/proc/{pid}/maps", encoding="ascii") as file:
        maps = file.read()
    assert "zmq" not in maps and "libcrypto" in maps
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps.splitlines():
            first, access = line.split()[:2]
            if "r" in access and "v" not in line.split()[-1]:
                begin, end = (int(part, 16) for part in first.split("-"))
                if end - begin > 1 << 40:
                    continue  # a sanitizer's map of all memory
                memory.seek(begin)
                data = memory.read(end - begin)
                assert not any(secret in data for secret in SECRETS.values()), "a key is in the parser"


def test_requests_outlive_the_parser(own):
    own.launch()
    for _ in range(3):
        pid = own.parser_pid()
        tags = own.send_many(card(own, "card-1"), 60)
        os.kill(pid, signal.SIGKILL)
        assert own.gather(tags) == ["OK"] * 60
        wait_for(lambda: own.parser_pid() != pid)
    assert own.events("parser_died")[0]["detail"] == "Killed"


def test_a_parser_that_stands_still_is_ended_and_told(own):
    own.launch()
    pid = own.parser_pid()
    os.kill(pid, signal.SIGSTOP)
    own.send_many(card(own, "card-1"), 1)
    wait_for(lambda: own.parser_pid() != pid)
    assert own.events("parser_died")[0]["detail"] == "didn't answer in 2 s"


def test_stopping_loses_no_request_and_leaves_nobody(own):
    """What had been dispatched is answered; what had not is refused as not executed."""
    own.launch()
    pid = own.parser_pid()
    tags = own.send_many(card(own, "card-1"), 60)
    assert own.gather(tags[:1])
    own.process.signal(signal.SIGTERM)
    assert set(own.gather(tags[1:])) <= {"OK", "NO_WORKERS"}
    assert own.process.wait() == 0
    assert not os.path.exists(f"/proc/{pid}")


def test_killing_the_service_ends_the_parser(own):
    own.launch()
    pid = own.parser_pid()
    own.process.signal(signal.SIGKILL)
    wait_for(lambda: not os.path.exists(f"/proc/{pid}") or open(f"/proc/{pid}/stat").read().split()[2] == "Z")


# ---- what is written down ----


def test_nothing_of_a_card_is_written_down(shared):
    for name in ("card-1", "card-revoked", "card-evil"):
        shared.answer(card(shared, name))
    written = shared.process.text() + shared.metrics()
    for name in ("card-1", "card-revoked", "card-evil"):
        certificate = card(shared, name).certificate
        serial = certificate[15:19].hex()
        assert serial not in written.lower() and str(int(serial, 16)) not in written
        at = certificate.index(b"13204") - 15
        assert certificate[at:at + 23].decode() not in written
        assert credential_id(certificate).hex() not in written


def test_metrics_count_by_answer_and_row(shared):
    shared.answer(card(shared, "card-expired"))
    text = shared.metrics()
    assert 'mykey_jpki_verify_total{result="CERT_EXPIRED",check="not_after"}' in text
    for name in ("mykey_jpki_revocation_age_seconds", "mykey_jpki_revocation_left_seconds", "mykey_jpki_root_left_seconds"):
        assert f'{name}{{root="auth-1.der"}}' in text and f'{name}{{root="auth-2.der"}}' in text
