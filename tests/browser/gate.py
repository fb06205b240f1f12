# SPDX-License-Identifier: Apache-2.0
"""What must hold of every screen, whoever looks at it. Each check hands back a list of what is wrong; test_gate.py asks for
empty lists, test_gate_bites.py breaks the page and asks for full ones."""

import base64
import collections
import functools
import json
import re

from fake_agent import ROOT
from selenium.webdriver.common.keys import Keys

PROBES = (ROOT / "tests/browser/probes.js").read_text(encoding="utf-8")
TABLES = {lang: json.loads((ROOT / f"agent/page/{lang}.json").read_text(encoding="utf-8")) for lang in ("ja", "en")}
ISOLATES = re.compile("[\u2068\u2069]")
# with which Chromium is told what a reader has chosen
FORCED = [{"name": "forced-colors", "value": "active"}, {"name": "prefers-color-scheme", "value": "dark"},
          {"name": "prefers-reduced-motion", "value": "reduce"}]


def probe(page, *names, rev="", step="", given=None):
    """What the probes find once the page shows a revision and has taken a step."""
    found = page.driver.execute_async_script(PROBES, rev, step, names, given)
    assert "failed" not in found, found
    return found


# ---- texts

def plain(text):
    return ISOLATES.sub("", text).strip()


@functools.cache
def patterns(lang):
    return [re.compile(re.sub(r"\\\{\w+\\\}", "(.+?)", re.escape(text.strip())), re.S) for text in TABLES[lang].values() if "{" in text]


@functools.cache
def fixed(lang):
    return {text.strip() for text in TABLES[lang].values() if "{" not in text}


@functools.cache
def fits(text, lang):
    """What stands in the places of each table text that this one may have come from."""
    return [match.groups() for match in (pattern.fullmatch(text) for pattern in patterns(lang)) if match]


def pieces(value):
    """A value of the snapshot as the page may show it: whole, in groups of four, broken after each of its words, spelled out."""
    bare = re.sub(r"\s", "", value)
    return {value.strip(), bare, " ".join(bare)} | set(re.findall(".{1,4}", bare, re.S)) | set(re.findall("[^_]+_?", bare))


def data_of(snapshot):
    """What of the snapshot itself may stand on the screen."""
    terminal, shown = snapshot.get("terminal", {}), []
    shown += [terminal.get(name) for name in ("id", "operator_id", "name_ja", "name_en")]
    shown += snapshot.get("number", {}).get("values", []) + snapshot.get("notices", [])
    for part, names in {"terms": ("ja", "en"), "link": ("number",), "id": ("mykey_id", "suspend_code"), "manual": ("number",),
                        "error": ("code", "incident")}.items():
        shown += [snapshot.get(part, {}).get(name) for name in names]
    return set().union(*(pieces(value) for value in shown if value))


def is_known(text, lang, data):
    return (text in fixed(lang) or text in data or re.fullmatch(r"\d{1,3}", text) is not None
            or any(all(is_known(part, lang, data) for part in parts) for parts in fits(text, lang) if parts != (text,)))


def foreign(texts, lang, snapshot):
    """Texts that come neither from the message table nor from the snapshot."""
    data = data_of(snapshot)
    return [text for text in map(plain, texts) if text and not is_known(text, lang, data)]


def title_problems(title, lang, snapshot, is_error):
    prefix = TABLES[lang]["title.error"]
    bare = title.removeprefix(prefix)
    wrong = [] if title.startswith(prefix) == is_error else [f"the prefix of an error: {title}"]
    # with a suffix of the page's name
    return wrong + foreign(bare.split(" – "), lang, snapshot) + ([] if bare.count(" – ") == 1 else [f"no name of the page: {title}"])


# ---- names and roles

NAMED = {"button", "textbox", "radio", "combobox", "link", "heading", "image", "region", "DisclosureTriangle"}
CONTROLS = {"button", "textbox", "radio", "combobox", "link", "DisclosureTriangle"}


def tree_of(page):
    nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    return [(node["role"]["value"], node.get("name", {}).get("value", ""), {item["name"]: item["value"].get("value") for item in node.get("properties", [])})
            for node in nodes if not node.get("ignored")]


def unbroken(text):
    return re.sub(r"\s", "", plain(text))


