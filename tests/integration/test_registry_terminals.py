# SPDX-License-Identifier: Apache-2.0
"""Terminals: invite, enrol, issue, find, renew, revoke, list."""

import datetime
import hashlib
import secrets
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from registrylib import Refused, World
from wire import registry

DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def world():
    made = World()
    made.put_operator("A1")
    made.put_operator("B1", "MUSEUM")
    yield made
    made.close()


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Agent:
    """A terminal's key and request."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.csr = x509.CertificateSigningRequestBuilder().subject_name(name("whatever")).sign(
            self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
        self.spki = self.key.public_key().public_bytes(serialization.Encoding.DER,
                                                       serialization.PublicFormat.SubjectPublicKeyInfo)


AUTHORITY_KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(agent, terminal_id, days=90):
    now = datetime.datetime.utcnow().replace(microsecond=0)
    made = x509.CertificateBuilder().subject_name(name(terminal_id)).issuer_name(name("terminal CA")).public_key(
        agent.key.public_key()).serial_number(x509.random_serial_number()).not_valid_before(now - 100 * DAY).not_valid_after(
        now + days * DAY).sign(AUTHORITY_KEY, hashes.SHA256())
    end = int((now + days * DAY).replace(tzinfo=datetime.timezone.utc).timestamp() * 1000)
    return made.public_bytes(serialization.Encoding.DER), end


def invite(world, operator="A1", label="窓口1"):
    return world.ask("Invite", registry.InviteRequest(operator_id=operator, label=label), "ops")


def enrol(world, code, agent):
    return world.ask("Enrol", registry.EnrolRequest(code=code, csr=agent.csr))


def issue(world, enrolment_id, der, authority=b"\x30\x00"):
    return world.ask("Issue", registry.IssueRequest(enrolment_id=enrolment_id, certificate=der, authority=authority),
                     "terminal-ca")


def result(world, enrolment_id):
    return world.ask("EnrolResult", registry.EnrolResultRequest(enrolment_id=enrolment_id))


def pending(world):
    return {one.enrolment_id: one for one in world.ask("Pending", registry.PendingRequest(), "terminal-ca").pending}


def find(world, der):
    return world.ask("FindTerminal", registry.FindTerminalRequest(certificate_sha256=hashlib.sha256(der).digest()))


def revoke(world, terminal_id):
    world.ask("RevokeTerminal", registry.RevokeTerminalRequest(terminal_id=terminal_id), "ops")


def enrolled(world, operator="A1", days=90):
    """(agent, terminal id, certificate) of a terminal that is in use."""
    agent = Agent()
    asked = enrol(world, invite(world, operator).code, agent)
    der, _ = certificate(agent, asked.terminal_id, days)
    issue(world, asked.enrolment_id, der)
    return agent, asked.terminal_id, der


def test_from_invite_to_found(world):
    agent, invited = Agent(), invite(world)
    assert len(invited.code) == 26 and invited.terminal_id.startswith("t-")
    assert 86_000_000 < invited.expires_at_ms - time.time() * 1000 < 86_500_000
    assert invited.code not in world.dump() and invited.code not in world.process.text()
    asked = enrol(world, invited.code, agent)
    assert asked.terminal_id == invited.terminal_id
    with pytest.raises(Refused, match="ENROL_PENDING"):
        result(world, asked.enrolment_id)
    waiting = pending(world)[asked.enrolment_id]
    assert (waiting.terminal_id, waiting.operator_id, waiting.csr) == (invited.terminal_id, "A1", agent.csr)
    der, end = certificate(agent, invited.terminal_id)
    with pytest.raises(Refused, match="TERMINAL_UNKNOWN"):
        find(world, der)
    issue(world, asked.enrolment_id, der, b"\x30authority")
    assert asked.enrolment_id not in pending(world)
    got = result(world, asked.enrolment_id)
    assert (got.certificate, got.authority) == (der, b"\x30authority")
    found = find(world, der)
    assert found.operator.operator_id == "A1" and found.operator.output.start_stop == "AA"
    terminal = found.terminal
    assert (terminal.terminal_id, terminal.operator_id, terminal.state) == \
        (invited.terminal_id, "A1", registry.TERMINAL_STATE_ACTIVE)
    assert terminal.key_sha256 == hashlib.sha256(agent.spki).digest() and terminal.not_after_ms == end


def test_an_invite_serves_once_and_typing_is_forgiven(world):
    agent, invited = Agent(), invite(world)
    code = invited.code
    typed = " " + "-".join(code[i:i + 4] for i in range(0, 26, 4)).lower() + "　"
    first = enrol(world, typed, agent)
    assert enrol(world, code, agent) == first  # the answer was lost
    with pytest.raises(Refused, match="INVITE_INVALID"):
        enrol(world, code, Agent())
    assert world.count("enrolment", f"terminal_id = '{invited.terminal_id}'") == 1


def test_bad_invites(world):
    for bad in ("", "A" * 26, "A" * 25, "A" * 27, "x" * 5000, "1" * 26, "'--"):
        with pytest.raises(Refused, match="INVITE_INVALID"):
            enrol(world, bad, Agent())
    late = invite(world)
    world.database.sql(f"UPDATE registry.invite SET expires_at = now() WHERE terminal_id = '{late.terminal_id}'")
    with pytest.raises(Refused, match="INVITE_INVALID"):
        enrol(world, late.code, Agent())
    for operator in ("", "NOBODY", "x" * 33, "A 1"):
        with pytest.raises(Refused, match="OPERATOR_UNKNOWN"):
            invite(world, operator)
    for label in ("x" * 65, "a\nb"):
        with pytest.raises(Refused, match="BAD_REQUEST label"):
            invite(world, label=label)


def test_bad_requests(world):
    code = invite(world).code
    for csr in (b"", b"\x30", b"\x31" * 100, b"\x30" * 4097):
        with pytest.raises(Refused, match="BAD_REQUEST csr"):
            world.ask("Enrol", registry.EnrolRequest(code=code, csr=csr))
    for bad in (b"", b"x" * 15, b"x" * 17):
        with pytest.raises(Refused, match="BAD_REQUEST enrolment_id"):
            result(world, bad)
    with pytest.raises(Refused, match="NOT_FOUND"):
        result(world, secrets.token_bytes(16))
    with pytest.raises(Refused, match="BAD_REQUEST certificate_sha256"):
        world.ask("FindTerminal", registry.FindTerminalRequest(certificate_sha256=b"x" * 31))


def test_only_the_right_certificate_is_taken(world):
    agent, other = Agent(), Agent()
    asked = enrol(world, invite(world).code, agent)
    good, _ = certificate(agent, asked.terminal_id)
    for wrong in (certificate(other, asked.terminal_id)[0], certificate(agent, "t-other")[0],
                  certificate(agent, asked.terminal_id, days=-1)[0], good + b"x", good[:-1], b"", b"\x30" * 5000):
        with pytest.raises(Refused, match="BAD_REQUEST certificate"):
            issue(world, asked.enrolment_id, wrong)
    with pytest.raises(Refused, match="BAD_REQUEST authority"):
        issue(world, asked.enrolment_id, good, b"")
    with pytest.raises(Refused, match="NOT_FOUND"):
        issue(world, secrets.token_bytes(16), good)
    issue(world, asked.enrolment_id, good)
    issue(world, asked.enrolment_id, good)  # the answer was lost
    with pytest.raises(Refused, match="CONFLICT"):
        issue(world, asked.enrolment_id, certificate(agent, asked.terminal_id)[0])


def test_renewal_keeps_the_old_certificate_until_its_end(world):
    _, terminal_id, old = enrolled(world, days=30)
    agent = Agent()
    asked = world.ask("Renew", registry.RenewRequest(terminal_id=terminal_id, csr=agent.csr))
    assert world.ask("Renew", registry.RenewRequest(terminal_id=terminal_id, csr=agent.csr)) == asked
    newer = Agent()
    replaced = world.ask("Renew", registry.RenewRequest(terminal_id=terminal_id, csr=newer.csr))
    assert replaced != asked and asked.enrolment_id not in pending(world)
    new, end = certificate(newer, terminal_id)
    issue(world, replaced.enrolment_id, new)
    for der in (old, new):
        found = find(world, der).terminal
        assert found.terminal_id == terminal_id and found.not_after_ms == end  # of the newest
    assert find(world, old).terminal.key_sha256 != find(world, new).terminal.key_sha256
    digest = hashlib.sha256(old).hexdigest()
    world.database.sql(f"UPDATE registry.terminal_certificate SET not_after = now() WHERE certificate_sha256 = '\\x{digest}'")
    with pytest.raises(Refused, match="TERMINAL_UNKNOWN"):
        find(world, old)
    assert find(world, new).terminal.terminal_id == terminal_id
    for unknown in ("", "t-nobody", "x" * 5000):
        with pytest.raises(Refused, match="TERMINAL_UNKNOWN"):
            world.ask("Renew", registry.RenewRequest(terminal_id=unknown, csr=agent.csr))


def test_a_revoked_terminal_is_found_as_revoked_and_gets_nothing(world):
    agent, terminal_id, der = enrolled(world)
    asked = world.ask("Renew", registry.RenewRequest(terminal_id=terminal_id, csr=Agent().csr))
    revoke(world, terminal_id)
    revoke(world, terminal_id)
    assert find(world, der).terminal.state == registry.TERMINAL_STATE_REVOKED
    assert asked.enrolment_id not in pending(world)
    with pytest.raises(Refused, match="TERMINAL_REVOKED"):
        world.ask("Renew", registry.RenewRequest(terminal_id=terminal_id, csr=agent.csr))
    with pytest.raises(Refused, match="TERMINAL_REVOKED"):
        world.undo("A1", terminal_id, "789")
    for unknown in ("", "t-nobody", "x" * 5000):
        with pytest.raises(Refused, match="TERMINAL_UNKNOWN"):
            revoke(world, unknown)


def test_revoking_before_the_certificate(world):
    agent = Agent()
    asked = enrol(world, invite(world).code, agent)
    revoke(world, asked.terminal_id)
    for act in (lambda: issue(world, asked.enrolment_id, certificate(agent, asked.terminal_id)[0]),
                lambda: result(world, asked.enrolment_id)):
        with pytest.raises(Refused, match="NOT_FOUND"):
            act()
    unused = invite(world)
    revoke(world, unused.terminal_id)
    with pytest.raises(Refused, match="INVITE_INVALID"):
        enrol(world, unused.code, Agent())


def test_terminals_are_listed_in_pages(world):
    mine = {enrolled(world, "B1")[1] for _ in range(3)}
    world.database.sql("INSERT INTO registry.terminal SELECT 't-many-' || lpad(i::text, 3, '0'), 'B1', '' "
                       "FROM generate_series(1, 100) i")
    seen, after = [], ""
    while True:
        reply = world.ask("ListTerminals", registry.ListTerminalsRequest(operator_id="B1", after=after), "ops")
        if not reply.terminals:
            break
        seen += reply.terminals
        after = seen[-1].terminal_id
    ids = [one.terminal_id for one in seen]
    assert ids == sorted(ids) and len(ids) == 103 and mine <= set(ids)
    for one in seen:
        assert one.operator_id == "B1" and bool(one.not_after_ms) == (one.terminal_id in mine)
    every = world.ask("ListTerminals", registry.ListTerminalsRequest(), "ops").terminals
    assert len(every) == 64 and {one.operator_id for one in every} == {"A1", "B1"}


def test_pending_fits_a_message(world):
    for _ in range(20):
        world.ask("Enrol", registry.EnrolRequest(code=invite(world).code, csr=b"\x30" + secrets.token_bytes(4095)))
    reply = world.ask("Pending", registry.PendingRequest(), "terminal-ca")
    assert 8 <= len(reply.pending) <= 16 and reply.ByteSize() < 64 * 1024


def test_many_finds_at_once(world):
    agents = [enrolled(world) for _ in range(5)]
    wanted = [agents[i % 6][1] if i % 6 < 5 else None for i in range(600)]
    requests = [registry.FindTerminalRequest(certificate_sha256=hashlib.sha256(agents[i % 6][2]).digest() if i % 6 < 5 else
                                             secrets.token_bytes(32)) for i in range(600)]
    for (code, reply), terminal_id in zip(world.flood("FindTerminal", requests), wanted):
        assert code == ("OK" if terminal_id else "TERMINAL_UNKNOWN")
        assert terminal_id is None or reply.terminal.terminal_id == terminal_id
