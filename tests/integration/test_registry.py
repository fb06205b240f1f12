# SPDX-License-Identifier: Apache-2.0
"""The registry's methods through the bus: each success, each refusal, repeats; what may not be seen and may not be kept."""

import secrets
import string
import time

import pytest
from buslib import wait_for
from registrylib import TERMS, Card, Refused, World, object_link, object_terms
from wire import registry, tap


@pytest.fixture(scope="module")
def world():
    made = World()
    made.put_operator("M1", "MUNICIPALITY")
    for operator in ("A1", "B1", "C1", "D1"):
        made.put_operator(operator)
    made.add_terminal("t-town", "M1")
    made.add_terminal("t-a1", "A1")
    yield made
    made.close()


@pytest.fixture
def holder(world):
    """A card with an ID."""
    card = Card()
    card.created = world.create_id(card)
    return card


def number():
    return str(secrets.randbelow(10**9) + 10**9)  # 10 digits, never of My Number's length


def refused(code, detail=None):
    """with refused("NOT_LINKED"): exactly this code, and this detail if one is given."""
    return Expect(code, detail)


class Expect:
    def __init__(self, code, detail):
        self.code, self.detail, self.value = code, detail, None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        assert kind is Refused, f"{self.code} was expected, not {value or 'success'}"
        assert value.code == self.code, value
        if self.detail is not None:
            assert value.detail == self.detail, value
        self.value = value
        return True


# ---- create ----

def test_an_id_is_created(world):
    card = Card()
    reply = world.create_id(card)
    assert len(reply.mykey_id) == 8 and set(reply.mykey_id) <= set(string.ascii_uppercase + string.digits)
    assert len(reply.suspend_code) == 16 and reply.suspend_code.isdigit()
    assert world.show_id(card) == reply.mykey_id
    assert reply.suspend_code not in world.dump()


def test_creating_again_is_refused(world, holder):
    with refused("ALREADY_HAS_ID"):
        world.create_id(holder)


def test_the_same_request_again_gets_the_same_id_and_a_fresh_code(world):
    card, request = Card(), secrets.token_bytes(16)
    first = world.create_id(card, request_id=request)
    again = world.create_id(card, request_id=request)
    assert again.mykey_id == first.mykey_id and again.suspend_code != first.suspend_code
    with refused("SUSPEND_CODE_WRONG"):
        world.suspend(first.suspend_code)
    world.suspend(again.suspend_code)
    assert world.count("credential", f"credential_id = {card.sql}") == 1


def test_only_a_municipality_creates(world):
    with refused("OPERATOR_KIND"):
        world.create_id(Card(), "A1")
    with refused("OPERATOR_UNKNOWN"):
        world.create_id(Card(), "NOBODY")


def test_the_terms_must_be_the_ones_in_force(world):
    with refused("TERMS_OUTDATED"):
        world.create_id(Card(), terms="2025-9")
    for bad in ("", "x" * 17):
        with refused("BAD_REQUEST", "terms_version"):
            world.create_id(Card(), terms=bad)


def test_what_was_agreed_to_is_what_was_signed(world):
    card = Card()
    for signed in (b"", object_terms("2025-9"), secrets.token_bytes(32), object_link("M1", "1", TERMS)):
        ticket = world.ticket(card, tap.PURPOSE_CREATE_ID, "M1", signed)
        with refused("TICKET_INVALID", "object"):
            world.ask("CreateId", registry.CreateIdRequest(ticket=ticket, terms_version=TERMS))
    with refused("NO_MYKEY_ID"):
        world.show_id(card)


# ---- show, change ----

def test_a_card_without_an_id(world):
    card = Card()
    for act in (world.show_id, world.change_id, world.delete_id, world.resume_id):
        with refused("NO_MYKEY_ID"):
            act(card)
    for act in (world.resolve, world.unlink, world.withdraw):
        with refused("NO_MYKEY_ID"):
            act(card, "A1")
    with refused("NO_MYKEY_ID"):
        world.link(card, "A1", number())


@pytest.mark.parametrize("act", ["show_id", "change_id", "delete_id", "resume_id"])
def test_the_id_itself_is_for_municipal_counters(world, holder, act):
    with refused("OPERATOR_KIND"):
        getattr(world, act)(holder, "A1")
    with refused("OPERATOR_UNKNOWN"):
        getattr(world, act)(holder, "NOBODY")
    assert world.show_id(holder) == holder.created.mykey_id