def tree_problems(page, lang, snapshot, controls):
    """controls: the role that each displayed control of the markup should have."""
    tree = tree_of(page)
    known = data_of(snapshot)
    roles = collections.Counter(role for role, _, _ in tree)
    wrong = [f"no name: {role}" for role, name, _ in tree if role in NAMED and not plain(name)]
    wrong += [f"not of the table: {role} {name}" for role, name, _ in tree
              if role in NAMED and plain(name) and foreign([name], lang, snapshot) and unbroken(name) not in known]
    wrong += [f"reached by keyboard without a role: {role} {name}" for role, name, facts in tree
              if facts.get("focusable") and role not in CONTROLS | {"heading", "region", "RootWebArea", "alert", "MenuListPopup", "option", "generic"}]
    wrong += [f"{roles[role]} of {role}" for role in ("main", "banner", "contentinfo") if roles[role] != 1]
    counted, wanted = {role: roles[role] for role in CONTROLS if roles[role]}, collections.Counter(controls)
    return wrong + ([] if counted == wanted else [f"roles {counted}, in the markup {dict(wanted)}"])


# ---- the keyboard

def walk(page, *, pressing=True):
    """Tabs through the page from its top to its last control, and presses Enter on each."""
    stops = probe(page, "listen")["listen"]
    page.press_keys(*[Keys.TAB, Keys.ENTER][:1 + pressing] * stops)
    return probe(page, "walked")["walked"] | {"pressed": pressing}


def walk_problems(walked):
    names, reached = walked["names"], walked["reached"]
    by_radio = {walked["groups"][index] for index in reached if index >= 0}
    wrong = [f"not reached by Tab: {name}" for index, name in enumerate(names)
             if index not in reached and (walked["groups"][index] is None or walked["groups"][index] not in by_radio)]
    wrong += ["Tab reaches what isn't a control"] * (-1 in reached)
    wrong += [f"Enter does nothing: {name}" for index, name in enumerate(names)
              if walked["pressed"] and walked["pressable"][index] and index in reached and index not in walked["worked"]]
    controls = [index for index in reached if index >= 0]
    return wrong + ([f"Tab goes back: {controls}"] if controls != sorted(controls) else [])


FOCUS = """const element = window.mkWalk.controls[arguments[0]];
    if (!element.isConnected) return null;
    element.focus({ focusVisible: true });
    const box = element.getBoundingClientRect();
    return { x: box.x + scrollX - 8, y: box.y + scrollY - 8, width: box.width + 16, height: box.height + 16 }"""


def ring_problem(page, index, name):
    """The focus must change, by 3:1 or more, at least as many pixels as a line of two pixels around the control has."""
    clip = page.js(FOCUS, index)
    if clip is None:
        return [f"gone: {name}"]
    with_ring = page.picture(clip)
    page.js("document.activeElement.blur()")
    changed = probe(page, "differing", given=[base64.b64encode(each).decode() for each in (with_ring, page.picture(clip))])["differing"]
    least = 4 * (clip["width"] - 16 + clip["height"] - 16)
    return [] if changed >= least else [f"the focus is not seen: {changed} of {least:.0f} pixels: {name}"]


def ring_problems(page, walked, known):
    """known: looks that were compared before; two controls of one look are drawn by the same rules."""
    wrong = []
    for index, look in enumerate(walked["looks"]):
        if look not in known:
            known.add(look)
            wrong += ring_problem(page, index, walked["names"][index])
    return wrong


# ---- all of it

def show(page, scene, *names):
    page.agent.refused = scene.refused or None
    if scene.step:
        probe(page, rev=page.agent.push({**scene.snapshot, "state": "reading"}))
    return probe(page, *names, rev=page.agent.push(scene.snapshot), step=scene.step)


def text_problems(found, lang, scene):
    facts = found["facts"]
    return {
        "strings": foreign(found["strings"], lang, scene.snapshot), "lang": [] if facts["lang"] == lang else [facts["lang"]],
        "title": title_problems(facts["title"], lang, scene.snapshot, scene.is_error)}


def problems(page, scene, lang, *names):
    """By check: what is wrong with a scene and its texts, and the roles of its controls. names: probes that should find nothing."""
    found = show(page, scene, "strings", "facts", *names)
    wrong = {name: found[name] for name in names} | text_problems(found, lang, scene)
    return {name: each for name, each in wrong.items() if each}, found["facts"]["controls"]
