# SPDX-License-Identifier: Apache-2.0
"""What is left of a visit, looked for on a whole platform after a day's story (world.py). Each search also looks for something
that must be there: a search that finds nothing anywhere has not been made."""

import collections
import concurrent.futures
import json
import os
import pathlib
import random
import re
import secrets
import statistics
import time
import urllib.parse

import demo
import pytest
from card_log import ALLOWED, asked_of
from logschema import faults_of
from memory import MESSAGE, memory_of, stands_alone
from simcardlib import Station
from soft_terminal import Refused
from wire import tap, terminal
from world import CANARIES, PIN, TOWN, WRONG_PIN, clear, files_below, hits

LIMIT = 4.5  # Welch's t: beyond it, by chance once in 100,000 runs
RESOLVE = tap.PURPOSE_RESOLVE
FACE = "00A4040C0AD3921000310001010408"
# Logs of programs that aren't ours: looked through for persons, but with lines of their own form.
FOREIGN = ("postgresql.log", "edge-a.log", "edge-b.log", "pcscd/pcscd.log", "reader.log", "terminal-ca.log")


def personal(world):
    """Every value that leads to a holder of the story: text by "card: what"."""
    cards = {card: world.secrets_of(card) for card in ("card-1", "card-2")}
    return {f"{card}: {what}": text for card, told in {**cards, **world.told}.items() for what, text in told.items()}


# ---- the card ----

def test_only_the_authentication_part_of_a_card_is_asked_for(world, found):
    asked = collections.Counter()
    for name in ("A1", TOWN):
        asked += asked_of([json.loads(line) for line in world.stack.counters[name].card("log").splitlines() if line.startswith("{")])
    assert asked["sign", "auth-key"] >= 6 and set(asked) <= ALLOWED, set(asked) - ALLOWED
    total = sum(asked.values())
    found(f"カードへの命令{total}回、すべて利用者証明用の部分だけ", f"{total} commands to cards, all to the part for user authentication")


def test_a_program_that_asked_for_more_would_be_seen(world):
    """The card tells its name and number to whoever asks, and its log says so."""
    with Station(world.layout.in_data("ca", "cards"), insert="card-canary") as station, station.client() as curious:
        curious.connect()
        told = [curious.apdu(command)[0] for command in (FACE, "00A4020C020002", "00B0000000")][-1]
        assert set(hits(told, CANARIES)) == set(CANARIES)
        assert set(asked_of(station.log())) - ALLOWED == {("select", FACE[10:].lower()), ("select-ef", "face-person"), ("read", "face-person")}


# ---- canaries ----

def test_nothing_of_the_cards_other_contents_is_on_disk(world, found):
    """The database's files with its write-ahead log, keys, profiles, settings, logs; not the folder that plays the cards."""
    for name in ("sign.der", "face-person.bin"):
        with open(os.path.join(world.card_folder("card-canary"), name), "rb") as file:
            assert set(hits(file.read(), CANARIES)) == set(CANARIES)  # they are on the card
    world.stack.cluster.sql("CHECKPOINT")
    count, size, seen_in = 0, 0, set()
    certificate = world.card("card-canary").certificate[400:464]
    for path, data in files_below(world.layout.data, world.layout.run, without=(world.layout.in_data("ca"), world.wiretap.path)):
        assert hits(data, CANARIES) == [], path
        assert certificate not in data, path
        count, size = count + 1, size + len(data)
        if world.canary_number.encode() in data:
            seen_in.add("wal" if "pg_wal" in str(path) else "tables" if "/base/" in str(path) else str(path))
    assert seen_in == {"wal", "tables"}  # the number that is kept, where it is kept
    assert hits(world.dump().encode(), CANARIES) == []
    found(f"ファイル{count}個、{size >> 20} MiB：0件", f"{count} files, {size >> 20} MiB: none")


