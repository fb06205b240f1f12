# SPDX-License-Identifier: Apache-2.0
"""Every state in both languages at 1024×768, and a choice of states in the other modes: what holds for each of them."""

import json
import re

import pytest

import png
from counter_driver import browser_complaints, set_viewport
from fake_agent import ROOT
from snapshots import STATES, all_codes, error
from test_messages import TABLES
from selenium.webdriver.common.keys import Keys

PROBES = (ROOT / "tests/browser/probes.js").read_text(encoding="utf-8")
ISOLATES = re.compile("[\u2068\u2069]")
RESIDENTS = {"pin_submit", "pin_clear", "confirm_last", "accept_terms", "register"}
STAFFS = {"start", "staff_scan", "staff_confirm", "choose", "manual_open", "manual_number", "undo_link", "suspend", "type_number",
          "type_cancel"}
FEW = ["wait", "pin", "number-long", "terms", "staff_scan-read", "error-PIN_WRONG"]


def patterns(lang):
    """What a table's texts look like with anything in their places."""
    return re.compile("|".join(re.sub(r"\\\{\w+\\\}", ".+?", re.escape(text.strip())) for text in TABLES[lang].values()), re.S)


PATTERNS = {lang: patterns(lang) for lang in TABLES}


def data_of(snapshot):
    """Everything that the snapshot itself may put on the screen, blanks aside."""
    values = re.findall(r'"((?:[^"\\]|\\.)*)"', json.dumps(snapshot, ensure_ascii=False))
    return "".join(values).replace("\\n", "").replace(" ", "")


def unknown_texts(report, snapshot, lang):
    known = data_of(snapshot)
    texts = [ISOLATES.sub("", text).strip() for text in report["texts"] + report["labels"]]
    return [text for text in texts if not PATTERNS[lang].fullmatch(text) and re.sub(r"\s", "", text) not in known
            and not re.fullmatch(r"\d", text)]


def check(page, snapshot, lang):
    report = page.js(PROBES)
    assert report["weak"] == []
    assert report["small"] == []
    assert report["wide"] <= 0
    assert report["styled"] == 0
    assert unknown_texts(report, snapshot, lang) == []
    assert page.js("return document.documentElement.lang") == lang
    return report


def accessible_nodes(page):
    tree = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    return [node for node in tree if not node.get("ignored")]


def nameless(page):
    roles = {"button", "textbox", "radio", "combobox", "link", "heading", "image", "group", "region", "DisclosureTriangle"}
    return [node["role"]["value"] for node in accessible_nodes(page)
            if node["role"]["value"] in roles and not node.get("name", {}).get("value", "").strip()
            and node["role"]["value"] != "group"]


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_every_state(page, shots, lang):
    page.begin(STATES["wait"], lang)
    failures = {}
    for name, snapshot in STATES.items():
        page.show(snapshot)
        try:
            check(page, snapshot, lang)
            assert nameless(page) == []
            assert page.title().startswith(TABLES[lang]["title.error"]) == (snapshot.get("error") is not None)
        except AssertionError as problem:
            failures[name] = str(problem).splitlines()[0]
        page.screenshot(shots / f"{name}-{lang}-both.png")
    assert failures == {}
    assert browser_complaints(page.driver) == []


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_every_error_code(page, lang):
    page.begin(STATES["wait"], lang)
    for code in all_codes():
        snapshot = error(code, retry=code not in ("PIN_BLOCKED",))
        page.show(snapshot)
        assert unknown_texts(page.js(PROBES), snapshot, lang) == [], code
        title, alert, resident, staff = page.js("""return [document.title, document.getElementById('alert').textContent,
            ...['resident', 'staff'].map((side) => document.getElementById(side).innerText)]""")
        told = TABLES[lang][f"error.{code}"]
        assert told in resident and code not in resident and code in staff, code
        assert alert.startswith(told) and title.startswith(TABLES[lang]["title.error"] + told), code


def test_an_unknown_error_and_state_are_shown_as_ours(page):
    page.begin(error("SOMETHING_NEW", incident="00ff" * 8))
    assert TABLES["ja"]["error.unknown"] in page.text("resident") and "SOMETHING_NEW" in page.text("staff")
    page.show({**STATES["wait"], "state": "something_new"})
    assert page.heading() == TABLES["ja"]["working.title"]


