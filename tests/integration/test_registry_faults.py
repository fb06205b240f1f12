# SPDX-License-Identifier: Apache-2.0
"""The registry under races, losses and restores: one ID a card, one holder a number, and nobody comes back."""

import os
import random
import resource
import secrets
import signal
import string
import subprocess
import threading

import pytest
from buslib import wait_for
from registrylib import REGISTRY, TERMS, Card, Refused, World, object_terms
from wire import registry, tap


@pytest.fixture(scope="module")
def stack():
    made = World()
    yield made
    made.close()


@pytest.fixture
def world(stack):
    stack.reset()
    prepare(stack)
    return stack


def prepare(world):
    world.put_operator("M1", "MUNICIPALITY")
    world.put_operator("A1")
    world.put_operator("B1")
    world.add_terminal("t-a1", "A1")
    world.add_terminal("t-town", "M1")


def card_with_id(world):
    card = Card()
    card.created = world.create_id(card)
    return card


def create_request(world, card, **more):
    ticket = world.ticket(card, tap.PURPOSE_CREATE_ID, "M1", object_terms(), **more)
    return registry.CreateIdRequest(ticket=ticket, terms_version=TERMS)


# ---- races ----

def test_a_thousand_parallel_creates_make_one_id(world):
    world.start_registry("registry-2")
    card = Card()
    answers = world.flood("CreateId", [create_request(world, card) for _ in range(1000)])
    codes = [code for code, _ in answers]
    assert codes.count("OK") == 1 and codes.count("ALREADY_HAS_ID") == 999
    assert world.count("credential") == world.count("holder") == world.count("mykey_id") == world.count("suspend_code") == 1
    (reply,) = [reply for _, reply in answers if reply]
    assert world.show_id(card) == reply.mykey_id


def test_a_thousand_repeats_of_one_create_answer_one_id(world):
    world.start_registry("registry-2")
    card, request = Card(), secrets.token_bytes(16)
    answers = world.flood("CreateId", [create_request(world, card, request_id=request) for _ in range(1000)])
    assert {code for code, _ in answers} == {"OK"}
    assert len({reply.mykey_id for _, reply in answers}) == 1
    assert world.count("credential") == world.count("holder") == world.count("mykey_id") == world.count("suspend_code") == 1
    codes = {reply.suspend_code for _, reply in answers}
    good = 0
    world.database.sql("INSERT INTO registry.terminal SELECT 't-' || i, 'M1', '' FROM generate_series(1, 250) i")
    for i, code in enumerate(codes):
        try:
            world.suspend(code, terminal=f"t-{i // 4 + 1}")
            good += 1
        except Refused as refusal:
            assert refusal.code == "SUSPEND_CODE_WRONG"
    assert good == 1  # the last one given


def test_two_holders_race_for_one_number(world):
    world.start_registry("registry-2")
    one, two = card_with_id(world), card_with_id(world)
    for number in range(100, 130):
        answers = world.flood("Link", [world.link_request(card, "A1", str(number)) for card in (one, two) * 2])
        winners = {i % 2 for i, (code, _) in enumerate(answers) if code == "OK"}
        assert len(winners) == 1, answers
        assert {code for i, (code, _) in enumerate(answers) if i % 2 not in winners} == {"NUMBER_TAKEN"}
        world.database.sql("DELETE FROM registry.link_refusal; DELETE FROM registry.service_link;")


def test_a_repeated_change_in_parallel_changes_once(world):
    world.start_registry("registry-2")
    card, request = card_with_id(world), secrets.token_bytes(16)
    ticket = world.ticket(card, tap.PURPOSE_CHANGE_ID, "M1", request_id=request)
    answers = world.flood("ChangeId", [registry.ChangeIdRequest(ticket=ticket)] * 200)
    assert {code for code, _ in answers} == {"OK"} and len({reply.mykey_id for _, reply in answers}) == 1
    assert world.count("retired_id") == 1


