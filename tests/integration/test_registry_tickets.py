# SPDX-License-Identifier: Apache-2.0
"""The registry acts for a holder on a good tap ticket for this very act, and on nothing else; garbage is answered."""

import os
import random
import secrets
import time

import pytest
from registrylib import TERMS, Card, Refused, World, object_link, object_terms
from wire import registry, tap

PURPOSES = {"Resolve": tap.PURPOSE_RESOLVE, "CreateId": tap.PURPOSE_CREATE_ID, "ShowId": tap.PURPOSE_SHOW_ID,
            "ChangeId": tap.PURPOSE_CHANGE_ID, "DeleteId": tap.PURPOSE_DELETE_ID, "ResumeId": tap.PURPOSE_RESUME_ID,
            "Link": tap.PURPOSE_LINK, "Unlink": tap.PURPOSE_UNLINK, "WithdrawConsent": tap.PURPOSE_WITHDRAW_CONSENT}
METHODS = [name.removesuffix("Request") for name in registry.DESCRIPTOR.message_types_by_name if name.endswith("Request")]


@pytest.fixture(scope="module")
def world():
    made = World()
    made.put_operator("M1", "MUNICIPALITY")
    made.put_operator("A1")
    yield made
    made.close()


@pytest.fixture(scope="module")
def holder(world):
    card = Card()
    world.create_id(card)
    world.link(card, "A1", "789")
    return card


def code_of(world, method, request, caller="gateway"):
    try:
        world.ask(method, request, caller)
    except Refused as refusal:
        return refusal.code
    return "OK"


def request(method, ticket):
    """A request that is right in all but its ticket."""
    made = getattr(registry, method + "Request")(ticket=ticket)
    if method == "CreateId":
        made.terms_version = TERMS
    if method == "Link":
        made.customer_id, made.terms_version = "790", "1"
        made.staff.scanned_customer_id, made.staff.confirmed = "790", True
    return made


def object_of(method):
    return {"CreateId": object_terms(), "Link": object_link("A1", "790", "1")}.get(method, b"")


def snapshot(world):
    return world.dump()


@pytest.mark.parametrize("method", PURPOSES)
def test_purposes_against_methods(world, holder, method):
    """Each ticket is good for the one method that it was made for."""
    before = snapshot(world)
    for other, purpose in PURPOSES.items():
        if other == method:
            continue
        for audience in ("A1", "M1"):
            ticket = world.ticket(holder, purpose, audience, object_of(method))
            assert code_of(world, method, request(method, ticket)) == "TICKET_INVALID"
    assert snapshot(world) == before


CHANGES = {
    "consumer": ("points", "TICKET_CONSUMER"), "assurance": (tap.ASSURANCE_PRESENCE, "TICKET_INVALID"),
    "purpose": (tap.PURPOSE_SHOW_ID, "TICKET_INVALID"), "object": (secrets.token_bytes(32), "TICKET_INVALID"),
    "amount": (1, "TICKET_INVALID"), "unit": ("pt", "TICKET_INVALID"), "expires_at_ms": (1, "TICKET_EXPIRED"),
    "audience": ("M1", "NOT_LINKED"), "credential_id": (b"x" * 32, "NO_MYKEY_ID"), "terminal_id": (None, "TICKET_INVALID"),
    "request_id": (b"short", "TICKET_INVALID"), "credential_key_version": (None, "TICKET_INVALID"),
}


@pytest.mark.parametrize("field", CHANGES)
def test_each_field_sealed_with_another_value(world, holder, field):
    """As jpki-verify would have sealed it for another act: never the number 789."""
    value, expected = CHANGES[field]
    ticket = world.ticket(holder, **{"purpose": tap.PURPOSE_RESOLVE, "audience": "A1", field: value})
    assert code_of(world, "Resolve", registry.ResolveRequest(ticket=ticket)) == expected


@pytest.mark.parametrize("field", CHANGES)
def test_each_field_changed_after_sealing(world, holder, field):
    value, _ = CHANGES[field]
    good = tap.SealedTicket.FromString(world.ticket(holder, tap.PURPOSE_RESOLVE, "A1"))
    changed = tap.TapTicket.FromString(good.body)
    changed.ClearField(field)
    if value is not None:
        setattr(changed, field, value)
    forged = tap.SealedTicket(body=changed.SerializeToString(), key_version=good.key_version, mac=good.mac)
    assert code_of(world, "Resolve", registry.ResolveRequest(ticket=forged.SerializeToString())) == "TICKET_INVALID"