def test_an_id_is_changed_and_its_links_stay(world, holder):
    mine = number()
    world.link(holder, "A1", mine)
    changed = world.change_id(holder)
    assert changed != holder.created.mykey_id and world.show_id(holder) == changed
    assert world.resolve(holder, "A1") == [mine]
    assert holder.created.mykey_id not in world.dump()


def test_a_repeated_change_changes_once(world, holder):
    request = secrets.token_bytes(16)
    changed = world.change_id(holder, request_id=request)
    for _ in range(3):
        assert world.change_id(holder, request_id=request) == changed
    assert world.change_id(holder) != changed


# ---- link ----

def test_a_number_is_linked_and_found_there_only(world, holder):
    mine = number()
    assert world.link(holder, "A1", mine) == mine
    assert world.resolve(holder, "A1") == [mine]
    with refused("NOT_LINKED"):
        world.resolve(holder, "B1")
    with refused("NOT_LINKED"):
        world.resolve(card_with_id(world), "A1")


def card_with_id(world):
    card = Card()
    world.create_id(card)
    return card


def test_full_width_is_narrowed_and_leading_zeros_stay(world, holder):
    for typed, stored in (("０８６", "086"), ("　０８７ ", "087"), ("00007", "00007")):
        assert world.link(holder, "C1", typed, normalised=stored) == stored
    assert world.resolve(holder, "C1") == ["086", "087", "00007"]


def test_linking_again_is_no_error(world, holder):
    mine = number()
    for _ in range(3):
        assert world.link(holder, "A1", mine) == mine
    assert world.resolve(holder, "A1") == [mine]
    assert world.count("consent", f"holder_id = (SELECT holder_id FROM registry.credential WHERE credential_id = {holder.sql})") == 1


def test_several_numbers_oldest_first_and_at_most_eight(world, holder):
    mine = [number() for _ in range(8)]
    for one in mine:
        world.link(holder, "A1", one)
    with refused("NUMBER_TAKEN"):
        world.link(holder, "A1", number())
    assert world.resolve(holder, "A1") == mine
    assert world.link(holder, "A1", mine[3]) == mine[3]
    world.link(holder, "B1", number())


def test_without_staff_no_link(world, holder):
    mine = number()
    for more in ({"confirmed": False}, {"scanned": number()}, {"scanned": ""}, {"scanned": mine + "0"}):
        with refused("STAFF_REQUIRED"):
            world.link(holder, "A1", mine, **more)
    request = world.link_request(holder, "A1", mine)
    request.ClearField("staff")
    with refused("STAFF_REQUIRED"):
        world.ask("Link", request)
    with refused("NOT_LINKED"):
        world.resolve(holder, "A1")
    assert world.link(holder, "A1", mine, scanned=f"　{mine} ") == mine  # as the scanner gives it


def test_the_number_that_was_signed_is_the_number_that_is_linked(world, holder):
    mine, other = number(), number()
    for signed in (object_link("A1", other, "1"), object_link("B1", mine, "1"), object_link("A1", mine, "2"), b"",
                   object_terms("1")):
        ticket = world.ticket(holder, tap.PURPOSE_LINK, "A1", signed)
        staff = registry.StaffConfirmation(scanned_customer_id=mine, confirmed=True)
        with refused("TICKET_INVALID", "object"):
            world.ask("Link", registry.LinkRequest(ticket=ticket, customer_id=mine, terms_version="1", staff=staff))
    with refused("NOT_LINKED"):
        world.resolve(holder, "A1")


@pytest.mark.parametrize("bad", ["", " ", "　", "A789", "78 9", "7" * 21, "7" * 65, "七八九", "7\n8", "789'; --"])
def test_ill_formed_numbers(world, holder, bad):
    with refused("NUMBER_INVALID"):
        world.link(holder, "A1", bad)


def test_a_my_number_is_never_taken_in(world, holder):
    """Check digits by the weights 6 5 4 3 2 7 6 5 4 3 2 (123456789018 passes)."""
    for typed, plain in (("123456789018", None), ("１２３４５６７８９０１８", "123456789018")):
        with refused("NUMBER_INVALID", "my_number"):
            world.link(holder, "A1", typed, normalised=plain)
    assert world.link(holder, "A1", "123456789019") == "123456789019"
    assert "123456789018" not in world.dump()


