# SPDX-License-Identifier: Apache-2.0
"""The registry's database by itself: migrations, privileges, data dictionary, races inside the functions."""

import csv
import hashlib
import os
import re
import subprocess
import uuid

import pytest
from pglib import ROOT, Database

SCHEMA = os.path.join(ROOT, "services", "registry", "schema")
DICTIONARY = os.path.join(ROOT, "docs", "data-dictionary.csv")


@pytest.fixture(scope="module")
def database():
    made = Database()
    made.make("registry")
    yield made
    made.close()


def hex_bytes(data):
    return f"'\\x{data.hex()}'::bytea"


def rand(size):
    return hex_bytes(os.urandom(size))


# ---- migrations ----

def test_migrating_again_applies_nothing(database):
    assert database.migrate("registry", SCHEMA).stdout == ""


def test_create_again_is_harmless(database):
    database.script("postgres", "create.sh", "registry")


@pytest.fixture
def fresh(database, tmp_path):
    """An empty database `points` with a folder of migrations."""
    database.script("postgres", "create.sh", "points")
    folder = tmp_path / "schema"
    folder.mkdir()
    (folder / "001-one.sql").write_text("CREATE TABLE one (a int);\n")
    (folder / "002-two.sql").write_text("CREATE TABLE two (a int);\n")
    database.sql("CREATE SCHEMA IF NOT EXISTS public; GRANT ALL ON SCHEMA public TO points_owner;", "points", "postgres")
    yield folder
    database.sql("DROP DATABASE points;", "postgres", "postgres")


def test_files_are_applied_in_order_and_once(database, fresh):
    assert database.migrate("points", str(fresh), "--plan").stdout.split("\n")[:2] == \
        ["would apply 001-one.sql", "would apply 002-two.sql"]
    assert database.migrate("points", str(fresh)).stdout == "applied 001-one.sql\napplied 002-two.sql\n"
    (fresh / "003-three.sql").write_text("CREATE TABLE three (a int);\n")
    assert database.migrate("points", str(fresh)).stdout == "applied 003-three.sql\n"
    assert database.sql("SELECT count(*) FROM migration.applied", "points") == "3"


def test_a_changed_file_is_an_error(database, fresh):
    database.migrate("points", str(fresh))
    (fresh / "001-one.sql").write_text("CREATE TABLE one (a bigint);\n")
    done = database.migrate("points", str(fresh), check=False)
    assert done.returncode != 0 and "001-one.sql was changed" in done.stderr


def test_a_missing_file_is_an_error(database, fresh):
    database.migrate("points", str(fresh))
    (fresh / "001-one.sql").unlink()
    done = database.migrate("points", str(fresh), check=False)
    assert done.returncode != 0 and "001-one.sql is gone" in done.stderr


def test_a_failing_file_leaves_nothing(database, fresh):
    (fresh / "002-two.sql").write_text("CREATE TABLE two (a int);\nSELECT 1/0;\n")
    done = database.migrate("points", str(fresh), check=False)
    assert done.returncode != 0 and "division by zero" in done.stderr
    assert database.sql("SELECT string_agg(file, ',') FROM migration.applied", "points") == "001-one.sql"
    assert database.sql("SELECT to_regclass('two') IS NULL", "points") == "t"


def test_migrations_at_once_wait_for_each_other(database, fresh):
    (fresh / "002-two.sql").write_text("SELECT pg_sleep(0.5);\nCREATE TABLE two (a int);\n")
    env = {**os.environ, "PGHOST": database.socket_dir, "PGUSER": "points_owner"}
    script = os.path.join(ROOT, "deploy", "db", "migrate.sh")
    running = [subprocess.Popen([script, "points", str(fresh)], env=env, stdout=subprocess.PIPE, text=True)
               for _ in range(4)]
    outputs = [one.communicate(timeout=30)[0] for one in running]
    assert [one.returncode for one in running] == [0] * 4
    assert sorted(outputs)[-1] == "applied 001-one.sql\napplied 002-two.sql\n" and sorted(outputs)[:3] == [""] * 3


def test_no_files_is_an_error(database, tmp_path):
    assert database.migrate("registry", str(tmp_path), check=False).returncode == 2


# ---- privileges ----

def test_the_service_role_has_no_table_privilege(database):
    tables = database.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'registry'").split()
    assert len(tables) >= 15
    for table in tables:
        for what in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"):
            allowed = database.sql(f"SELECT has_table_privilege('registry', 'registry.{table}', '{what}')")
            assert allowed == "f", f"{what} on {table}"
        with pytest.raises(RuntimeError, match="permission denied"):
            database.sql(f"SELECT * FROM registry.{table}", role="registry")


