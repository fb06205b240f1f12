# SPDX-License-Identifier: Apache-2.0
"""What the page sends, by keyboard alone, and how it behaves when the agent refuses, is slow or goes away."""

import threading
import time

import pytest
from selenium.webdriver.common.keys import Keys

from counter_driver import HAND_S, SCANNER_S
from snapshots import CITY, STATES, TERMS, error, number, snap
from test_messages import TABLES

JA = TABLES["ja"]


def names(agent):
    return [body["action"] for body in agent.actions]


# ---- stories, the fake agent answering as docs/counter-page.md says

def script(agent, answers):
    """answers: action → snapshot to show after it, or a function of the body that shows it."""
    def on_action(action, body):
        answer = answers.get(action)
        if callable(answer):
            return answer(body)
        if answer:
            agent.push(answer)
        return None
    agent.on_action = on_action


def taking_pin(agent, count=4):
    """Takes digits as the agent does: counts them, keeps none; refuses to submit fewer than four."""
    def digit(_):
        agent.update(pin={**agent.snapshot["pin"], "entered": agent.snapshot["pin"]["entered"] + 1})

    def clear(_):
        agent.update(pin={**agent.snapshot["pin"], "entered": 0})
    return {"pin_digit": digit, "pin_clear": clear}


PIN = snap("pin", pin={"entered": 0, "tries": 3, "last": False})


def pin_submit(agent, after):
    def submit(_):
        if agent.snapshot["pin"]["entered"] < 4:
            return "BAD_REQUEST"
        agent.push(after)
        return None
    return submit


def test_a_tap_by_keyboard(page, agent):
    page.begin(STATES["wait"])
    script(agent, {**taking_pin(agent), "pin_submit": pin_submit(agent, STATES["number"]), "next": STATES["wait"]})
    page.show(STATES["reading"]).show(PIN)
    page.type_pin("1234")
    page.wait_state("number")
    assert page.number() == "789" and page.barcode() == ("nw7", "A789A")
    page.press("next", side="staff")
    page.wait_state("wait")
    assert agent.actions == [{"action": "pin_digit", "digit": d} for d in "1234"] + [{"action": "pin_submit"}, {"action": "next"}]
    assert page.number() is None


def test_linking_by_keyboard(page, agent):
    page.begin(STATES["wait"])
    link = {"purpose": "link"}
    script(agent, {
        "start": snap("terms", terms=TERMS, **link), "accept_terms": STATES["staff_scan"],
        "staff_scan": lambda body: "NUMBER_INVALID" if body["number"] == "x" else agent.push(STATES["staff_scan-read"]) and None,
        "staff_confirm": {**PIN, **link}, **taking_pin(agent),
        "pin_submit": lambda _: agent.push(STATES["done-link"]) and None, "next": STATES["wait"]})
    page.start("link")
    page.wait_state("terms")
    page.press("accept_terms")
    page.wait_state("staff_scan")
    assert not page.has_action("staff_confirm")
    page.scan("x")
    page.wait("the problem at the field", lambda _: page.is_shown('[data-summary="scan"]'))
    assert page.is_focused('[data-summary="scan"]') and page.title().startswith("エラー：")
    assert page.is_shown('[data-form="scan"] [aria-invalid="true"]')
    page.tab_to(".mk-summary__link")
    page.press_keys(Keys.ENTER)
    assert page.is_focused('[data-form="scan"] input')
    page.press_keys(Keys.BACKSPACE, "７８９", Keys.ENTER)
    page.wait("the number read", lambda _: page.scanned() == "789")
    page.press_keys(Keys.ENTER)  # a scanner's second Enter
    assert page.is_focused("h2") and "staff_confirm" not in names(agent)
    page.press("staff_confirm")
    page.wait_state("pin")
    page.type_pin("1234")
    page.wait_state("done")
    assert "789" in page.text("resident") and JA["done.link"] in page.text("resident")
    assert agent.actions[0] == {"action": "start", "purpose": "link"}
    assert {"action": "staff_scan", "number": "789"} in agent.actions
    assert names(agent)[-6:] == ["staff_confirm"] + ["pin_digit"] * 4 + ["pin_submit"]


