# SPDX-License-Identifier: Apache-2.0
"""From revocation lists to refused cards: mykey-jpki-revocation beside mykey-jpki-verify, and what may go wrong with lists,
with the loader and with its index."""

import os
import shutil
import signal
import time

import pytest
from buslib import wait_for
from jpkilib import authority, card, own, run_testca  # noqa: F401

STALE = ("REVOCATION_STALE", "revocation")


def lists(own):
    return f"{own.ca}/crl"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def put(own, name, data):
    """As an operator would: beside its place, then renamed."""
    with open(f"{lists(own)}/.{name}", "wb") as file:
        file.write(data)
    os.rename(f"{lists(own)}/.{name}", f"{lists(own)}/{name}")


def index_count(own):
    return len(own.loader_events("index_written"))


# ---- what lists say is done ----


def test_a_revocation_is_seen_and_nothing_is_lost_meanwhile(own):
    own.launch()
    assert own.answer(card(own, "card-1"))[0] == "OK"
    run_testca(own.ca, "revoke", "card-1", "--reason", "hold")
    seen = []

    def revoked():
        seen.extend(own.gather(own.send_many(card(own, "card-3"), 20)))
        return own.answer(card(own, "card-1")) == ("CERT_REVOKED", "revoked")

    wait_for(revoked)
    assert set(seen) == {"OK"}


def test_an_ended_list_of_one_root_keeps_no_other_back(own):
    run_testca(own.ca, "crl", "--root", "auth-2")
    run_testca(own.ca, "crl", "--root", "auth-1", "--next-update", "+3s")
    own.launch()
    ending = read(f"{lists(own)}/auth-1.crl")
    wait_for(lambda: own.answer(card(own, "card-2"))[0] == "REVOCATION_STALE")
    run_testca(own.ca, "revoke", "card-1")
    assert read(f"{lists(own)}/auth-1.crl") == ending
    wait_for(lambda: own.answer(card(own, "card-1"))[0] == "CERT_REVOKED")


def test_data_past_its_time_refuses_every_card(own):
    run_testca(own.ca, "crl", "--next-update", "+6s")
    own.launch()
    assert own.answer(card(own, "card-1"))[0] == "OK"
    wait_for(lambda: own.answer(card(own, "card-1")) == STALE)
    _, text = wait_for(lambda: own.readyz() if own.readyz()[0] == 503 else None)
    assert "revocation" in text
    assert own.answer(card(own, "card-evil"))[0] == "CERT_UNTRUSTED"
    run_testca(own.ca, "crl")
    wait_for(lambda: own.answer(card(own, "card-1"))[0] == "OK")
    assert wait_for(lambda: own.readyz()[0] == 200)


def test_without_data_every_card_is_refused(own):
    shutil.rmtree(lists(own))
    own.launch(ready=False)
    wait_for(lambda: own.readyz()[0] == 503 and own.events("parser_ready"))
    assert wait_for(lambda: own.answer(card(own, "card-1"))) == STALE
    assert wait_for(lambda: own.loader_events("lists_unreadable"))
    assert own.http("/readyz", "loader")[0] == 503
    os.mkdir(lists(own))
    run_testca(own.ca, "crl")
    wait_for(lambda: own.answer(card(own, "card-1"))[0] == "OK")
    assert own.http("/readyz", "loader")[0] == 200


def test_many_revoked_serials(own):
    run_testca(own.ca, "crl", "--root", "auth-2", "--random", "20000")
    own.launch()
    assert own.answer(card(own, "card-1"))[0] == "OK"
    assert own.answer(card(own, "card-revoked"))[0] == "CERT_REVOKED"
    assert 'mykey_jpki_revoked_serials{root="auth-2.der"} 2000' in own.metrics()
    assert "mykey_revocation_serials 2000" in own.metrics("loader")


# ---- lists of one distribution point ----