def test_the_service_role_calls_only_what_it_is_granted(database):
    allowed = set(database.sql("""SELECT proname FROM pg_proc WHERE pronamespace = 'registry'::regnamespace
        AND has_function_privilege('registry', oid, 'EXECUTE')""").split())
    every = set(database.sql("SELECT proname FROM pg_proc WHERE pronamespace = 'registry'::regnamespace").split())
    with open(os.path.join(ROOT, "services", "registry", "statements.tbl.h"), encoding="utf-8") as file:
        used = set(re.findall(r"registry\.([a-z_]+)\(", file.read()))
    assert allowed == used
    assert {"load_holder", "load_link", "take_mykey_id", "request_mark"} <= every - allowed
    with pytest.raises(RuntimeError, match="permission denied"):
        database.sql(f"SELECT registry.load_holder({rand(32)}, 1, 'AAAA1111')", role="registry")


def test_the_service_role_makes_nothing(database):
    for text in ("CREATE TABLE registry.x (a int)", "CREATE TABLE public.x (a int)", "CREATE TEMP TABLE x (a int)",
                 "CREATE SCHEMA x", "CREATE ROLE x"):
        with pytest.raises(RuntimeError, match="permission denied"):
            database.sql(text, role="registry")


def test_open_functions_fix_their_search_path(database):
    loose = database.sql("""SELECT proname FROM pg_proc WHERE pronamespace = 'registry'::regnamespace AND prosecdef
        AND NOT 'search_path=registry, pg_temp' = ANY (proconfig)""")
    assert loose == ""


def test_strangers_have_no_door(database):
    for role in ("points", "feed_import"):
        database.sql(f"DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
                     "postgres", "postgres")
        with pytest.raises(RuntimeError, match="permission denied"):
            database.sql("SELECT 1", "registry", role)


# ---- the data dictionary ----

def dictionary():
    with open(DICTIONARY, encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["database"] == "registry"]


def test_schema_equals_the_data_dictionary(database):
    real = set(database.sql("""SELECT table_name || '.' || column_name || ' ' || data_type
        FROM information_schema.columns WHERE table_schema = 'registry'""").split("\n"))
    told = {f"{row['table']}.{row['column']} {row['type']}" for row in dictionary()}
    assert real == told


def test_every_column_says_why_and_how_long():
    for row in dictionary():
        assert row["purpose"] and row["retention"] and row["basis"], row


def test_no_column_has_a_banned_name(database):
    banned = re.compile(r"my_?number|kojin|個人番号|name|addr|birth|sex|isbn|title|item|sku|jan|loan|borrow|purchase")
    for column in database.sql("SELECT column_name FROM information_schema.columns WHERE table_schema = 'registry'").split():
        assert not banned.search(column), column


def test_free_forms_are_only_where_they_are_listed(database):
    found = set(database.sql("""SELECT table_name || '.' || column_name FROM information_schema.columns
        WHERE table_schema = 'registry' AND data_type IN ('json', 'jsonb', 'xml', 'ARRAY', 'hstore')""").split())
    assert found == set()


def test_each_primary_key_carries_its_distribution_column(database):
    keys = {}
    for line in database.sql("""SELECT c.relname, a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
            WHERE c.relnamespace = 'registry'::regnamespace AND i.indisprimary""").split("\n"):
        table, column = line.split("|")
        keys.setdefault(table, set()).add(column)
    told = {}
    for row in dictionary():
        if row["distribution"]:
            told.setdefault(row["table"], set()).add(row["column"])
    assert set(told) == set(keys)
    for table, columns in told.items():
        assert len(columns) == 1 and columns <= keys[table], table


def test_no_sequences_and_no_cross_shard_keys(database):
    assert database.sql("SELECT count(*) FROM pg_sequences WHERE schemaname = 'registry'") == "0"
    foreign = database.sql("""SELECT conrelid::regclass || '>' || confrelid::regclass || pg_get_constraintdef(oid)
        FROM pg_constraint WHERE contype = 'f' AND connamespace = 'registry'::regnamespace""").split("\n")
    assert len(foreign) == 3
    for one in foreign:
        assert ">registry.holder" in one and "(holder_id)" in one


# ---- inside the functions ----

def put_operator(database, operator_id, kind, terms="1"):
    database.sql(f"""SELECT registry.put_operator('{operator_id}', {kind}, 'x', 'x', 1, 20, false, 1, 'AA', 1, false, 2, false,
        5, 30, '{terms}', '', '', '')""")


def create(database, credential, candidates, operator_id="M1", request=None):
    array = ",".join(f"'{one}'" for one in candidates)
    return database.sql(f"""SELECT code, r_mykey_id FROM registry.create_id({credential}, 1, '{operator_id}',
        {request or rand(32)}, {rand(32)}, '{uuid.uuid4()}', ARRAY[{array}], {rand(32)})""", role="registry")


