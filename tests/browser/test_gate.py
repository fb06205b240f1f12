# SPDX-License-Identifier: Apache-2.0
"""The gate: every scene of snapshots.py, in both languages, on each side alone and on both, in each way of looking at it."""

import re

import pytest

import gate
import snapshots
from counter_driver import browser_complaints, set_viewport
from fake_agent import HEADERS, ROOT
from snapshots import SCENES, Scene

LANGS, VIEWS = ("ja", "en"), ("both", "resident", "staff")
EVERYWHERE = [(lang, view) for lang in LANGS for view in VIEWS]
ways = pytest.mark.parametrize(("lang", "view"), EVERYWHERE)


@pytest.fixture(scope="session")
def looks():
    """Looks of controls whose ring was compared, by mode."""
    return {"usual": set(), "forced": set()}


def begin(page, lang, view):
    return page.begin(SCENES["reading"].snapshot, lang, None if view == "both" else view)


def through(page, lang, view, find, code_only=True):
    """Shows each scene and asks for no problem of any kind. find: of a name and its scene, problems by kind. code_only: those
    too that differ from another in their texts alone."""
    begin(page, lang, view)
    failures = {}
    for name, scene in SCENES.items():
        if view not in scene.views or (scene.is_code_only and not code_only):
            continue
        wrong = {kind: each for kind, each in find(name, scene).items() if each}
        if wrong:
            failures[name] = wrong
    assert failures == {}
    assert [told for told in browser_complaints(page.driver) if "/v1/actions" not in told] == []


@ways
def test_as_it_is(page, shots, looks, lang, view):
    """Contrast, targets, texts, glyphs, markup, accessibility tree, keyboard to the end, a ring that is seen."""
    def find(name, scene):
        wrong, controls = gate.problems(page, scene, lang, "weak", "faint", "small", "wide", "cut", "tofu", "markup")
        if scene.is_code_only:
            return wrong
        if (lang, view) == ("ja", "both"):
            page.screenshot(shots / f"{name}-{lang}-{view}.png")
        wrong["tree"] = gate.tree_problems(page, lang, scene.snapshot, controls)
        if lang == "ja" or view == "both":  # what keys do on one side alone is the same in each language
            walked = gate.walk(page, pressing=lang == "ja")
            wrong |= {"walk": gate.walk_problems(walked), "ring": gate.ring_problems(page, walked, looks["usual"])}
        return wrong
    through(page, lang, view, find)


@ways
def test_at_320_px(page, lang, view):
    set_viewport(page.driver, 320, 640)
    through(page, lang, view, lambda _, scene: gate.show(page, scene, "wide", "small", "cut"), code_only=view == "both")


@ways
def test_text_of_200_percent(page, lang, view):
    page.driver.execute_cdp_cmd("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})
    through(page, lang, view, lambda _, scene: gate.show(page, scene, "wide", "small", "cut"), code_only=view == "both")
    assert page.js("return getComputedStyle(document.documentElement).fontSize") == "32px"


@ways
def test_forced_colours_and_reduced_motion(page, looks, lang, view):
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": gate.FORCED})

    def find(_, scene):
        wrong = gate.show(page, scene, "weak", "faint", "edgeless", "moving")
        if (lang, view) == ("ja", "both"):
            gate.probe(page, "listen")
            wrong["ring"] = gate.ring_problems(page, gate.probe(page, "walked")["walked"], looks["forced"])
        return wrong
    through(page, lang, view, find, code_only=False)


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("link", ["refused", "lost"])
def test_without_an_agent(page, agent, lang, link):
    """What the page shows when there is no snapshot: the token isn't taken, or the agent is gone."""
    begin(page, lang, "both")
    if link == "refused":
        page.open(f"http://127.0.0.1:{agent.port}/#t={'f' * 32}", lang)
        page.wait(link, lambda facts: facts["link"] == link)
        assert without_a_snapshot(page, lang) == {}
    else:
        with agent.away():
            page.wait(link, lambda facts: facts["link"] == link)
            assert without_a_snapshot(page, lang) == {}


def without_a_snapshot(page, lang):
    found = gate.probe(page, "strings", "facts", "weak", "faint", "small", "wide", "cut", "tofu", "markup")
    scene = Scene({"state": ""}, failing=True)
    wrong = found | gate.text_problems(found, lang, scene)
    wrong["tree"] = gate.tree_problems(page, lang, scene.snapshot, wrong.pop("facts")["controls"])
    wrong["walk"] = gate.walk_problems(gate.walk(page))
    return {name: each for name, each in wrong.items() if each}


# ---- nothing is missing

def documented_states(text):
    table = text[text.index("| `state` |"):]
    return re.findall(r"^\| `(\w+)` \|", table[table.index("\n"):table.index("\n\n")], re.M)


def states_in_c(text):
    return re.findall(r'\[STATE_\w+\] = \{"(\w+)"', text)


def views_in_js(text):
    table = re.search(r"const VIEWS = \{(.*?)\n\};", text, re.S)[1]
    return re.findall(r"^  (\w+)(?=[:,])", table, re.M)


def shown_states(scenes):
    return sorted({scene.snapshot["state"] for scene in scenes.values()})


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def test_every_state_of_the_contract_the_agent_and_the_page_has_a_scene():
    known = shown_states(SCENES)
    assert sorted(documented_states(read("docs/counter-page.md"))) == known
    assert sorted(states_in_c(read("agent/counter.c"))) == known
    assert len(re.findall(r"^    STATE_\w+(?:,| = 0,)$", read("agent/counter_private.h"), re.M)) == len(known)
    for side in ("resident", "staff"):
        assert sorted(name if name != "notRegistered" else "not_registered" for name in views_in_js(read(f"agent/page/{side}.js"))) == known


def test_every_variant_of_the_contract_has_a_scene():
    shown = [scene.snapshot for scene in SCENES.values()]
    assert {snapshot["error"]["code"] for snapshot in shown if snapshot["state"] == "error"} >= set(snapshots.all_codes())
    assert {snapshot["keyboard"]["phase"] for snapshot in shown if snapshot["state"] == "typing"} == {"countdown", "done", "failed"}
    purposes = set(snapshots.PURPOSES + snapshots.ID_PURPOSES + ["undo_link", "suspend"])
    assert {snapshot["purpose"] for snapshot in shown if snapshot["state"] == "done"} == purposes - {"resolve"}
    assert {snapshot["pin"]["last"] for snapshot in shown if snapshot["state"] == "pin"} == {True, False}
    assert {(part, bool(snapshot[part])) for snapshot in shown for part in snapshots.PARTS if part in snapshot} >= {
        (part, True) for part in snapshots.PARTS}


# ---- what is served

def test_no_font_and_no_build_step():
    served = [file for folder in ("agent/page", "web") for file in (ROOT / folder).iterdir() if file.name != "README.md"]
    assert {file.suffix for file in served} == {".html", ".js", ".css", ".json", ".svg"}
    assert not any("@font-face" in file.read_text(encoding="utf-8") for file in served)


def test_the_policy_is_strict_and_works(page):
    policy = dict(part.strip().partition(" ")[::2] for part in HEADERS["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'" and "font-src" not in policy
    assert set(policy[kind] for kind in policy if kind.endswith("-src")) == {"'none'", "'self'"}
    begin(page, "ja", "both")
    assert page.js("try { document.body.innerHTML = 'x'; return 'taken'; } catch (error) { return error.name; }") == "TypeError"
    page.js("document.getElementById('foot').setAttribute('style', 'display: none')")
    assert page.is_shown("#foot")
