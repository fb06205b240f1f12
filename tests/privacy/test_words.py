# SPDX-License-Identifier: Apache-2.0
"""Every column and every field of a message is in docs/data-dictionary.csv with its reason, and none has a word that stands for
what is not kept. That the dictionary equals the real database: tests/integration/test_registry_schema.py."""

import glob
import re

import pytest
from logschema import FIELDS, HEAD
from words import EXCEPTIONS, ROOT, dictionary, is_banned, message_fields


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    return message_fields(str(tmp_path_factory.mktemp("proto") / "all.binpb"))


def test_messages_equal_the_data_dictionary(messages, found):
    told = {(row["table"], row["column"]): row["type"] for row in dictionary(["message"])}
    assert told == messages
    assert len(dictionary(["message"])) == len(told) > 200
    columns = len(dictionary()) - len(told)
    found(f"表の列{columns}、通信の項目{len(told)}、すべて理由付きで一覧にある",
          f"{columns} columns and {len(told)} fields of messages, each listed with its reason")


def test_every_row_says_why_and_how_long():
    for row in dictionary():
        assert row["purpose"] and row["retention"] and row["basis"], row


def names(messages):
    """(where, name) of all that could hold a fact."""
    places = {(f"{row['database']}.{row['table']}", row["column"]) for row in dictionary() if row["database"] != "message"}
    places |= {(f"message {message}", field) for message, field in messages}
    places |= {("log", field) for field in (*FIELDS, *HEAD)}
    for path in glob.glob(f"{ROOT}/services/**/*.[ch]", recursive=True) + glob.glob(f"{ROOT}/common/**/*.[ch]", recursive=True):
        with open(path, encoding="utf-8") as file:
            places |= {("metric", label) for label in re.findall(r'[{,]([a-z_]+)=\\"', file.read())}
    return places


def test_no_name_has_a_banned_word(messages, found):
    everything = names(messages)
    assert {kind.split(" ")[0].split(".")[0] for kind, _ in everything} >= {"registry", "message", "log", "metric"}
    assert {place for place in everything if is_banned(place[1])} == set(EXCEPTIONS)
    found(f"名前{len(everything)}個、例外{len(EXCEPTIONS)}個（理由付き）", f"{len(everything)} names, {len(EXCEPTIONS)} exceptions, each with its reason")


def test_every_exception_has_a_reason():
    assert all(len(reason) > 10 for reason in EXCEPTIONS.values())


@pytest.mark.parametrize("name", ["my_number", "mynumber", "holder_name", "birth_date", "addr", "last_used", "tapped_at", "book_title",
                                  "loan_count", "e_mail", "sex", "個人番号", "card_serial", "PIN"])
def test_what_is_banned_is_seen(name):
    assert is_banned(name)


@pytest.mark.parametrize("name", ["number", "environment", "parameter", "suspend_code", "janitor", "message"])
def test_a_word_inside_a_word_is_no_fault(name):
    assert not is_banned(name)


def test_no_column_can_take_anything():
    """No free form: what is not typed cannot be promised."""
    assert not [row for row in dictionary() if row["type"].split()[0] in ("json", "jsonb", "xml", "ARRAY", "hstore", "struct")]