def test_an_id_that_was_issued_is_never_issued_again(database):
    put_operator(database, "M1", 6)
    one, two = rand(32), rand(32)
    assert create(database, one, ["TAKEN001"]) == "OK|TAKEN001"
    assert create(database, two, ["TAKEN001", "FREE0001"]) == "OK|FREE0001"
    changed = database.sql(f"""SELECT code, r_mykey_id FROM registry.change_id({one}, 'M1', {rand(32)}, {rand(32)},
        ARRAY['TAKEN001', 'FREE0001', 'FREE0002'])""", role="registry")
    assert changed == "OK|FREE0002"
    # TAKEN001 is retired now: as a hash only, and still not to be had.
    assert database.sql("SELECT count(*) FROM registry.mykey_id WHERE mykey_id = 'TAKEN001'") == "0"
    digest = hashlib.sha256(b"TAKEN001").hexdigest()
    assert database.sql(f"SELECT count(*) FROM registry.retired_id WHERE id_hash = '\\x{digest}'") == "1"
    assert create(database, rand(32), ["TAKEN001", "FREE0003"]) == "OK|FREE0003"


def test_no_free_candidate_undoes_the_whole_create(database):
    put_operator(database, "M1", 6)
    create(database, rand(32), ["FULL0001"])
    credential = rand(32)
    with pytest.raises(RuntimeError, match="every candidate is taken"):
        create(database, credential, ["FULL0001"])
    assert database.sql(f"SELECT count(*) FROM registry.credential WHERE credential_id = {credential}") == "0"
    assert create(database, credential, ["FULL0002"]) == "OK|FULL0002"


def test_resolve_writes_nothing(database):
    put_operator(database, "A1", 1)
    credential = rand(32)
    database.sql(f"SELECT registry.load_holder({credential}, 1, 'LOAD0001'); SELECT registry.load_link({credential}, 'A1', '789')")
    before = database.sql("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables")
    text = f"SELECT * FROM registry.resolve(ARRAY[{credential}, {rand(32)}, {credential}], ARRAY['A1', 'A1', 'NOBODY'])"
    assert database.sql(text, role="registry").split("\n") == \
        ["1|OK|789|f", "2|NO_MYKEY_ID||f", "3|OPERATOR_UNKNOWN||f"]
    read_only = "BEGIN READ ONLY;" + (text + ";") * 5 + "COMMIT;"
    assert database.sql(read_only, role="registry").count("789") == 5
    assert database.sql("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables") == before


def test_sweep_removes_what_is_over(database):
    database.sql(f"""SET search_path = registry;
        INSERT INTO request_done VALUES ({rand(32)}, {rand(32)}, japan_today() - 2), ({rand(32)}, {rand(32)}, japan_today());
        INSERT INTO link_refusal VALUES ({rand(32)}, japan_today() - 1, 5), ({rand(32)}, japan_today(), 1);
        INSERT INTO suspend_refusal VALUES ('t-old', now() - interval '2 hours', 5);
        INSERT INTO invite VALUES ({rand(32)}, 't-x', 'A1', '', now() - interval '1 second');
        INSERT INTO enrolment VALUES ({rand(16)}, 't-x', '\\x30', now() - interval '8 days');
        INSERT INTO terminal_certificate VALUES ({rand(32)}, 't-x', {rand(32)}, now() - interval '2 days');""")
    assert database.sql("SELECT r_removed FROM registry.sweep()", role="registry") == "6"
    assert database.sql("SELECT r_removed FROM registry.sweep()", role="registry") == "0"


def test_loading_the_seed_table(database):
    """MY123456 → A1 789, B1 2342, C1 873 … leading zero kept."""
    table = {"MY123456": {"A1": "789", "B1": "2342", "C1": "873"}, "MY654321": {"A1": "2231", "D1": "4562"},
             "MY246135": {"C1": "086"}}
    for operator_id in ("A1", "B1", "C1", "D1"):
        put_operator(database, operator_id, 1)
    database.sql("DELETE FROM registry.service_link")
    for mykey_id, links in table.items():
        credential = hex_bytes(hashlib.sha256(mykey_id.encode()).digest())
        for _ in range(2):  # loading again is harmless
            database.sql(f"SELECT registry.load_holder({credential}, 1, '{mykey_id}')")
            for operator_id, number in links.items():
                database.sql(f"SELECT registry.load_link({credential}, '{operator_id}', '{number}')")
        for operator_id, number in links.items():
            text = f"SELECT r_customer FROM registry.resolve(ARRAY[{credential}], ARRAY['{operator_id}'])"
            assert database.sql(text, role="registry") == number
    with pytest.raises(RuntimeError, match="linked to another holder"):
        database.sql(f"SELECT registry.load_link({hex_bytes(hashlib.sha256(b'MY246135').digest())}, 'A1', '789')")