def test_an_operators_own_rule(world, holder):
    rule = registry.NumberRule(min_length=10, max_length=10, digits_only=True)
    world.put_operator("K1", number=rule)
    for bad in ("123456789", "12345678901", "123456789A"):
        with refused("NUMBER_INVALID", "rule"):
            world.link(holder, "K1", bad)
    assert world.link(holder, "K1", "0123456789") == "0123456789"
    world.put_operator("K2", output=registry.OutputSettings(symbology=registry.SYMBOLOGY_CODE39))
    assert world.link(holder, "K2", "AB-12") == "AB-12"
    with refused("NUMBER_INVALID", "rule"):
        world.link(holder, "K2", "ab-12")


def test_a_taken_number_is_refused_without_a_word_about_whose(world, holder):
    other, mine = card_with_id(world), number()
    world.link(other, "A1", mine)
    with refused("NUMBER_TAKEN", "") as answer:
        world.link(holder, "A1", mine)
    assert answer.value.body == b""
    assert world.resolve(other, "A1") == [mine]
    world.link(holder, "B1", mine)  # the same number of another operator is another number


def test_five_refusals_lock_linking_for_the_day(world, holder):
    other = card_with_id(world)
    taken = [number() for _ in range(5)]
    for one in taken:
        world.link(other, "A1", one)
    for one in taken:
        with refused("NUMBER_TAKEN"):
            world.link(holder, "A1", one)
    for operator in ("A1", "B1"):
        with refused("LINK_LOCKED"):
            world.link(holder, operator, number())
    world.link(card_with_id(world), "A1", number())  # others are not locked
    world.database.sql(f"UPDATE registry.link_refusal SET refused_on = refused_on - 1 WHERE credential_id = {holder.sql}")
    world.link(holder, "A1", number())  # tomorrow


def test_the_operators_terms_must_be_the_ones_in_force(world, holder):
    world.put_operator("T1", terms="2")
    with refused("TERMS_OUTDATED"):
        world.link(holder, "T1", number(), terms="1")
    world.link(holder, "T1", number(), terms="2")
    with refused("BAD_REQUEST", "terms_version"):
        world.link(holder, "T1", number(), terms="")


def test_unknown_operators(world, holder):
    with refused("OPERATOR_UNKNOWN"):
        world.link(holder, "NOBODY", number())
    for act in (world.resolve, world.unlink, world.withdraw):
        with refused("OPERATOR_UNKNOWN"):
            act(holder, "NOBODY")


# ---- unlink, consent ----

def test_unlink_takes_all_numbers_of_this_operator(world, holder):
    kept = number()
    for _ in range(3):
        world.link(holder, "A1", number())
    world.link(holder, "B1", kept)
    assert world.unlink(holder, "A1") == 3
    with refused("NOT_LINKED"):
        world.resolve(holder, "A1")
    with refused("NOT_LINKED"):
        world.unlink(holder, "A1")
    assert world.resolve(holder, "B1") == [kept]


def test_a_repeated_unlink_is_no_error_and_removes_nothing_new(world, holder):
    request, mine = secrets.token_bytes(16), number()
    world.link(holder, "A1", mine)
    assert world.unlink(holder, "A1", request_id=request) == 1
    world.link(holder, "A1", mine)
    assert world.unlink(holder, "A1", request_id=request) == 0  # the old act, not a new one
    assert world.resolve(holder, "A1") == [mine]


def test_one_request_id_for_two_acts_is_a_conflict(world, holder):
    request = secrets.token_bytes(16)
    world.link(holder, "A1", number(), request_id=request)
    with refused("CONFLICT"):
        world.link(holder, "A1", number(), request_id=request)
    with refused("CONFLICT"):
        world.unlink(holder, "A1", request_id=request)
    world.link(card_with_id(world), "A1", number(), request_id=request)  # another person's id is another id


def consents(world, card, operator):
    text = world.database.sql(f"""SELECT terms_version, withdrawn_on IS NOT NULL FROM registry.consent
        WHERE operator_id = '{operator}'
        AND holder_id = (SELECT holder_id FROM registry.credential WHERE credential_id = {card.sql})""")
    return sorted(text.split("\n")) if text else []


