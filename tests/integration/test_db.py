# SPDX-License-Identifier: Apache-2.0
"""common/db against a real PostgreSQL server."""

import os
import re
import subprocess

from pglib import Database


def test_common_db():
    database = Database()
    try:
        for name in ("registry", "points"):
            database.script("postgres", "create.sh", name)
        database.sql("""CREATE SCHEMA own; ALTER ROLE registry_owner SET search_path = own;
            CREATE TABLE own.once (a bigint PRIMARY KEY);
            CREATE FUNCTION own.raise_lock() RETURNS void LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'lock_not_available'; END $$""")
        env = {**os.environ, "MYKEY_TEST_DATABASE": database.conninfo("registry", "registry_owner"),
               "MYKEY_TEST_EMPTY_DATABASE": database.conninfo("points", "points_owner")}
        program = os.path.join(os.environ["MYKEY_BUILD"], "common", "db", "test_db")
        done = subprocess.run([program], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                              check=False)
        assert done.returncode == 0, done.stdout
        assert re.search(r"\[  PASSED  \] 14 test", done.stdout), done.stdout
    finally:
        database.close()