def test_an_answer_that_is_late_swallows_no_scan(page, agent):
    """The screen after an action may be there before the answer to it; what is done on that screen counts."""
    held = threading.Event()
    page.begin(snap("terms", terms=TERMS, purpose="link"))
    script(agent, {"accept_terms": lambda _: agent.push(STATES["staff_scan"]) and held.wait(20) and None,
                   "staff_scan": STATES["staff_scan-read"]})
    page.press("accept_terms")
    page.wait_state("staff_scan")
    page.scan("789")
    page.wait("the number read", lambda _: page.scanned() == "789")
    held.set()
    assert names(agent) == ["accept_terms", "staff_scan"]


def test_creating_an_id_by_keyboard(page, agent):
    page.begin(STATES["wait-city"])
    script(agent, {"start": STATES["terms-create"], "accept_terms": {**PIN, "terminal": CITY, "purpose": "create_id"}, **taking_pin(agent),
                   "pin_submit": lambda _: agent.push(STATES["done-create_id"]) and None})
    page.start("create_id")
    page.wait_state("terms")
    page.press("accept_terms")
    page.wait_state("pin")
    assert "みどり市 市民課" in page.text("resident") and JA["purpose.create_id.for"] in page.text("resident")
    page.type_pin("0000")
    page.wait_state("done")
    assert page.mykey_id() == "MY123456" and page.suspend_code() == "1234567890123456"
    assert JA["id.once"] in page.text("resident")


def test_municipal_purposes_only_at_a_municipality(page):
    page.begin(STATES["wait"])
    found = 'return [...document.querySelectorAll("[data-purpose]")].map((e) => e.dataset.purpose)'
    assert page.js(found) == ["resolve", "link", "unlink", "withdraw_consent"]
    assert not page.is_shown('[data-fold="suspend"]')
    page.show(STATES["wait-city"])
    assert page.js(found)[:5] == ["show_id", "create_id", "change_id", "delete_id", "resume_id"]
    assert page.is_shown('[data-fold="suspend"]')


def test_manual_entry(page, agent):
    page.begin(STATES["error-NETWORK_DOWN"])
    script(agent, {"manual_open": STATES["manual"], "manual_number": STATES["number"]})
    page.press("manual_open")
    page.wait_state("manual")
    page.submit("manual")
    assert page.is_shown('[data-summary="manual"]') and JA["form.reason.missing"] in page.text("staff")
    assert "manual_number" not in names(agent)
    page.manual("００７８９ ", "network_fault")
    page.wait_action("manual_number")
    assert agent.actions[-1] == {"action": "manual_number", "number": "00789", "reason": "network_fault"}
    page.wait("the number", lambda _: page.number() == "789")


def test_undoing_a_registration_asks_first(page, agent):
    page.begin(STATES["wait"])
    page.open_fold("undo")
    page.fill("undo", "number", "789")
    page.fill("undo", "reason", "mistyped")
    page.submit("undo")
    assert agent.actions == [] and page.is_focused('[data-summary="undo"]') and "789" in page.text("staff")
    page.submit("undo")
    page.wait("done", lambda _: JA["undo.done"] in page.text("staff"))
    assert agent.actions == [{"action": "undo_link", "number": "789", "reason": "mistyped"}]
    assert page.js('return document.querySelector(\'[data-form="undo"] input\').value') == ""


def test_suspending_by_code(page, agent):
    page.begin(STATES["wait-city"])
    page.open_fold("suspend")
    agent.refused = "SUSPEND_CODE_WRONG"
    page.fill("suspend", "code", "1234 5678 9012 ")
    page.submit("suspend")
    page.wait("the refusal", lambda _: JA["error.SUSPEND_CODE_WRONG"] in page.text("staff"))
    agent.refused = None
    assert page.is_focused('[data-summary="suspend"]')
    page.fill("suspend", "code", "1234 5678 9012 3456")  # Tab into a field selects what is there
    page.submit("suspend")
    page.wait("done", lambda _: JA["suspend.done"] in page.text("staff"))
    assert agent.actions[-1] == {"action": "suspend", "code": "1234 5678 9012 3456"}