@pytest.fixture
def cities(own):
    """auth-1 has no whole list: one for Mitaka, none for Chofu yet."""
    for city in ("Mitaka-shi", "Chofu-shi"):
        run_testca(own.ca, "issue", f"of-{city}", "--root", "auth-1", "--city", city)
    run_testca(own.ca, "issue", "gone", "--root", "auth-1", "--city", "Mitaka-shi")
    run_testca(own.ca, "revoke", "gone")
    os.unlink(f"{lists(own)}/auth-1.crl")
    os.rename(f"{lists(own)}/auth-1-Chofu-shi.crl", f"{own.ca}/later.crl")
    return own.launch()


def test_a_citys_list_speaks_for_its_cards_only(cities):
    wait_for(lambda: cities.answer(card(cities, "of-Mitaka-shi"))[0] == "OK")
    assert cities.answer(card(cities, "gone")) == ("CERT_REVOKED", "revoked")
    assert cities.answer(card(cities, "of-Chofu-shi")) == STALE
    assert cities.answer(card(cities, "card-2")) == STALE, "of the same root, without a list"
    assert cities.answer(card(cities, "card-1"))[0] == "OK", "of another root, with a whole list"
    put(cities, "chofu.crl", read(f"{cities.ca}/later.crl"))
    wait_for(lambda: cities.answer(card(cities, "of-Chofu-shi"))[0] == "OK")
    assert cities.answer(card(cities, "card-2")) == STALE


def test_a_citys_list_that_ended_is_stale_and_a_whole_list_stands_in(cities):
    run_testca(cities.ca, "crl", "--root", "auth-1", "--city", "Mitaka-shi", "--next-update", "+3s")
    wait_for(lambda: cities.answer(card(cities, "of-Mitaka-shi")) == STALE)
    assert cities.answer(card(cities, "gone")) == STALE
    run_testca(cities.ca, "crl", "--root", "auth-1")
    wait_for(lambda: cities.answer(card(cities, "of-Mitaka-shi"))[0] == "OK")
    assert cities.answer(card(cities, "gone")) == ("CERT_REVOKED", "revoked"), "what an ended list has revoked stays so"
    assert cities.answer(card(cities, "of-Chofu-shi"))[0] == "OK"


def test_many_lists_at_once(own):
    names = [f"City-{number}" for number in range(40)]
    for name in names:
        run_testca(own.ca, "crl", "--root", "auth-2", "--city", name)
    own.launch()
    wait_for(lambda: 'mykey_jpki_revocation_lists{root="auth-2.der"} 41' in own.metrics())
    assert "mykey_revocation_lists 42" in own.metrics("loader")


# ---- lists that are not taken ----


@pytest.mark.parametrize("how, fault", [("unsigned", "signature"), ("wrong_issuer", "issuer"), ("evil_key", "signature"),
                                        ("truncated", "form"), ("some_reasons", "scope"), ("ended", "next_update"),
                                        ("twice", "duplicate")])
def test_a_wrong_list_is_ignored_and_told(own, how, fault):
    own.launch()
    run_testca(own.ca, "crl", "--root", "auth-2", "--spoil", how)
    told = wait_for(lambda: own.loader_events("revocation_list_ignored"))
    assert told[0]["detail"] == fault and told[0]["file"] == "auth-2.crl"
    assert f'mykey_revocation_lists_ignored_total{{fault="{fault}"}} 1' in own.metrics("loader")
    assert own.answer(card(own, "card-1"))[0] == "OK", "the list in use is still good"
    for process in (own.process, own.loader):
        process.end()
    own.launch()
    assert own.answer(card(own, "card-1"))[0] == "OK", "also after a restart of both"


def test_an_older_list_is_not_taken(own):
    run_testca(own.ca, "revoke", "card-1")
    before = read(f"{lists(own)}/auth-2.crl")
    run_testca(own.ca, "revoke", "card-3")
    own.launch()
    assert own.answer(card(own, "card-3"))[0] == "CERT_REVOKED"
    put(own, "auth-2.crl", before)
    told = wait_for(lambda: own.loader_events("revocation_list_ignored"))
    assert told[0]["detail"] == "older"
    assert own.answer(card(own, "card-3"))[0] == "CERT_REVOKED"
    run_testca(own.ca, "crl", "--root", "auth-2", "--number", "5")
    wait_for(lambda: len(own.loader_events("revocation_list_ignored")) == 2)
    assert own.loader_events("revocation_list_ignored")[1]["detail"] == "older", "a number that goes back"