def test_consent_is_kept_by_unlink_and_ended_by_its_withdrawal(world, holder):
    mine = number()
    world.link(holder, "D1", mine)
    assert consents(world, holder, "D1") == ["1|f"]
    world.unlink(holder, "D1")
    assert consents(world, holder, "D1") == ["1|f"]
    assert world.withdraw(holder, "D1") == 0
    assert consents(world, holder, "D1") == ["1|t"]
    with refused("NOT_LINKED"):
        world.withdraw(holder, "D1")
    world.link(holder, "D1", mine)
    assert consents(world, holder, "D1") == ["1|f"]
    request = secrets.token_bytes(16)
    assert world.withdraw(holder, "D1", request_id=request) == 1
    assert world.withdraw(holder, "D1", request_id=request) == 0
    assert consents(world, holder, "D1") == ["1|t"]
    with refused("NOT_LINKED"):
        world.resolve(holder, "D1")


def test_a_refused_link_records_no_consent(world, holder):
    other, mine = card_with_id(world), number()
    world.link(other, "D1", mine)
    with refused("NUMBER_TAKEN"):
        world.link(holder, "D1", mine)
    assert consents(world, holder, "D1") == []


# ---- the operator's undo ----

def resolve_reply(world, card, operator):
    ticket = world.ticket(card, tap.PURPOSE_RESOLVE, operator)
    return world.ask("Resolve", registry.ResolveRequest(ticket=ticket))


def test_undo_is_told_once_at_the_next_tap_there(world, holder):
    wrong, right = number(), number()
    world.link(holder, "A1", wrong)
    world.link(holder, "A1", right)
    world.link(holder, "B1", right)
    world.undo("A1", "t-a1", wrong)
    assert list(resolve_reply(world, holder, "B1").notices) == []
    reply = resolve_reply(world, holder, "A1")
    assert list(reply.customer_ids) == [right] and list(reply.notices) == ["link_undone"]
    reply = resolve_reply(world, holder, "A1")
    assert list(reply.customer_ids) == [right] and list(reply.notices) == []


def test_undo_of_the_only_number_is_told_with_not_linked(world, holder):
    mine = number()
    world.link(holder, "A1", mine)
    world.undo("A1", "t-a1", f"　{mine}", "wrong_person")
    with refused("NOT_LINKED", "link_undone") as answer:
        world.resolve(holder, "A1")
    assert list(registry.ResolveReply.FromString(answer.value.body).notices) == ["link_undone"]
    with refused("NOT_LINKED", ""):
        world.resolve(holder, "A1")
    world.link(holder, "A1", mine)


def test_what_undo_refuses(world, holder):
    mine = number()
    world.link(holder, "A1", mine)
    for reason in ("", "because", "MISTYPED"):
        with refused("REASON_INVALID"):
            world.undo("A1", "t-a1", mine, reason)
    with refused("TERMINAL_UNKNOWN"):
        world.undo("A1", "t-nobody", mine)
    with refused("TERMINAL_UNKNOWN"):
        world.undo("A1", "t-town", mine)  # another operator's terminal
    with refused("NOT_LINKED"):
        world.undo("M1", "t-town", mine)  # its own operator: not its number
    with refused("NOT_LINKED"):
        world.undo("A1", "t-a1", number())
    for bad in ("", "x" * 33, "A 1", "A1'"):
        with refused("OPERATOR_UNKNOWN"):
            world.undo(bad, "t-a1", mine)
    assert world.resolve(holder, "A1") == [mine]


def test_a_repeated_undo_is_no_error_and_undoes_no_new_link(world, holder):
    mine, request = number(), secrets.token_bytes(16)
    world.link(holder, "A1", mine)
    for _ in range(2):
        world.undo("A1", "t-a1", mine, request_id=request)
    with refused("NOT_LINKED"):
        world.undo("A1", "t-a1", mine)
    world.link(holder, "A1", mine)
    world.undo("A1", "t-a1", mine, request_id=request)
    with refused("CONFLICT"):
        world.undo("A1", "t-a1", number(), request_id=request)
    assert world.resolve(holder, "A1") == [mine]


# ---- suspend, resume ----

def test_a_lost_card_is_suspended_by_its_code_at_once(world, holder):
    mine = number()
    world.link(holder, "A1", mine)
    code = holder.created.suspend_code
    world.suspend(" ".join(code[i:i + 4] for i in range(0, 16, 4)))
    for act in (world.resolve, world.unlink, world.withdraw):
        with refused("ID_SUSPENDED"):
            act(holder, "A1")
    with refused("ID_SUSPENDED"):
        world.link(holder, "A1", number())
    for act in (world.show_id, world.change_id, world.delete_id):
        with refused("ID_SUSPENDED"):
            act(holder)
    with refused("ALREADY_HAS_ID"):
        world.create_id(holder)
    world.suspend(code)  # once more is no error
    world.resume_id(holder)
    assert world.resolve(holder, "A1") == [mine]
    world.resume_id(holder)
    world.suspend(code)  # the code stays good
    world.resume_id(holder)