def test_nothing_of_the_card_is_on_the_network_in_clear(world, found):
    time.sleep(0.3)
    heard = pathlib.Path(world.wiretap.path).read_bytes()
    assert b"GET /v1/events" in heard  # page and agent talk on one machine, without TLS
    assert len(heard) > 100000
    certificate = world.card("card-canary").certificate[400:464]
    assert hits(heard, CANARIES) == [] and certificate not in heard
    found(f"通信{len(heard) >> 10} KiBを記録：0件", f"{len(heard) >> 10} KiB of traffic recorded: none")


def has_pin(data):
    """In a row of text, alone."""
    return any(stands_alone(data, match.start(), 4) for match in re.finditer(rf"{PIN}|{WRONG_PIN}".encode(), data))


def test_no_pin_is_on_the_network(world, found):
    """Between page and agent, which are on one machine, a message has one digit; elsewhere there is nothing of it."""
    time.sleep(0.3)
    pages = {urllib.parse.urlsplit(counter.url).port for counter in world.stack.counters.values()}
    ours, digits, count, size = pages | set(world.stack.ports.values()), b"", 0, 0
    for ports, payload in world.wiretap.frames():
        if not ports & ours:
            continue  # other tests are at work on this machine
        keys = [match[1] for match in MESSAGE.finditer(payload)]
        assert len(keys) <= (1 if ports & pages else 0)
        assert not has_pin(payload)
        digits, count, size = digits + b"".join(keys), count + 1, size + len(payload)
    assert PIN.encode() in digits and WRONG_PIN.encode() in digits  # it was typed, key by key
    found(f"通信{count}件・{size >> 10} KiB：暗証番号0件（同じ端末の中、画面から端末プログラムへは一けたずつ）",
          f"{count} segments, {size >> 10} KiB: no PIN (inside the terminal, from its page to its program, a digit at a time)")


def test_nothing_of_the_card_is_in_memory_where_a_core_file_could_take_it(world, found):
    verify, size, processes = bytes.fromhex("0020008004") + PIN.encode(), 0, 0
    for name, pids in world.processes().items():
        known = False
        for pid in pids:
            processes += 1
            for _, part in memory_of(pid, shared=pid == min(pids)):
                size += len(part)
                known = known or name.split("-")[0].encode() in part
                assert hits(part, CANARIES) == [], name
                assert verify not in part, name
        assert known or not name.startswith(("broker", "registry", "gateway", "jpki")), name
    found(f"プロセス{processes}個のメモリー{size >> 20} MiB：0件", f"memory of {processes} processes, {size >> 20} MiB: none")


def test_no_core_file_is_written(world, found):
    ours = {name: pids for name, pids in world.processes().items() if not name.startswith(("postgresql", "edge", "terminal-ca"))}
    for name, pids in ours.items():
        for pid in pids:
            with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
                line = next(line for line in limits if line.startswith("Max core file size"))
            assert line.split()[4:6] == ["0", "0"], name
    found(f"常駐プログラム{len(ours)}個すべて、メモリーの書き出し禁止", f"{len(ours)} programs, all forbidden to write core files")


def test_the_browser_keeps_nothing(world, found):
    wanted = {**CANARIES, **world.told["card-canary"]}
    assert world.browser_files and any(b"127.0.0.1" in data for _, data in world.browser_files)
    for path, data in world.browser_files:
        assert hits(data, wanted) == [], path
    local, session, cookie = json.loads(world.storage)
    assert local == {} and set(session) == {"mykey-token"} and cookie == ""  # the page's right to ask this agent, while it is open
    found(f"ブラウザーのファイル{len(world.browser_files)}個：0件", f"{len(world.browser_files)} files of the browser: none")


# ---- logs and metrics ----

def texts_of(line):
    """Without times, counts and random names, which may hold any four digits."""
    return [value for name, value in json.loads(line).items() if isinstance(value, str) and name not in ("ts", "trace_id", "inst")]


def test_every_log_line_keeps_to_its_form(world, found):
    count = 0
    for name, text in world.logs().items():
        if not name.endswith(FOREIGN):
            for line in text.splitlines():
                assert faults_of(line) == [], f"{name}: {line}"
                assert not has_pin(" ".join(map(str, texts_of(line))).encode()), f"{name}: {line}"
                count += 1
    assert count >= 40
    found(f"{count}行、すべて許可された項目だけ", f"{count} lines, all with allowed fields only")