def test_everything_at_once_on_one_holder(world):
    """Random acts from many threads on few cards: no deadlock answer, and the tables agree with each other at the end."""
    world.start_registry("registry-2")
    world.database.sql("INSERT INTO registry.terminal SELECT 't-' || i, 'M1', '' FROM generate_series(0, 479) i")
    cards = [Card() for _ in range(3)]
    codes, errors = {card: "0" * 16 for card in cards}, []

    def create(card):
        codes[card] = world.create_id(card).suspend_code

    def act(seed):
        rng = random.Random(seed)
        for i in range(60):
            card, number = rng.choice(cards), str(rng.randrange(100, 104))
            acts = [lambda: create(card), lambda: world.change_id(card), lambda: world.delete_id(card),
                    lambda: world.link(card, "A1", number), lambda: world.unlink(card, "A1"),
                    lambda: world.withdraw(card, "A1"), lambda: world.undo("A1", "t-a1", number),
                    lambda: world.suspend(codes[card], terminal=f"t-{seed * 60 + i}"), lambda: world.resume_id(card),
                    lambda: world.resolve(card, "A1")]
            try:
                rng.choice(acts)()
            except Refused as refusal:
                if refusal.code in ("INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "BUSY", "CONFLICT"):
                    errors.append(refusal)

    threads = [threading.Thread(target=act, args=(seed,)) for seed in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert errors == []
    check_whole(world)


def check_whole(world):
    """Every row that points at a holder points at one that is there; one ID and one code a holder."""
    for table in ("credential", "mykey_id", "suspend_code", "service_link", "consent", "pseudonym", "notice"):
        assert world.count(table, "holder_id NOT IN (SELECT holder_id FROM registry.holder)") == 0, table
    for table in ("mykey_id", "credential", "suspend_code"):
        assert world.count(table) == world.count("holder"), table
    # What taps answer is what the tables say.
    told = "SELECT credential_id, operator_id, ordinal, customer_id, noticed FROM registry.lookup"
    true = """SELECT c.credential_id, l.operator_id, l.ordinal, l.customer_id, EXISTS (SELECT FROM registry.notice n
        WHERE n.holder_id = h.holder_id AND n.operator_id = l.operator_id)
        FROM registry.holder h JOIN registry.credential c USING (holder_id) JOIN registry.service_link l USING (holder_id)
        WHERE NOT h.suspended"""
    for one, other in ((told, true), (true, told)):
        assert world.database.sql(f"SELECT count(*) FROM ({one} EXCEPT {other}) x") == "0"


def test_an_unlink_is_seen_by_the_next_resolve_of_every_registry(world):
    for i in (2, 3):
        world.start_registry(f"registry-{i}")
    card, other = card_with_id(world), card_with_id(world)
    world.link(other, "A1", "111")
    for i in range(20):
        world.link(card, "A1", str(200 + i))
        requests = [registry.ResolveRequest(ticket=world.ticket(one, tap.PURPOSE_RESOLVE, "A1"))
                    for _ in range(30) for one in (card, other)]
        answers = world.flood("Resolve", requests)
        assert all(reply.customer_ids == [str(200 + i)] for _, reply in answers[::2])
        world.unlink(card, "A1")
        answers = world.flood("Resolve", requests)
        assert {code for code, _ in answers[::2]} == {"NOT_LINKED"}
        assert all(reply.customer_ids == ["111"] for _, reply in answers[1::2])
    for i in (1, 2, 3):
        name = "registry" if i == 1 else f"registry-{i}"
        assert world.bus.metric("mykey_registry_requests_total", name, method="Resolve") > 0


# ---- losses ----

def test_postgresql_killed_and_back(world):
    card = card_with_id(world)
    world.link(card, "A1", "789")
    for _ in range(2):
        world.database.kill()
        with pytest.raises(Refused, match="UNAVAILABLE"):
            world.resolve(card, "A1")
        wait_for(lambda: world.readyz() == (503, '{"ready":false,"reasons":["database"]}\n'), 10)
        world.database.start()
        world.wait_ready(world.process)
        assert world.resolve(card, "A1") == ["789"]
    assert world.process.alive()


def answers(world, card):
    try:
        return world.show_id(card)
    except Refused as refusal:
        assert refusal.code in ("UNAVAILABLE", "NO_WORKERS", "DEADLINE_EXCEEDED"), refusal
        return None


def kill_during_acts(world, kill):
    """Whatever was acknowledged is there; whatever was not may be asked again under the same request id."""
    cards = [Card() for _ in range(60)]
    requests = [secrets.token_bytes(16) for _ in cards]
    acknowledged = {}

    def run():
        for i, card in enumerate(cards):
            while i not in acknowledged:
                try:
                    acknowledged[i] = world.create_id(card, request_id=requests[i]).mykey_id
                except Refused as refusal:
                    assert refusal.code in ("UNAVAILABLE", "NO_WORKERS", "DEADLINE_EXCEEDED", "BUSY"), refusal

    thread = threading.Thread(target=run)
    thread.start()
    for limit in (15, 35):
        wait_for(lambda: len(acknowledged) >= limit, 20, pause=0.002)
        kill()
    thread.join(60)
    assert len(acknowledged) == len(cards)
    wait_for(lambda: answers(world, cards[0]), 20)  # the last act may have been done before the last kill
    for i, card in enumerate(cards):
        assert world.show_id(card) == acknowledged[i]
    assert world.count("holder") == len(cards)
    check_whole(world)


def test_postgresql_killed_in_the_middle_of_acts(world):
    def kill():
        world.database.kill()
        world.database.start()
    kill_during_acts(world, kill)


def test_registry_killed_in_the_middle_of_acts(world):
    def kill():
        world.process.signal(signal.SIGKILL)
        world.start_registry()
    kill_during_acts(world, kill)


def test_a_hanging_database_is_answered_in_time(world):
    card = card_with_id(world)
    world.link(card, "A1", "789")
    pids = [int(pid) for pid in world.database.sql(
        "SELECT pid FROM pg_stat_activity WHERE usename = 'registry'").split()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        ticket = world.ticket(card, tap.PURPOSE_RESOLVE, "A1")
        with pytest.raises(Refused, match="DEADLINE_EXCEEDED"):
            world.ask("Resolve", registry.ResolveRequest(ticket=ticket), timeout_ms=400)

        def works():
            try:
                return world.resolve(card, "A1") == ["789"]
            except Refused:
                return False
        wait_for(works, 15)  # over new connections
    finally:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass


def test_drain_answers_what_is_under_way(world):
    world.start_registry("registry-2")
    card = card_with_id(world)
    world.link(card, "A1", "789")
    done, failed, stop = [], [], threading.Event()

    def run():
        while not stop.is_set():
            try:
                done.append(world.resolve(card, "A1"))
            except Refused as refusal:
                failed.append(refusal)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for one in threads:
        one.start()
    for process in list(world.registries):
        wait_for(lambda: len(done) > 50, 10)
        process.signal(signal.SIGTERM)
        assert process.wait(20) == 0, process.text()
        world.start_registry(process.name)
        done.clear()
    stop.set()
    for one in threads:
        one.join()
    assert failed == []


# ---- deletion ----

def deletions(world):
    with open(world.bus.path("deletions"), encoding="ascii") as file:
        return [line.split()[1] for line in file.read().splitlines()]


def holder_of(world, card):
    return world.database.sql(f"SELECT holder_id FROM registry.credential WHERE credential_id = {card.sql}")


def test_deletion_leaves_nothing_that_leads_to_the_person(world):
    other = card_with_id(world)
    world.link(other, "A1", "111")
    before = world.dump()
    card = card_with_id(world)
    world.link(card, "A1", "9876598765")
    world.link(card, "B1", "5678956789")
    world.unlink(card, "B1")
    world.undo("A1", "t-a1", "9876598765")
    world.link(card, "A1", "9876698766")
    with pytest.raises(Refused):
        world.link(card, "A1", "111")
    first = card.created.mykey_id
    second = world.change_id(card)
    holder = holder_of(world, card)
    world.delete_id(card)
    after = world.dump()
    for trace in (card.credential.hex(), first, second, holder, "9876598765", "9876698766", "5678956789", card.created.suspend_code):
        assert trace not in after, trace
    # What is new besides: hashes of retired IDs and, for a day, of requests.
    new = [line for line in after.split("\n") if line.startswith("INSERT") and line not in before]
    assert all(line.startswith(("INSERT INTO registry.retired_id", "INSERT INTO registry.request_done")) for line in new), new
    assert deletions(world) == [holder.replace("-", "")]
    for act in (world.resolve, world.unlink):
        with pytest.raises(Refused, match="NO_MYKEY_ID"):
            act(card, "A1")
    with pytest.raises(Refused, match="SUSPEND_CODE_WRONG"):
        world.suspend(card.created.suspend_code)
    again = world.create_id(card)
    assert again.mykey_id not in (first, second)
    assert world.resolve(other, "A1") == ["111"]


def test_a_repeated_deletion_is_no_error_and_deletes_no_new_id(world):
    card, request = card_with_id(world), secrets.token_bytes(16)
    for _ in range(3):
        world.delete_id(card, request_id=request)
    with pytest.raises(Refused, match="NO_MYKEY_ID"):
        world.delete_id(card)
    made = world.create_id(card)
    world.delete_id(card, request_id=request)
    assert world.show_id(card) == made.mykey_id
    assert len(deletions(world)) == 1


def test_no_log_no_deletion(world):
    """The line could not be written: the holder stays, and is told so."""
    card = card_with_id(world)
    world.process.end()
    size = 44 * 2000
    with open(world.bus.path("deletions"), "w", encoding="ascii") as file:
        file.writelines(f"2026-01-01 {secrets.token_hex(16)}\n" for _ in range(2000))

    def no_file_may_grow_beyond():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    world.start_registry(options={"preexec_fn": no_file_may_grow_beyond, "restore_signals": False})  # SIGXFSZ ignored
    with pytest.raises(Refused, match="UNAVAILABLE"):
        world.delete_id(card)
    assert world.show_id(card) == card.created.mykey_id
    assert '"event":"deletion_log_failed"' in world.process.text()


def test_a_restored_backup_brings_nobody_back(world):
    kept, gone = card_with_id(world), card_with_id(world)
    world.link(kept, "A1", "111")
    world.link(gone, "A1", "222")
    backup = subprocess.run(["pg_dump", "-h", world.database.socket_dir, "-U", "registry_owner", "-d", "registry", "-Fc", "-n",
                             "registry"], stdout=subprocess.PIPE, check=True).stdout
    world.delete_id(gone)
    # While the registry runs: the restore drops and makes the schema, then the server is started again.
    world.database.sql("DROP SCHEMA registry CASCADE")
    subprocess.run(["pg_restore", "-h", world.database.socket_dir, "-U", "registry_owner", "-d", "registry"], input=backup,
                   check=True)
    assert world.count("holder") == 2
    world.database.stop()
    world.database.start()
    world.wait_ready(world.process)
    wait_for(lambda: world.count("holder") == 1)
    assert world.resolve(kept, "A1") == ["111"]
    with pytest.raises(Refused, match="NO_MYKEY_ID"):
        world.resolve(gone, "A1")
    assert "222" not in [line for line in world.dump().split("\n") if "service_link" in line]
    # And by a registry that starts on the restored data; a second replay changes nothing.
    for _ in range(2):
        world.process.end()
        world.start_registry()
        assert world.resolve(kept, "A1") == ["111"] and world.count("holder") == 1


def test_killed_between_the_log_and_the_deletion(world):
    card = card_with_id(world)
    holder = holder_of(world, card)
    world.process.end()
    with open(world.bus.path("deletions"), "a", encoding="ascii") as file:
        file.write(f"2026-01-01 {holder.replace('-', '')}\n2026-01-01 0123")  # and a torn line
    world.start_registry()
    with pytest.raises(Refused, match="NO_MYKEY_ID"):
        world.show_id(card)
    assert '"event":"deletions_replayed"' in world.process.text()
    assert '"event":"deletion_log_malformed"' in world.process.text()
    other = card_with_id(world)
    world.delete_id(other)
    world.process.end()
    world.start_registry()
    assert world.count("holder") == 0


def test_a_long_deletion_log_is_replayed_whole(world):
    card = card_with_id(world)
    holder = holder_of(world, card)
    world.process.end()
    with open(world.bus.path("deletions"), "a", encoding="ascii") as file:
        for _ in range(5000):
            file.write(f"2026-01-01 {secrets.token_hex(16)}\n")
        file.write(f"2026-01-01 {holder.replace('-', '')}\n")
    world.start_registry()
    assert world.count("holder") == 0


# ---- settings ----

def test_what_is_wrong_with_the_settings_is_told(world):
    command = [REGISTRY, "--check-config"]
    for name, value in world.settings().items():
        command += ["--set", f"{name}={value}"]
    assert subprocess.run(command, check=False).returncode == 0
    missing = [REGISTRY, "--check-config", "--set", "registry.database=dbname=x"]
    done = subprocess.run(missing, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2 and "registry." in done.stderr
    for name in ("registry.ticket_keys", "registry.suspend_keys"):
        wrong = world.start_registry("wrong", ready=False, **{name: world.bus.path("nothing")})
        assert wrong.wait(10) == 1 and "the key file is missing" in wrong.text()
    wrong = world.start_registry("wrong", ready=False, **{"registry.deletion_log": "/no/such/folder/log"})
    assert wrong.wait(10) == 1 and "deletion log" in wrong.text()


def test_a_wrong_database_is_not_ready(world):
    lost = world.start_registry("lost", ready=False, **{"registry.database": "host=/nonexistent dbname=x user=x"})
    wait_for(lambda: world.readyz("lost")[0] == 503 and "database" in world.readyz("lost")[1])
    world.process.end()
    assert lost.text().count("event") < 20  # no storm of lines


def test_suspension_codes_survive_a_key_rotation(world):
    card = card_with_id(world)
    world.process.end()
    world.keys("suspend.keys", {**world.suspend_key, 20: secrets.token_bytes(32)})
    world.start_registry()
    newer = card_with_id(world)
    for one in (card, newer):
        world.suspend(one.created.suspend_code)
        with pytest.raises(Refused, match="ID_SUSPENDED"):
            world.show_id(one)


def test_ids_are_spread_over_the_alphabet(world):
    answers = world.flood("CreateId", [create_request(world, Card()) for _ in range(300)])
    ids = [reply.mykey_id for _, reply in answers]
    assert len(set(ids)) == 300
    assert set("".join(ids)) == set(string.ascii_uppercase + string.digits)