def test_a_repeated_resume_does_not_undo_a_later_suspension(world, holder):
    request = secrets.token_bytes(16)
    world.suspend(holder.created.suspend_code)
    world.resume_id(holder, request_id=request)
    world.suspend(holder.created.suspend_code)
    world.resume_id(holder, request_id=request)
    with refused("ID_SUSPENDED"):
        world.show_id(holder)


def test_who_may_suspend(world, holder):
    code = holder.created.suspend_code
    with refused("OPERATOR_KIND"):
        world.suspend(code, "A1", "t-a1")
    with refused("TERMINAL_UNKNOWN"):
        world.suspend(code, "M1", "t-a1")
    with refused("OPERATOR_UNKNOWN"):
        world.suspend(code, "NOBODY", "t-town")
    assert world.show_id(holder) == holder.created.mykey_id


def test_guessing_codes_closes_the_terminal_for_the_hour(world, holder):
    world.add_terminal("t-guess", "M1")
    for bad in ("", "123", "x" * 16, "1" * 17):
        with refused("SUSPEND_CODE_WRONG"):  # no code at all: not counted
            world.suspend(bad, terminal="t-guess")
    for _ in range(5):
        with refused("SUSPEND_CODE_WRONG"):
            world.suspend(f"{secrets.randbelow(10**16):016}", terminal="t-guess")
    for _ in range(2):
        with refused("SUSPEND_LOCKED"):
            world.suspend(holder.created.suspend_code, terminal="t-guess")
    assert '"event":"suspend_refused"' in world.process.text()
    world.suspend(holder.created.suspend_code)  # at another terminal
    world.database.sql("UPDATE registry.suspend_refusal SET refused_hour = refused_hour - interval '1 hour'")
    world.suspend(holder.created.suspend_code, terminal="t-guess")


# ---- pseudonyms ----

def points_ticket(world, card, purpose):
    """A ticket with a purpose of points, which proto/tap.proto keeps free and does not name yet."""
    inner = tap.TapTicket(consumer="registry", credential_id=card.credential, credential_key_version=1,
                          assurance=tap.ASSURANCE_PIN, audience="A1", terminal_id="t-1",
                          request_id=secrets.token_bytes(16), expires_at_ms=int(time.time() * 1000) + 9000).SerializeToString()
    version = max(world.ticket_key)
    return world.seal(inner + bytes([5 << 3, purpose]), version, world.ticket_key[version])


def test_each_service_knows_a_holder_by_its_own_name(world, holder):
    def ask(card, caller, purpose=20):
        return world.ask("Pseudonym", registry.PseudonymRequest(ticket=points_ticket(world, card, purpose)), caller).pseudonym
    mine = ask(holder, "points")
    assert len(mine) == 16 and ask(holder, "points", 39) == mine
    imported = ask(holder, "feed-import")
    assert len({mine, imported, ask(card_with_id(world), "points")}) == 3
    for caller in ("gateway", "ops"):
        with refused("DENIED"):
            ask(holder, caller)
    for purpose in (1, 9, 40):
        with refused("TICKET_INVALID", "purpose"):
            ask(holder, "points", purpose)
    with refused("NO_MYKEY_ID"):
        ask(Card(), "points")
    world.suspend(holder.created.suspend_code)
    with refused("ID_SUSPENDED"):
        ask(holder, "points")


# ---- operators ----

def test_an_operator_is_kept_with_its_defaults(world):
    world.put_operator("O1", municipality_code="141305", terms_ja="番号だけを\n記録します", terms_en="Only the number.")
    operator = world.ask("GetOperator", registry.GetOperatorRequest(operator_id="O1")).operator
    assert (operator.name_ja, operator.kind, operator.terms_version) == ("O1の窓口", registry.OPERATOR_KIND_LIBRARY, "1")
    assert (operator.number.min_length, operator.number.max_length, operator.number.digits_only) == (1, 20, False)
    out = operator.output
    assert (out.symbology, out.start_stop, out.check_digit, out.keyboard, out.key_suffix, out.key_start_stop,
            out.key_delay_ms, out.clear_after_s) == (registry.SYMBOLOGY_NW7, "AA", registry.CHECK_DIGIT_NONE, False,
                                                     registry.KEY_SUFFIX_ENTER, False, 5, 30)
    assert operator.municipality_code == "141305" and "\n" in operator.terms_ja


