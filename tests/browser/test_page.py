# SPDX-License-Identifier: Apache-2.0
"""What single screens must say and do; what holds for all of them is in test_gate.py."""

import pytest

import gate
from counter_driver import set_viewport
from gate import ISOLATES, TABLES
from snapshots import SCENES, STATES, all_codes, error
from selenium.webdriver.common.keys import Keys

RESIDENTS = {"pin_submit", "pin_clear", "confirm_last", "accept_terms", "register"}
STAFFS = {"start", "staff_scan", "staff_confirm", "choose", "manual_open", "manual_number", "undo_link", "suspend", "type_number",
          "type_cancel"}
FEW = ["wait", "pin", "number-long", "terms", "staff_scan-read", "error-PIN_WRONG"]


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_every_error_code(page, lang):
    page.begin(STATES["wait"], lang)
    for code in all_codes():
        snapshot = error(code, retry=code not in ("PIN_BLOCKED",))
        page.show(snapshot)
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


# ---- other modes, for a human look too

@pytest.mark.parametrize("lang", ["ja", "en"])
def test_text_spacing(page, lang):
    """WCAG 1.4.12: nothing is lost when a reader spaces text out."""
    page.begin(STATES["wait"], lang)
    page.js("""const sheet = new CSSStyleSheet();
        sheet.replaceSync('* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }');
        document.adoptedStyleSheets = [sheet]""")
    for name, scene in SCENES.items():
        found = gate.show(page, scene, "wide", "cut")
        assert (found["wide"], found["cut"]) == ([], []), name


def test_wide(page, shots):
    set_viewport(page.driver, 1920, 1080)
    page.begin(STATES["wait"])
    for name in [*FEW, "number"]:
        wrong, _ = gate.problems(page, SCENES[name], "ja", "wide", "cut", "small", "weak", "faint")
        assert wrong == {}, name
        page.screenshot(shots / f"{name}-ja-1920.png")


def narrow(driver):
    set_viewport(driver, 320, 640)


def large_text(driver):
    driver.execute_cdp_cmd("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})


def forced(driver):
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": gate.FORCED})


@pytest.mark.parametrize(("mode", "turn"), [("320", narrow), ("200", large_text), ("forced", forced)])
@pytest.mark.parametrize("lang", ["ja", "en"])
def test_pictures_of_the_other_modes(page, shots, mode, turn, lang):
    turn(page.driver)
    page.begin(STATES["wait"], lang)
    for name in [*FEW, "working", "number"]:
        page.show(STATES[name])
        page.screenshot(shots / f"{name}-{lang}-{mode}.png")
    assert page.number() == "789" and (mode != "forced" or page.barcode() == ("nw7", "A789A"))


# ---- seeing and reaching

def test_the_skip_links_are_seen_when_focused(page):
    page.begin(STATES["wait"])
    page.press_keys(Keys.TAB)
    assert page.js("return document.activeElement.getAttribute('href')") == "#resident"
    assert page.js("return document.activeElement.getBoundingClientRect().top") >= 0
    page.press_keys(Keys.TAB, Keys.ENTER)
    assert page.is_focused("#staff")


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