def test_the_same_list_again_changes_nothing(own):
    own.launch()
    written, taken = index_count(own), len(own.loader_events("revocation_list_taken"))
    put(own, "copy.crl", read(f"{lists(own)}/auth-2.crl"))
    run_testca(own.ca, "crl", "--root", "auth-1")
    wait_for(lambda: index_count(own) > written)
    assert len(own.loader_events("revocation_list_taken")) == taken + 1
    assert own.loader_events("revocation_list_ignored") == []


def test_a_list_that_is_too_large_is_not_copied(own):
    own.launch_loader(**{"revocation.list_max": 2000})
    os.truncate(f"{lists(own)}/auth-1.crl", 2001)
    told = wait_for(lambda: [line for line in own.loader_events("revocation_list_ignored") if line["file"] == "auth-1.crl"])
    assert "too large" in told[-1]["detail"]


def test_what_is_no_file_is_not_read(own):
    os.unlink(f"{lists(own)}/auth-1.crl")
    os.mkfifo(f"{lists(own)}/auth-1.crl")
    os.symlink("/dev/zero", f"{lists(own)}/zero.crl")
    own.launch()
    assert own.answer(card(own, "card-1"))[0] == "OK"
    assert {line["file"] for line in own.loader_events("revocation_list_ignored")} == {"auth-1.crl", "zero.crl"}


# ---- the loader and its index ----


def test_a_killed_loader_leaves_the_index(own):
    own.launch()
    for _ in range(5):
        run_testca(own.ca, "crl", "--root", "auth-2", "--random", "30000")
        own.loader.signal(signal.SIGKILL)
        own.loader.wait()
        assert own.answer(card(own, "card-1"))[0] == "OK"
        own.launch_loader()
        time.sleep(0.3)
    wait_for(lambda: 'mykey_jpki_revoked_serials{root="auth-2.der"} 3000' in own.metrics())
    assert own.answer(card(own, "card-revoked"))[0] == "CERT_REVOKED"
    assert own.events("parser_died") == []


def test_a_killed_reader_is_told_and_the_next_list_is_read(own):
    """A list that its reader dies of is not tried for ever."""
    own.launch_loader()
    wait_for(lambda: index_count(own))
    run_testca(own.ca, "crl", "--root", "auth-2", "--random", "300000")

    def kill_reader():
        with open(f"/proc/{own.loader.pid}/task/{own.loader.pid}/children", encoding="ascii") as file:
            for pid in file.read().split():
                os.kill(int(pid), signal.SIGKILL)
        return [line for line in own.loader_events("revocation_list_ignored") if line["detail"] == "Killed"]

    wait_for(kill_reader, 20)
    run_testca(own.ca, "crl", "--root", "auth-1")
    run_testca(own.ca, "crl", "--root", "auth-2")
    wait_for(lambda: len(own.loader_events("revocation_list_taken")) >= 4)


def test_a_damaged_index_leaves_the_one_in_use(own):
    own.launch()
    own.loader.end()
    index = own.path("revocation/index")
    good = read(index)
    for bad in (good[:-8], good[:200] + b"\xff" + good[201:], b""):
        with open(f"{index}.new", "wb") as file:
            file.write(bad)
        os.rename(f"{index}.new", index)
        seen = len(own.events("revocation_kept"))
        wait_for(lambda seen=seen: len(own.events("revocation_kept")) > seen)
        assert own.answer(card(own, "card-1"))[0] == "OK"
    os.unlink(index)
    assert own.answer(card(own, "card-1"))[0] == "OK"
    own.launch_loader()
    run_testca(own.ca, "revoke", "card-1")
    wait_for(lambda: own.answer(card(own, "card-1"))[0] == "CERT_REVOKED")


def test_stopping_ends_the_reader(own):
    own.launch_loader()
    wait_for(lambda: index_count(own))
    own.loader.signal(signal.SIGTERM)
    assert own.loader.wait() == 0