def test_an_operator_is_changed(world):
    world.put_operator("O2")
    output = registry.OutputSettings(symbology=registry.SYMBOLOGY_CODE39, keyboard=True, key_suffix=registry.KEY_SUFFIX_TAB,
                                     key_delay_ms=0, clear_after_s=600, start_stop="BC", key_start_stop=True)
    number_rule = registry.NumberRule(min_length=3, max_length=12, digits_only=True)
    world.put_operator("O2", "MUSEUM", terms="2", output=output, number=number_rule)
    operator = world.ask("GetOperator", registry.GetOperatorRequest(operator_id="O2")).operator
    output.check_digit = registry.CHECK_DIGIT_NONE
    assert operator.output == output and operator.number == number_rule
    assert (operator.kind, operator.terms_version) == (registry.OPERATOR_KIND_MUSEUM, "2")


def test_what_is_no_operator(world):
    with refused("BAD_REQUEST", "operator"):
        world.ask("PutOperator", registry.PutOperatorRequest(), "ops")
    for detail, more in (("municipality_code", {"municipality_code": "141306"}),
                         ("number.max_length", {"number": registry.NumberRule(max_length=65)}),
                         ("output.start_stop", {"output": registry.OutputSettings(start_stop="AE")}),
                         ("output.key_delay_ms", {"output": registry.OutputSettings(key_delay_ms=51)})):
        with refused("BAD_REQUEST", detail):
            world.put_operator("O3", **more)
    for bad in ("", "x" * 33, "図書館", "A 1", "A1;DROP"):
        with refused("BAD_REQUEST", "operator_id"):
            world.put_operator(bad)
        with refused("OPERATOR_UNKNOWN"):
            world.ask("GetOperator", registry.GetOperatorRequest(operator_id=bad))
    with refused("OPERATOR_UNKNOWN"):
        world.ask("GetOperator", registry.GetOperatorRequest(operator_id="O3"))


def test_operators_are_listed_in_pages(world):
    for i in range(40):
        world.put_operator(f"P{i:02}", terms_ja="あ" * 1300, terms_en="x" * 4000)  # 8 KB each: a page is full before 32
    seen, after, pages = [], "", 0
    while True:
        reply = world.ask("ListOperators", registry.ListOperatorsRequest(after=after), "ops")
        if not reply.operators:
            break
        assert reply.ByteSize() < 64 * 1024
        seen += [one.operator_id for one in reply.operators]
        after, pages = seen[-1], pages + 1
    assert seen == sorted(seen) and len(set(seen)) == len(seen) and {f"P{i:02}" for i in range(40)} <= set(seen)
    assert pages > 2
    with refused("BAD_REQUEST", "after"):
        world.ask("ListOperators", registry.ListOperatorsRequest(after="'"), "ops")


# ---- nothing is kept of a visit ----

def rows_written(world):
    """Ends the registry and counts: a session tells the last of its figures when it ends."""
    world.process.end()
    wait_for(lambda: world.database.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'registry'", role="postgres") == "0", 10)
    return world.database.sql("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables")


def test_a_hundred_resolves_leave_nothing(world, holder):
    mine = number()
    world.link(holder, "A1", mine)
    before = rows_written(world)
    world.start_registry()
    dump, log = world.dump(), world.process.text()
    for _ in range(100):
        assert world.resolve(holder, "A1") == [mine]
    assert world.dump() == dump
    assert world.process.text() == log
    assert rows_written(world) == before
    world.start_registry()


def test_logs_and_metrics_hold_no_person(world, holder):
    mine = number()
    world.link(holder, "A1", mine)
    world.undo("A1", "t-a1", mine)
    world.suspend(holder.created.suspend_code)
    world.resume_id(holder)
    changed = world.change_id(holder)
    text = world.process.text() + world.bus.ops("registry", "/metrics")
    for secret in (mine, holder.credential.hex(), holder.created.mykey_id, changed, holder.created.suspend_code):
        assert secret not in text
    assert 'mykey_registry_requests_total{method="UndoLink",code="OK"}' in text
    assert 'mykey_registry_links_undone_total{reason="mistyped"}' in text