def test_choosing_between_numbers(page, agent):
    page.begin(STATES["number-choose"])
    script(agent, {"choose": lambda body: agent.push(snap("number", number=number("789", "00012345", chosen=body["index"]))) and None})
    assert page.number() is None and page.barcode() is None
    page.choose_number(1)
    page.wait("the number", lambda _: page.number() == "00012345")
    assert agent.actions == [{"action": "choose", "index": 1}]
    assert page.barcode() == ("nw7", "A00012345A")


def test_keyboard_entry(page, agent):
    page.begin(STATES["number"])
    script(agent, {"type_number": STATES["typing-countdown"], "type_cancel": STATES["number"]})
    page.press("type_number")
    page.wait_state("typing")
    assert page.value_of("[data-countdown]") == "3"
    page.press("type_cancel")
    page.wait_state("number")
    page.show(STATES["typing-countdown"])
    page.press_keys(Keys.ESCAPE)
    page.wait_state("number")
    assert names(agent) == ["type_number", "type_cancel", "type_cancel"]
    page.show(STATES["number-code39"])
    assert not page.has_action("type_number")


def test_copying_takes_the_characters_alone(page, agent):
    page.begin(STATES["number-long"])
    page.tab_to("[data-copy]")
    page.press_keys(Keys.ENTER)
    assert JA["copy.ok"] in page.text("staff")
    page.show(STATES["staff_scan"])
    page.press_with(Keys.CONTROL, "v")
    assert page.js('return document.querySelector(\'[data-form="scan"] input\').value') == "0123456789"


# ---- the PIN

def test_one_key_one_request_and_nothing_kept(page, agent):
    page.begin(PIN)
    script(agent, taking_pin(agent))
    page.type_pin("97", submit=False)
    assert agent.actions == [{"action": "pin_digit", "digit": "9"}, {"action": "pin_digit", "digit": "7"}]
    assert page.js("return document.querySelector('[data-pin]').value") == ""
    assert page.js("return document.querySelectorAll('.mk-pin__box[data-filled]').length") == 2
    assert page.js("return document.getElementById('pin-count').textContent") == "4桁のうち2桁を入力しました"
    kept = page.js("return document.documentElement.outerHTML + JSON.stringify({...sessionStorage}) + location.pathname + location.search")
    assert "97" not in kept.replace(agent.token, "")  # a random token may hold it


def test_the_pad_by_keyboard_and_its_fixed_places(page, agent):
    page.begin(PIN)
    script(agent, taking_pin(agent))
    assert page.js("return [...document.querySelectorAll('.mk-pad__key')].map((e) => e.dataset.digit ?? '-').join('')") == "123456789-0"
    page.tab_to('[data-digit="5"]')
    page.press_keys(Keys.ENTER)
    page.wait("one digit", lambda facts: facts["entered"] == "1")
    page.press_keys("6")  # the number keys work wherever the focus is
    page.wait("two digits", lambda facts: facts["entered"] == "2")
    page.press("pin_clear")
    page.wait("none", lambda facts: facts["entered"] == "0")
    page.press_keys(Keys.BACKSPACE)
    page.wait("another clear", lambda _: names(agent).count("pin_clear") == 2)
    assert names(agent) == ["pin_digit", "pin_digit", "pin_clear", "pin_clear"]


def test_enter_before_four_digits_tells_so(page, agent):
    page.begin(PIN)
    script(agent, {**taking_pin(agent), "pin_submit": pin_submit(agent, STATES["working"])})
    page.type_pin("12")
    page.wait("the advice", lambda _: JA["pin.short"] in page.text("resident"))
    assert page.state == "pin" and page.is_focused("[data-pin]")


