# SPDX-License-Identifier: Apache-2.0
"""The message tables against the sources and the contract; no browser needed."""

import json
import re

import pytest

import snapshots
from fake_agent import ROOT

PAGE = ROOT / "agent/page"
TABLES = {lang: json.loads((PAGE / f"{lang}.json").read_text(encoding="utf-8")) for lang in ("ja", "en")}
SCRIPTS = {file.name: file.read_text(encoding="utf-8") for file in sorted(PAGE.glob("*.js"))}
CODE = {name: re.sub(r"(?m)^\s*//.*$|\s//\s.*$", "", text) for name, text in SCRIPTS.items()}
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")

# families of keys that the scripts put together, with every member that there may be
PURPOSES = snapshots.PURPOSES + snapshots.ID_PURPOSES + ["undo_link", "suspend"]
ERRORS = dict(re.findall(r"^  (\w+): \['(\w+', '\w+)'\]", CODE["errors.js"], re.M))
PARTS = {pair.split("', '")[0] for pair in ERRORS.values()}
SPECIAL = {"create_here", "resume_here", "undo_unknown"}
FIXES = {pair.split("', '")[1] for pair in ERRORS.values()}
FAMILIES = {
    "title.${}": ["both", "resident", "staff"],
    "skip.${}": ["resident", "staff"],
    "side.${}": ["resident", "staff"],
    "lang.${}": ["ja", "en"],
    "${}.title": ["lost", "refused"],
    "${}.text": ["lost", "refused"],
    "${}.staff": ["lost", "refused"],
    "${}.number": ["scan", "undo", "manual"],
    "${}.hint": ["scan", "undo", "manual"],
    "purpose.${}": PURPOSES,
    "purpose.${}.for": PURPOSES,
    "done.${}": PURPOSES,
    "done.${}.text": PURPOSES,
    "place.${}": ["library", "museum", "sports", "shop", "partner", "municipality", "other"],
    "notice.${}": ["link_undone"],
    "check.${}": ["reader", "network", "clock", "key"],
    "check.is.${}": ["ok", "fail", "wait"],
    "terms.title.${}": ["platform", "operator"],
    "pin.${}": ["hurried", "short"],
    "copy.${}": ["ok", "failed"],
    "part.${}": PARTS,
    "fix.${}": FIXES | SPECIAL,
    "fix.${}.staff": FIXES | SPECIAL,
    "today.${}": ["card", "id"],
    "today.${}.staff": ["card", "id"],
    "hurry.${}": ["card", "id"],
    "error.${}": ERRORS,
    "${}.${}": [],  # options(): spelled out below
}
OPTIONS = {"undo.reason": ["mistyped", "wrong_person", "card_returned", "other"],
           "manual.reason": ["forgot_card", "reader_fault", "network_fault", "other"]}


def families_in_code():
    made = set()
    for text in CODE.values():
        made |= {re.sub(r"\$\{[^}]*(?:\{[^}]*\}[^}]*)*\}", "${}", key)
                 for key in re.findall(r"(?:t|has|text)\(`([^`]+)`", text)}
    return made | {"error.${}"}


def used_keys():
    literal = {key for text in CODE.values() for key in re.findall(r"'([a-z_]+(?:\.[a-z_A-Z]+)*)'", text)}
    made = {family.replace("${}", member) for family, members in FAMILIES.items() for member in members}
    chosen = {f"{family}.{member}" for family, members in OPTIONS.items() for member in members}
    return literal, made | chosen


def test_both_languages_have_the_same_keys():
    assert list(TABLES["ja"]) == list(TABLES["en"])


def test_both_languages_have_the_same_places():
    for key, text in TABLES["ja"].items():
        assert sorted(re.findall(r"\{(\w+)\}", text)) == sorted(re.findall(r"\{(\w+)\}", TABLES["en"][key])), key


def test_texts_are_in_their_language():
    for key, text in TABLES["ja"].items():
        assert JAPANESE.search(text) or key == "lang.en" or re.fullmatch(r"\{\w+\}", text), key
    for key, text in TABLES["en"].items():
        assert not JAPANESE.search(text) or key == "lang.ja", key


def test_every_family_is_known():
    assert families_in_code() == set(FAMILIES)


def test_no_key_is_missing():
    literal, made = used_keys()
    called = {key for text in CODE.values() for key in re.findall(r"\bt\('([^']+)'", text)}
    assert called | made <= set(TABLES["ja"]), sorted((called | made) - set(TABLES["ja"]))
    assert called <= literal


def test_no_key_is_unused():
    literal, made = used_keys()
    assert set(TABLES["ja"]) <= literal | made, sorted(set(TABLES["ja"]) - literal - made)


def test_every_error_of_the_contract_is_described():
    assert sorted(ERRORS) == sorted(snapshots.all_codes())


def test_option_lists_agree_with_the_scripts():
    for name, members in (("UNDO_REASONS", OPTIONS["undo.reason"]), ("MANUAL_REASONS", OPTIONS["manual.reason"])):
        assert re.findall(r"'(\w+)'", re.search(rf"{name} = \[([^\]]*)\]", CODE["staff.js"])[1]) == members


@pytest.mark.parametrize("name", sorted(CODE))
def test_scripts_hold_no_text_and_no_unsafe_sink(name):
    assert not JAPANESE.search(CODE[name])
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|\.style\b|cssText", CODE[name])
    assert not re.search(r"localStorage|indexedDB|document\.cookie|console\.", CODE[name])


def test_style_sheets_hold_no_text():
    for file in [*PAGE.glob("*.css"), *(ROOT / "web").glob("*.css")]:
        text = re.sub(r"/\*.*?\*/", "", file.read_text(encoding="utf-8"), flags=re.S)
        assert set(re.findall(r"(?<![-\w])content:\s*([^;}]+)", text)) <= {'""'}, file
        assert "url(" not in text and "@import" not in text, file


def test_the_page_refers_only_to_served_files():
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    for path in re.findall(r'(?:href|src)="([^"#]+)"', html):
        folder, name = path.strip("/").split("/")
        assert ({"page": PAGE, "web": ROOT / "web"}[folder] / name).is_file(), path
    assert "style=" not in html and "<style" not in html and "onclick" not in html