def test_every_bit_of_a_sealed_ticket(world, holder):
    """Flipping any one bit: never answered OK (a bit in an unread place of the encoding may not exist)."""
    good = world.ticket(holder, tap.PURPOSE_RESOLVE, "A1")
    requests = []
    for i in range(len(good) * 8):
        bad = bytearray(good)
        bad[i // 8] ^= 1 << (i % 8)
        requests.append(registry.ResolveRequest(ticket=bytes(bad)))
    codes = {code for code, _ in world.flood("Resolve", requests[:900]) + world.flood("Resolve", requests[900:])}
    assert codes == {"TICKET_INVALID"}


def test_expiry(world, holder):
    now = int(time.time() * 1000)
    for ahead, expected in ((-1, "TICKET_EXPIRED"), (-60000, "TICKET_EXPIRED"), (60000, "TICKET_INVALID"), (5000, "OK")):
        ticket = world.ticket(holder, tap.PURPOSE_RESOLVE, "A1", expires_at_ms=now + ahead)
        assert code_of(world, "Resolve", registry.ResolveRequest(ticket=ticket)) == expected


def test_keys(world, holder):
    for version, key, expected in ((1, None, "OK"), (3, None, "OK"), (2, b"k" * 32, "TICKET_INVALID"),
                                   (3, world.ticket_key[1], "TICKET_INVALID"), (3, b"k" * 32, "TICKET_INVALID")):
        ticket = world.ticket(holder, tap.PURPOSE_RESOLVE, "A1", version=version, key=key)
        assert code_of(world, "Resolve", registry.ResolveRequest(ticket=ticket)) == expected


def test_no_ticket(world):
    for method in PURPOSES:
        assert code_of(world, method, request(method, b"")) == "TICKET_INVALID"
        empty = request(method, b"")
        empty.ClearField("ticket")
        assert code_of(world, method, empty) == "TICKET_INVALID"
        assert code_of(world, method, request(method, os.urandom(3000))) == "TICKET_INVALID"


def test_audiences(world, holder):
    for audience, expected in (("", "TICKET_INVALID"), ("x" * 33, "TICKET_INVALID"), ("'; --", "OPERATOR_UNKNOWN")):
        ticket = world.ticket(holder, tap.PURPOSE_RESOLVE, audience)
        assert code_of(world, "Resolve", registry.ResolveRequest(ticket=ticket)) == expected


def test_an_object_where_nothing_is_agreed_to(world, holder):
    for method, purpose in PURPOSES.items():
        if method in ("CreateId", "Link"):
            continue
        ticket = world.ticket(holder, purpose, "M1", b"o" * 32)
        assert code_of(world, method, request(method, ticket)) == "TICKET_INVALID"


# ---- garbage ----

@pytest.mark.parametrize("method", METHODS)
def test_garbage_is_answered_and_changes_nothing(world, method):
    before = snapshot(world)
    rng = random.Random(method)
    bodies = [b"\xff", b"\x0a", b"\x0a\xff\xff\xff\xff\x0f", b"\x08", bytes(2000), os.urandom(60000), b"\x0a\x02\xc3\x28"]
    bodies += [rng.randbytes(rng.randrange(1, 400)) for _ in range(150)]
    peer = world.bus.raw("gateway")
    tags = {peer.call(method, body, service="registry", timeout_ms=10000) for body in bodies}
    while tags:
        message = peer.receive(10)
        assert message is not None
        assert message.code not in ("INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED"), (method, message.code)
        tags.remove(message.header.tag)
    peer.close()
    assert world.process.alive()
    if method not in ("Invite", "ListOperators", "ListTerminals", "Pending"):
        assert snapshot(world) == before


@pytest.mark.parametrize("method", METHODS)
def test_wild_field_values(world, method):
    """Well-formed messages with hostile values in every field."""
    kind = getattr(registry, method + "Request")
    texts = ["", "'; DROP TABLE holder; --", "\\x00", "x" * 8000, "図" * 2000, "%s%n", "\u202e", "A1\n", "１２３"]
    requests = []
    for text in texts:
        made = kind()
        for field in made.DESCRIPTOR.fields:
            if field.type == field.TYPE_STRING:
                setattr(made, field.name, text)
            elif field.type == field.TYPE_BYTES:
                setattr(made, field.name, text.encode()[:5000])
        requests.append(made)
    codes = {code for code, _ in world.flood(method, requests)}
    assert not codes & {"INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED"}, codes


def test_unknown_methods(world):
    for method in ("Nothing", "resolve", "Relink"):
        with pytest.raises(Refused, match="UNKNOWN_METHOD"):
            world.ask(method, b"")


def test_still_well(world, holder):
    assert world.resolve(holder, "A1") == ["789"]
    assert '"level":"error"' not in world.process.text()
