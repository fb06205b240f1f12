# SPDX-License-Identifier: Apache-2.0
"""The gate against pages that are broken on purpose: each check must find what it is there for, and nothing before."""

import pytest

import gate
import test_gate
from conftest import Page
from counter_driver import chromium, set_viewport
from snapshots import SCENES, Scene

CHECKS = ("weak", "faint", "small", "wide", "cut", "markup")  # edges are for forced colours

# scene, style sheet that breaks it, check that must tell, part of what it tells
STYLES = [
    ("wait", ".mk-text { color: #8a8a8a !important }", "weak", "3."),
    ("wait", ".mk-text { opacity: .5 }", "weak", ""),
    ("wait", ".mk-text { color: rgb(0 0 0 / 40%) !important }", "weak", ""),
    ("wait", ".mk-text { -webkit-text-fill-color: #aaa }", "weak", "2."),
    ("error-PIN_WRONG", ".mk-button[data-kind=solid] { background: #9ab !important }", "weak", "もう一度入力する"),
    ("number", ".mk-number { color: #aaa !important }", "weak", "789"),
    ("manual", ".mk-input { border-color: #ddd !important }", "faint", "mk-input"),
    ("manual", ".mk-input { border: 0 !important }", "edgeless", "mk-input"),
    ("wait", ".mk-button { border-color: #ddd !important }", "faint", "mk-button"),
    ("working", ".mk-progress { border-color: #ddd !important }", "faint", "mk-progress"),
    ("pin", ".mk-pin__box { border-color: #ddd !important }", "faint", "mk-pin__box"),
    ("pin", ".mk-pin__box::after { background: #ddd !important }", "faint", "mk-pin__box"),
    ("starting", ".mk-icon { opacity: .3 }", "faint", "mk-icon"),
    ("number-choose", ".mk-choice { border-color: #ddd !important }", "faint", "mk-choice"),
    ("wait", ".mk-button { min-block-size: 40px !important; padding-block: 0 !important }", "small", "×40"),
    ("wait-folds", ".mk-fold__title { min-block-size: 30px !important; padding-block: 0 !important }", "small", "summary"),
    ("pin", ".mk-pad__key { min-block-size: 60px !important; block-size: 60px }", "small", "×60"),
    ("number-choose", ".mk-choice { min-block-size: 20px !important; padding: 0 !important; font-size: 10px !important }", "small", "mk-choice"),
    ("wait", ".mk-text { inline-size: 1200px; max-inline-size: none }", "wide", "the page by"),
    ("wait", "body { overflow: hidden } .mk-text { inline-size: 1200px; max-inline-size: none; text-align: end }", "wide", "beyond the edge"),
    ("terms", ".mk-side { overflow-x: auto } .mk-terms { inline-size: 1200px; max-inline-size: none }", "wide", "scrolls by itself"),
    ("wait", ".mk-text { block-size: 10px; overflow: hidden }", "cut", "mk-text"),
    ("wait", ".mk-button { inline-size: 6rem !important; white-space: nowrap; overflow: hidden }", "cut", "mk-button"),
]