def actions_of(page, side):
    return set(page.js(
        """const all = document.querySelectorAll(`[data-side="${arguments[0]}"] :is([data-action], [data-form])`);
        return [...all].map((e) => e.dataset.action ?? `form ${e.dataset.form}`)""", side))


def holds_only_its_own(found):
    assert not found["resident"] & STAFFS and not any(name.startswith("form") for name in found["resident"])
    assert not found["staff"] & RESIDENTS


@pytest.mark.parametrize("view", ["resident", "staff"])
def test_one_side_alone(page, shots, view):
    page.begin(STATES["wait"], "ja", view)
    other = {"resident": "staff", "staff": "resident"}[view]
    found = {"resident": set(), "staff": set()}
    for name, snapshot in STATES.items():
        page.show(snapshot)
        assert not page.is_shown(f'[data-side="{other}"]')
        check(page, snapshot, "ja")
        found[view] |= actions_of(page, view)
        if name in FEW or name in ("number", "done-create_id"):
            page.screenshot(shots / f"{name}-ja-{view}.png")
    holds_only_its_own(found)
    own = {"resident": RESIDENTS, "staff": {
        "start", "staff_confirm", "manual_open", "type_number", "type_cancel", "form scan", "form manual", "form undo", "form suspend",
        "form choose"}}
    assert own[view] <= found[view]


def test_each_side_holds_only_its_own_actions(page):
    page.begin(STATES["wait"])
    for snapshot in STATES.values():
        page.show(snapshot)
        holds_only_its_own({side: actions_of(page, side) for side in ("resident", "staff")})


def test_the_staff_side_has_no_secret_of_the_resident(page):
    page.begin(STATES["done-create_id"], "ja", "staff")
    assert "MY12" not in page.text() and "9012" not in page.text()
    page.show(STATES["pin"])
    assert not page.is_shown("[data-pin]") and page.js("return document.querySelectorAll('[data-filled]').length") == 0


# ---- other modes

@pytest.mark.parametrize("lang", ["ja", "en"])
def test_narrow(page, shots, lang):
    set_viewport(page.driver, 320, 640)
    page.begin(STATES["wait"], lang)
    for name, snapshot in STATES.items():
        page.show(snapshot)
        report = page.js(PROBES)
        assert report["wide"] <= 0 and report["small"] == [], name
        if name in FEW:
            page.screenshot(shots / f"{name}-{lang}-320.png")


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_text_of_200_percent(page, shots, lang):
    page.driver.execute_cdp_cmd("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})
    page.begin(STATES["wait"], lang)
    assert page.js("return getComputedStyle(document.documentElement).fontSize") == "32px"
    for name, snapshot in STATES.items():
        page.show(snapshot)
        cut = page.js("""return [...document.querySelectorAll('button, p, h1, h2, h3, label, dd, dt, li')].filter((e) =>
            !e.closest('.mk-unseen') && e.checkVisibility() && e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0).map((e) => e.textContent)""")
        assert (page.js("return document.documentElement.scrollWidth") <= 1024, cut) == (True, []), name
        if name in FEW:
            page.screenshot(shots / f"{name}-{lang}-200.png")


def test_text_spacing(page):
    """WCAG 1.4.12: nothing is lost when a reader spaces text out."""
    page.begin(STATES["wait"], "en")
    page.js("""const sheet = new CSSStyleSheet();
        sheet.replaceSync('* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }');
        document.adoptedStyleSheets = [sheet]""")
    for name, snapshot in STATES.items():
        page.show(snapshot)
        assert page.js("return document.documentElement.scrollWidth") <= 1024, name


def test_forced_colours_and_reduced_motion(page, shots):
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
        {"name": "forced-colors", "value": "active"}, {"name": "prefers-color-scheme", "value": "dark"},
        {"name": "prefers-reduced-motion", "value": "reduce"}]})
    page.begin(STATES["wait"])
    for name in [*FEW, "working", "number"]:
        page.show(STATES[name])
        page.screenshot(shots / f"{name}-ja-forced.png")
        assert page.js("return document.getAnimations().length") == 0
        borders = page.js("""return [...document.querySelectorAll('.mk-button, .mk-pad__key, .mk-input')].filter((e) =>
            e.checkVisibility()).map((e) => getComputedStyle(e).borderTopWidth)""")
        assert all(float(width.removesuffix("px")) >= 1 for width in borders)
    assert page.barcode() == ("nw7", "A789A")