def test_no_log_line_and_no_metric_names_a_person(world, found):
    texts = world.logs()
    texts |= {f"metrics of {name}": process.metrics() for name, process in world.stack.processes.items() if process.ops}
    assert "tap_done" in texts["agent-A1.log"] and "mykey_gateway_requests_total" in texts["metrics of gateway-1"]
    wanted = {**CANARIES, **personal(world)}
    for name, text in texts.items():
        assert hits(text.encode(), wanted) == [], name
    size = sum(map(len, texts.values()))
    found(f"記録と計測値{size >> 10} KiB、探した値{len(wanted)}種：0件",
          f"{size >> 10} KiB of logs and metrics, {len(wanted)} values looked for: none")


# ---- visits ----

def lines_without_time(world, before):
    """New lines by log, without what differs from line to line: time, trace, duration."""
    new = {}
    for name, text in world.logs().items():
        lines = [json.loads(line) for line in text[len(before.get(name, "")):].splitlines() if line.startswith("{")]
        new[name] = sorted(json.dumps({key: value for key, value in line.items() if key not in ("ts", "trace_id", "dur_us")})
                           for line in lines)
    return {name: lines for name, lines in new.items() if lines}


def series(world):
    """Names and labels of all metrics, without their values."""
    return {line.rsplit(" ", 1)[0] for process in world.stack.processes.values() if process.ops
            for line in process.metrics().splitlines() if line.startswith("mykey_")}


def visit_50_times(world, card, number):
    soft, counter, mine = world.terminal("A1"), world.stack.counter("A1"), world.card(card)
    for _ in range(45):
        assert list(soft.redeem(soft.challenge(RESOLVE, "A1"), mine).customer_ids) == [number]
    for _ in range(5):
        assert demo.tap(counter, card)["number"]["values"] == [number]
        clear(counter)


def test_a_hundred_taps_leave_nothing_that_tells_who_came(world, found):
    """Fifty of one holder, fifty of another: no row, and what is logged is the same for both."""
    world.terminal("A1")
    rows, left, names = world.dump(), [], []
    for card, number in (("card-1", "789"), ("card-2", "2231")):
        before = world.logs()
        visit_50_times(world, card, number)
        left.append(lines_without_time(world, before))
        names.append(series(world))
    assert world.dump() == rows
    assert left[0] == left[1]
    assert names[0] == names[1]
    lines = sum(map(len, left[0].values()))
    found(f"データベースの行の増減0。二人の来館で残った記録は各{lines}行で、区別できない",
          f"no row more or less; {lines} log lines of each of two persons, the same but for the time")


def test_a_deleted_id_leaves_nothing_that_leads_to_the_person(world, found):
    gone = world.told["card-new"]
    assert all(gone[what] in world.backup for what in ("credential", "holder", "MyKey ID", "customer number"))
    assert hits(world.dump().encode(), gone) == []
    for name, text in world.logs().items():
        assert hits(text.encode(), gone) == [], name
    with open(world.layout.in_data("deletions.log"), encoding="ascii") as file:
        assert [line.split()[1:] for line in file] == [[gone["holder, bare"]]]  # the random id alone, for restored backups
    with pytest.raises(Refused, match="NO_MYKEY_ID"):
        at = world.terminal("A1")
        at.redeem(at.challenge(RESOLVE, "A1"), world.card("card-new"))
    found(f"削除前にあった{len(gone)}種の値：削除後0件", f"{len(gone)} values that were there before: none after")


def values_of(message):
    """All texts and bytes in a message, those of its parts included."""
    for field, value in message.ListFields():
        for one in value if field.label == field.LABEL_REPEATED else [value]:
            if field.message_type:
                yield from values_of(one)
            elif isinstance(one, (str, bytes)):
                yield one