# scene, script that breaks it, check, part of what it tells
SCRIPTS = [
    ("wait", "document.querySelector('.mk-text').append('x')", "strings", "x"),
    ("wait", "document.querySelector('.mk-text').append('wait')", "strings", "wait"),
    ("error-BUSY", "document.querySelector('.mk-text').textContent = '利用番号'.slice(1)", "strings", "用番号"),
    ("error-INTERNAL", "document.querySelector('.mk-text').textContent = 'anything at all'", "strings", "anything"),
    ("wait", "document.querySelector('.mk-text').title = 'tip'", "strings", "tip"),
    ("manual", "document.querySelector('.mk-input').placeholder = 'type here'", "strings", "type here"),
    ("manual", "document.querySelector('option').textContent = 'pick'", "strings", "pick"),
    ("wait", "document.documentElement.lang = 'en'", "lang", "en"),
    ("error-BUSY", "document.title = document.title.slice(4)", "title", "prefix"),
    ("wait", "document.title = 'エラー：' + document.title", "title", "prefix"),
    ("wait", "document.title = 'Counter – ' + document.title.split(' – ')[1]", "title", "Counter"),
    ("wait", "document.querySelector('.mk-text').setAttribute('style', '')", "markup", "inline"),
    ("wait", "document.querySelector('h2').after(document.querySelector('h2').cloneNode(true))", "markup", "not one h2"),
    ("wait", "document.querySelector('h1').outerText = 'マイキー窓口'", "markup", "not one h1"),
    ("manual", "document.querySelector('label').htmlFor = 'nothing'", "markup", "of nothing"),
    ("manual", "document.querySelector('.mk-input').id = 'top'", "markup", "id twice"),
    ("wait", "document.querySelector('.mk-button').tabIndex = 3", "markup", "order of its own"),
    ("wait", "document.fonts.add(new FontFace('Ours', new ArrayBuffer(8)))", "markup", "a font of our own"),
    ("manual", "document.querySelector('label[for]').remove()", "tree", "no name: textbox"),
    ("wait", "document.querySelector('[data-action]').textContent = ''", "tree", "no name: button"),
    ("wait", "document.querySelector('[data-action]').ariaLabel = 'Go'", "tree", "not of the table: button Go"),
    ("wait", "document.querySelector('[data-action]').ariaHidden = 'true'", "tree", "roles"),
    ("wait", "document.querySelector('[data-action]').role = 'img'", "tree", "roles"),
    ("wait", "document.querySelector('.mk-text').tabIndex = 0", "tree", "without a role"),
    ("wait", "document.querySelector('#foot').role = 'none'", "tree", "of contentinfo"),
    ("wait", "document.querySelector('[data-action]').tabIndex = -1", "walk", "not reached by Tab"),
    ("wait", "document.querySelector('.mk-text').tabIndex = 0", "walk", "isn't a control"),
    ("wait", "document.querySelectorAll('[data-action]')[2].tabIndex = 1", "walk", "not reached by Tab"),
    ("wait", "document.querySelectorAll('[data-action]')[2].onfocus = () => document.querySelector('[data-lang]').focus()", "walk", "Tab goes back"),
    ("wait", "document.addEventListener('keydown', (event) => { if (event.key === 'Enter') event.preventDefault(); })", "walk", "Enter does nothing"),
]

RINGS = ["*:focus-visible { outline: none !important; box-shadow: none !important }", "*:focus-visible { outline: 1px solid #eee !important; box-shadow: none !important }",
         "*:focus-visible { outline-color: #ffe9a0 !important }", ".mk-main { overflow: clip; contain: paint } *:focus-visible { outline-offset: 200px !important }"]


def style(page, sheet):
    page.js("""const sheet = new CSSStyleSheet();
        sheet.replaceSync(arguments[0]);
        document.adoptedStyleSheets = [sheet]""", sheet)


def begin(page, name, lang="ja"):
    test_gate.begin(page, lang, "both")
    wrong, controls = gate.problems(page, SCENES[name], lang, *CHECKS)
    assert wrong == {}
    return controls


def tells(found, part):
    assert any(part in each for each in found), found


def test_style_sheets_that_break_the_page(page):
    test_gate.begin(page, "ja", "both")
    for name, sheet, check, part in STYLES:
        style(page, "")
        assert gate.problems(page, SCENES[name], "ja", *CHECKS)[0] == {}
        style(page, sheet)
        tells(gate.probe(page, check)[check], part)


def found_by(page, check, scene, controls):
    if check == "tree":
        return gate.tree_problems(page, "ja", scene.snapshot, controls)
    if check == "walk":
        return gate.walk_problems(gate.walk(page))
    found = gate.probe(page, "strings", "facts", "markup")
    return found["markup"] if check == "markup" else gate.text_problems(found, "ja", scene)[check]


def test_scripts_that_break_the_page(page):
    for name, script, check, part in SCRIPTS:
        controls = begin(page, name)
        assert found_by(page, check, SCENES[name], controls) == []
        page.js(script)
        tells(found_by(page, check, SCENES[name], controls), part)