def test_digits_that_overtake_each_other_begin_the_entry_again(page, agent):
    gate = threading.Event()
    page.begin(PIN)
    taking = taking_pin(agent)
    script(agent, {**taking, "pin_digit": lambda body: gate.wait(5) and taking["pin_digit"](body)})
    page.strike("123", HAND_S)
    gate.set()
    page.wait("begun again", lambda facts: JA["pin.hurried"] in page.text("resident") and facts["entered"] == "0")
    assert names(agent) == ["pin_digit", "pin_clear"]
    page.type_pin("1234", submit=False)


def is_quiet(agent):
    """Nothing more comes of what was done."""
    before = len(agent.actions)
    time.sleep(0.5)
    return len(agent.actions) == before


def test_a_scanner_never_makes_a_try(page, agent):
    page.begin(PIN)
    script(agent, {**taking_pin(agent), "pin_submit": pin_submit(agent, STATES["working"])})
    page.strike(["9", "7", "8", "4", "1", "2", "3", "4", "5", Keys.ENTER], SCANNER_S)
    page.wait("cleared", lambda facts: JA["pin.hurried"] in page.text("resident") and facts["entered"] == "0")
    page.wait("quiet", lambda _: is_quiet(agent))
    assert page.state == "pin" and "pin_submit" not in names(agent)
    page.type_pin("1234")
    page.wait_state("working")


def test_what_isnt_one_digit_isnt_sent(page, agent):
    page.begin(PIN)
    page.tab_to("[data-pin]")
    page.press_keys("a", "-", " ")
    page.press_with(Keys.CONTROL, "v")
    assert agent.actions == [] and page.js("return document.querySelector('[data-pin]').value") == ""


def test_tries_are_told_before_typing_and_the_last_is_confirmed(page, agent):
    page.begin(STATES["pin-tries"])
    assert "あと2回間違えるとロックされます" in page.text("resident")
    page.show(PIN)
    assert "ロック" not in page.text("resident")
    page.show(STATES["pin-last"])
    assert JA["pin.last.title"] in page.text("resident") and not page.is_shown("[data-pin]")
    page.press_keys("1", "2")  # nothing listens yet
    script(agent, {"confirm_last": snap("pin", pin={"entered": 0, "tries": 1, "last": False})})
    page.press("confirm_last")
    page.wait("the pad", lambda _: page.is_shown("[data-pin]"))
    assert names(agent) == ["confirm_last"]


def test_a_blocked_pin_offers_no_retry_even_if_told_to(page):
    page.begin(error("PIN_BLOCKED", retry=True))
    assert not page.has_action("retry") and "市区町村の窓口" in page.text("resident")
    page.show(STATES["error-PIN_WRONG"])
    assert page.has_action("retry") and "あと2回間違えるとロックされます" in page.text("resident")


def test_stale_revocation_always_refuses(page):
    page.begin(STATES["error-REVOCATION_STALE"])
    assert not page.has_action("retry") and page.js('return document.querySelectorAll(\'[data-side="resident"] button\').length') == 0


def test_a_wait_tells_who_tries_again(page):
    page.begin(STATES["error-BUSY"])
    assert "8秒ほど待ってから、もう一度お試しください" in page.text("resident") and "自動で" not in page.text("resident")
    page.show(STATES["error-NETWORK_DOWN"])
    assert "8秒後に自動でもう一度試します" in page.text("resident")


def test_advice_fits_the_business(page):
    """Who came for a MyKey ID has no other card for it and stands at the office already; undoing is no invitation to register."""
    page.begin(STATES["error-CERT_EXPIRED"])
    assert JA["today.card"] in page.text("resident") and JA["today.card.staff"] in page.text("staff")
    page.show(STATES["error-CERT_EXPIRED-city"])
    assert JA["today.id"] in page.text("resident") and "利用カード" not in page.text("resident") + page.text("staff")
    page.show(STATES["error-NO_MYKEY_ID"])
    assert JA["fix.create_here"] in page.text("resident") and JA["fix.create_here.staff"] in page.text("staff")
    page.show(STATES["error-NOT_LINKED"])
    assert JA["fix.undo_unknown.staff"] in page.text("staff") and JA["fix.link.staff"] not in page.text("staff")