def test_two_operators_cannot_join_what_they_see(world, found):
    seen = {}
    for operator_id in ("A1", "B1"):
        at = world.terminal(operator_id)
        challenge = at.challenge(RESOLVE, operator_id)
        reply = at.redeem(challenge, world.card("card-1"))
        seen[operator_id] = set(values_of(challenge)) | set(values_of(reply))
    common = seen["A1"] & seen["B1"]
    assert "789" in seen["A1"] and "2342" in seen["B1"]
    assert common == {"dev", world.stack.origin, "gateway-1"}, common
    found("共通の値は環境名・接続先・中継の名だけ", "in common: the names of the environment, the address and the gateway only")


# ---- guessing ----

def body_of(call):
    """Everything of an answer but its incident number, which is new each time."""
    try:
        call()
        return "done"
    except Refused as refused:
        refused.body.ClearField("incident")
        return refused.status, refused.body.SerializeToString()


def welch(one, other):
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return (statistics.mean(one) - statistics.mean(other)) / spread ** 0.5


def without_tails(times):
    return sorted(times)[:len(times) * 9 // 10]


def answered(at, path, message):
    """The answer and its time; a guesser who is told to come later comes later."""
    while True:
        begin = time.perf_counter()
        body = body_of(lambda: at.call("POST", path, message))
        seconds = time.perf_counter() - begin
        if body[0] != 503:
            return body, seconds
        time.sleep(0.02)


def probe(terminals, path, message_of, real, count=10000):
    """count requests, half of them with a value that exists: the distinct answers, and how far their times lie apart (t)."""
    bodies, times = collections.defaultdict(set), {True: [], False: []}

    def at_one(at):
        for i in range(count // len(terminals)):
            exists = i > 100 and random.random() < 0.5
            message = message_of(real if exists else None)
            body, seconds = answered(at, path, message)
            bodies[exists].add(body)
            times[exists].append(seconds)

    with concurrent.futures.ThreadPoolExecutor(len(terminals)) as pool:
        list(pool.map(at_one, terminals))
    return bodies, welch(without_tails(times[True]), without_tails(times[False]))


def test_a_difference_in_time_is_seen():
    """A twentieth of a request's time is enough; the same times don't lie apart."""
    dice = random.Random(1)
    times = [dice.lognormvariate(0, 0.3) for _ in range(10000)]
    assert abs(welch(without_tails(times[:5000]), without_tails(times[5000:]))) < LIMIT
    assert welch(without_tails([one * 1.05 for one in times[:5000]]), without_tails(times[5000:])) > LIMIT


def guess(found, terminals, path, message_of, real, is_told_nothing):
    """10,000 guesses: the bodies tell nothing, and neither do the times. A difference in time is one that three runs show."""
    for _ in range(3):
        bodies, t = probe(terminals, path, message_of, real)
        assert is_told_nothing(bodies), bodies
        if abs(t) < LIMIT:
            break
    assert abs(t) < LIMIT
    found(f"10,000回の試み：返答は同一、所要時間にも差なし（t = {t:.1f}）", f"10,000 tries: the same answer, and no difference in time (t = {t:.1f})")


def test_guessing_another_operators_numbers_tells_nothing(world, found):
    def message(real):
        return terminal.UndoLink(customer_id=real or f"{secrets.randbelow(10 ** 8):08d}", reason="mistyped")

    def is_told_nothing(bodies):
        return len(bodies[True] | bodies[False]) == 1 and "done" not in bodies[True]

    guess(found, [world.terminal("B1")], "/v1/undo-link", message, world.canary_number, is_told_nothing)
    assert world.canary_number in world.dump()


def test_guessing_suspension_codes_tells_nothing(world, found):
    """The right one is answered as the wrong ones are, once a terminal has guessed five times: "wrong", then "locked"."""
    def message(real):
        return terminal.Suspend(suspend_code=real or f"{secrets.randbelow(10 ** 16):016d}")

    def is_told_nothing(bodies):
        return len(bodies[True]) == 1 and "done" not in bodies[True] and bodies[True] <= bodies[False] and len(bodies[False]) <= 2

    terminals = [world.terminal(TOWN, number) for number in range(4)]
    guess(found, terminals, "/v1/suspend", message, world.told["card-canary"]["suspension code"], is_told_nothing)
    assert world.sql("SELECT count(*) FROM registry.holder WHERE suspended") == "0"