def test_text_made_by_a_style_sheet(page):
    begin(page, "wait")
    style(page, ".mk-text::after { content: 'made up' }")
    tells(found_by(page, "strings", SCENES["wait"], None), "made up")


def test_rings_that_are_not_seen(page):
    for sheet in RINGS:
        begin(page, "not_registered")
        style(page, sheet)
        gate.probe(page, "listen")
        tells(gate.ring_problems(page, gate.probe(page, "walked")["walked"], set()), "the focus is not seen")


def test_looks_that_differ_are_compared_apart(page):
    begin(page, "wait")
    page.js("document.querySelector('[data-action]').classList.add('other')")
    gate.probe(page, "listen")
    looks = gate.probe(page, "walked")["walked"]["looks"]
    known = set(looks) - {each for each in looks if "other" in each}
    style(page, ".other:focus-visible { outline: none !important; box-shadow: none !important }")
    gate.probe(page, "listen")
    tells(gate.ring_problems(page, gate.probe(page, "walked")["walked"], known), "the focus is not seen")


def test_what_moves(page):
    begin(page, "working")
    tells(gate.probe(page, "moving")["moving"], "mk-slide")
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": gate.FORCED})
    assert gate.probe(page, "moving")["moving"] == []
    style(page, ".mk-button.mk-button { transition: color 1s !important }")
    tells(gate.probe(page, "moving")["moving"], "mk-button")


def test_forced_colours(page):
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": gate.FORCED})
    begin(page, "wait")
    for sheet, check in ((".mk-button.mk-button { border: 0 !important }", "edgeless"),
                         (".mk-text { forced-color-adjust: none; color: #333 }", "weak")):
        style(page, sheet)
        assert gate.probe(page, check)[check]


def test_narrow(page):
    set_viewport(page.driver, 320, 640)
    begin(page, "wait")
    style(page, ".mk-setcard { min-inline-size: 330px }")
    tells(gate.probe(page, "wide")["wide"], "the page by")


FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>/usr/share/fonts</dir><cachedir>{cache}</cachedir>
<selectfont><rejectfont><pattern><patelt name="lang"><string>ja</string></patelt></pattern></rejectfont></selectfont></fontconfig>"""


def test_a_machine_without_japanese_glyphs(agent, tmp_path, monkeypatch):
    fonts = tmp_path / "fonts.conf"
    fonts.write_text(FONTS.format(cache=tmp_path), encoding="utf-8")
    monkeypatch.setenv("FONTCONFIG_FILE", str(fonts))
    with chromium() as driver:
        page = Page(driver, agent)
        test_gate.begin(page, "ja", "both")
        found = gate.show(page, SCENES["wait"], "tofu")["tofu"]
    tells(found, "漢 and 字")
    assert {"番", "号"} <= set(found)


# ---- and what finds a missing scene

def test_a_state_without_a_scene_is_found():
    without = {name: scene for name, scene in SCENES.items() if scene.snapshot["state"] != "manual"}
    assert "manual" not in test_gate.shown_states(without) and "manual" in test_gate.shown_states(SCENES)
    contract, machine = test_gate.read("docs/counter-page.md"), test_gate.read("agent/counter.c")
    added = contract.replace("| `error` | by", "| `asleep` | nothing | |\n| `error` | by")
    assert set(test_gate.documented_states(added)) - set(test_gate.documented_states(contract)) == {"asleep"}
    added = machine.replace("    [STATE_ERROR] = {", '    [STATE_ASLEEP] = {"asleep", 1},\n    [STATE_ERROR] = {')
    assert set(test_gate.states_in_c(added)) - set(test_gate.states_in_c(machine)) == {"asleep"}
    side = test_gate.read("agent/page/staff.js")
    assert "asleep" in test_gate.views_in_js(side.replace("  error,\n};", "  asleep: (ctx) => [],\n  error,\n};"))


@pytest.mark.parametrize("text", ["anything at all", "WAIT", "resolve", "12345", "利用番号は"])
def test_texts_of_nowhere(text):
    assert gate.foreign([text], "ja", Scene(SCENES["wait"].snapshot).snapshot) == [text]