def test_the_resident_is_told_when_typing_is_done(page):
    page.begin(STATES["typing-countdown"])
    assert JA["typing.resident.title"] in page.text("resident")
    page.show(STATES["typing-done"])
    assert JA["typing.resident.done"] in page.text("resident")


def test_escape_cancels(page, agent):
    page.begin(PIN)
    page.press_keys(Keys.ESCAPE)
    page.wait_action("cancel")


# ---- language, timers, the connection

def test_the_language_switch_keeps_everything(page, agent):
    page.begin(STATES["staff_scan"])
    page.tab_to('[data-form="scan"] input')
    page.press_keys("12")
    page.set_language("en")
    assert TABLES["en"]["scan.title"] in page.text("staff") and page.js("return document.documentElement.lang") == "en"
    assert page.js('return document.querySelector(\'[data-form="scan"] input\').value') == "12"
    assert page.is_focused('[data-lang="en"]') and agent.actions == []
    page.driver.refresh()
    page.wait_state("staff_scan")
    assert TABLES["en"]["scan.title"] in page.text("staff")


def test_the_clear_timer_counts_and_stops(page, agent):
    page.begin(STATES["number"])
    page.wait("it counts", lambda _: "29秒で消えます" in page.text("resident") or "28秒で消えます" in page.text("resident"))
    script(agent, {"stop_clear": snap("number", number=number("789"), clear={"after_s": 30, "stopped": True})})
    page.press("stop_clear")
    page.wait("stopped", lambda _: JA["clear.stopped"] in page.text("resident"))
    assert names(agent) == ["stop_clear"]


def test_a_refused_action_is_told(page, agent):
    page.begin(STATES["wait"])
    agent.refused = "DENIED"
    page.start("link")
    page.wait("told", lambda _: page.is_shown(".mk-main__problem"))
    assert JA["error.DENIED"] in page.text() and page.title().startswith("エラー：")
    page.show(STATES["reading"])
    assert not page.is_shown(".mk-main__problem")


def test_data_is_text_only(page):
    evil = "<img src=x onerror=alert(1)>\u202eabc"
    terminal = {**STATES["wait"]["terminal"], "name_ja": evil, "id": evil}
    page.begin(snap("terms", terminal, terms={"version": "1", "ja": evil, "en": ""}))
    assert page.js("return document.querySelectorAll('img').length") == 0 and "<img" in page.text("resident")
    assert page.js("return document.querySelector('.mk-top__operator').firstElementChild.localName") == "bdi"


def test_terms_without_english_are_shown_in_japanese(page):
    page.begin(snap("terms", terms={"version": "1", "ja": "規約", "en": ""}), "en")
    assert page.js("const e = document.querySelector('[data-terms]'); return [e.lang, e.textContent]") == ["ja", "規約"]


def test_the_token_leaves_the_address(page, agent):
    page.begin(STATES["wait"])
    assert agent.token not in page.driver.current_url and "#" not in page.driver.current_url
    page.driver.refresh()
    page.wait_state("wait")


@pytest.mark.parametrize("view", [None, "resident"])
def test_a_lost_agent_is_told_and_nothing_stays(page, agent, view):
    page.begin(STATES["number"], "ja", view)
    hold(agent, page)


def hold(agent, page):
    """Refuses streams for a moment: the page says so, forgets the number, and comes back by itself."""
    with agent.away():
        page.wait("told", lambda facts: facts["link"] == "lost", timeout=5)
        assert JA["lost.title"] in page.text() and page.number() is None and "789" not in page.text()
        assert page.title().startswith("エラー：")
    page.wait_state("number")


def test_a_short_gap_is_bridged(page, agent):
    page.begin(STATES["number"])
    agent.drop_streams()
    page.wait_rev(agent.push(STATES["reading"]))
    assert page.facts()["link"] == "open"


def test_a_wrong_token_ends_it(page, agent):
    page.agent.push(STATES["wait"])
    page.open(f"http://127.0.0.1:{agent.port}/#t={'f' * 32}")
    page.wait("refused", lambda facts: facts["link"] == "refused")
    assert JA["refused.title"] in page.text()