def test_wide(page, shots):
    set_viewport(page.driver, 1920, 1080)
    page.begin(STATES["wait"])
    for name in [*FEW, "number"]:
        page.show(STATES[name])
        check(page, STATES[name], "ja")
        page.screenshot(shots / f"{name}-ja-1920.png")


# ---- seeing and reaching

def focus_rings(page):
    """Tabs through the page; for each control the number of pixels that its focus changes."""
    page.js("document.activeElement?.blur(); window.scrollTo(0, 0)")
    reached = {}
    for _ in range(60):
        page.press_keys(Keys.TAB)
        found = page.js("""const e = document.activeElement;
            if (!e || e === document.body) return null;
            const box = e.getBoundingClientRect();
            return { id: e.dataset.digit ?? e.dataset.purpose ?? e.dataset.action ?? e.dataset.lang ?? e.id ?? '', text: e.textContent,
              clip: { x: box.x + scrollX - 8, y: box.y + scrollY - 8, width: box.width + 16, height: box.height + 16 } }""")
        if found is None:
            continue  # past the last control; the next Tab begins again
        if (found["id"], found["text"]) in reached:
            break
        with_ring = page.picture(found["clip"])
        page.js("window.last = document.activeElement; document.activeElement.blur()")
        reached[found["id"], found["text"]] = png.difference(with_ring, page.picture(found["clip"]))
        page.js("window.last.focus({ focusVisible: true })")
    return reached


@pytest.mark.parametrize("name", ["wait", "pin", "staff_scan"])
def test_tab_reaches_every_control_and_the_ring_is_seen(page, name):
    page.begin(STATES[name])
    reached = focus_rings(page)
    controls = page.js("""return [...document.querySelectorAll('a, button, input, select, summary')].filter((e) =>
        e.checkVisibility()).length""")
    assert len(reached) == controls
    for control, changed in reached.items():
        assert changed > 400, (control, changed)


def test_the_skip_links_are_seen_when_focused(page):
    page.begin(STATES["wait"])
    page.press_keys(Keys.TAB)
    assert page.js("return document.activeElement.getAttribute('href')") == "#resident"
    assert page.js("return document.activeElement.getBoundingClientRect().top") >= 0
    page.press_keys(Keys.TAB, Keys.ENTER)
    assert page.is_focused("#staff")


def test_glyphs_are_real(page):
    """Without a Japanese font every character would be the same empty box."""
    page.begin(STATES["wait"])
    drawn = page.js("""const font = getComputedStyle(document.body).fontFamily;
        return ['漢', '字', '暗', 'マ', '\\u{10fffe}'].map((character) => {
          const canvas = document.createElement('canvas'); canvas.width = canvas.height = 48;
          const pen = canvas.getContext('2d'); pen.font = `40px ${font}`; pen.fillText(character, 2, 40);
          return canvas.toDataURL(); })""")
    assert len(set(drawn)) == len(drawn)


def test_live_regions_tell_of_each_screen(page):
    page.begin(STATES["wait"])
    said = {role: f"return document.querySelector('body > [role={role}]').textContent" for role in ("status", "alert")}
    page.show(STATES["reading"])
    assert page.js(said["status"]) == TABLES["ja"]["reading.title"] and page.js(said["alert"]) == ""
    page.show(STATES["number"])
    assert ISOLATES.sub("", page.js(said["status"])) == "利用番号は 7 8 9 です"
    page.show(STATES["error-CARD_REMOVED"])
    assert TABLES["ja"]["fix.put_back"] in page.js(said["alert"]) and page.js(said["status"]) == ""
    page.show(STATES["wait"])
    assert page.js(said["alert"]) == "" and "7 8 9" not in page.js(said["status"])


@pytest.mark.parametrize(("name", "focused"), [
    ("reading", "h2"), ("pin", "[data-pin]"), ("number", '[data-side="resident"] h2'), ("staff_scan", '[data-form="scan"] input'),
    ("staff_scan-read", '[data-side="staff"] h2'), ("manual", '[data-form="manual"] input'), ("number-choose", '[data-side="staff"] h2'),
    ("error-PIN_BLOCKED", '[data-side="resident"] h2'), ("typing-countdown", '[data-side="staff"] h2')])
def test_the_focus_goes_where_the_next_step_is(page, name, focused):
    page.begin(STATES["wait"])
    page.show(STATES[name])
    assert page.is_focused(focused) and page.js("return document.hasFocus()")
