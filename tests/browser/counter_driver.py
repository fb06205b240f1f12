# SPDX-License-Identifier: Apache-2.0
"""Drives a counter page by keyboard alone, as a person would who has no mouse.

    with chromium() as browser:
        counter = Counter(browser)
        counter.open(url_of_launch_file)
        counter.wait_state("wait")
        ...insert a card...
        counter.wait_state("pin")
        counter.type_pin("1234")
        counter.wait_state("number")
        assert counter.number() == "789"
        assert counter.barcode() == ("nw7", "A789A")

Nothing here clicks, and nothing calls into the page's scripts: it presses keys and reads what is displayed.
"""

import base64
import collections
import contextlib
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.parse

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

SYMBOLOGIES = {"Codabar": "nw7", "CODE-39": "code39"}  # as zbarimg names them

HAND_S, SCANNER_S = 0.06, 0.005  # the page takes keys that come faster than a hand's for a scanner's
KEYS = {Keys.ENTER: {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}}


@contextlib.contextmanager
def chromium(width=1024, height=768, arguments=()):
    """A headless Chromium with a profile of its own, gone afterwards."""
    profile = tempfile.mkdtemp(prefix="mykey-chromium-")
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
        "--disable-background-networking", "--disable-component-update", "--force-device-scale-factor=1",
        f"--user-data-dir={profile}", f"--window-size={width},{height}", *arguments,
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = None
    try:
        driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        driver.set_script_timeout(10)
        set_viewport(driver, width, height)
        # Tab past the last control goes to the address bar; the window counts as active all the same.
        driver.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
        yield driver
    finally:
        if driver is not None:
            driver.quit()
        shutil.rmtree(profile, ignore_errors=True)


def set_viewport(driver, width, height, scale=1):
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": height, "deviceScaleFactor": scale, "mobile": False})


# Where the focus is against what is wanted. From the page's last stop Tab goes to the browser's own frame, which gives the
# focus back whenever it likes; so the walk goes on at the top instead, as after a click there.
FOCUS_OR_TOP = """const isStop = (e) => e.tabIndex >= 0 && e.checkVisibility({ visibilityProperty: true });
    const now = document.activeElement;
    if (now.matches(arguments[0])) return true;
    const last = [...document.querySelectorAll('body *')].filter(isStop).at(-1);
    if (now === last || (now.type === 'radio' && now.name === last.name)) {
      document.body.tabIndex = -1;
      document.body.focus();
      document.body.removeAttribute('tabindex');
    }
    return false"""

# The sheet of icons comes after the page.
ICONS_DRAWN = "return [...document.querySelectorAll('use')].every((use) => use.getBBox().width > 0)"


class NotReached(AssertionError):
    """The page did not come to what was waited for, or a control can't be reached by Tab."""


class Counter:
    def __init__(self, driver):
        self.driver = driver

    # ---- opening and looking

    def open(self, url, lang="ja", view=None):
        """Opens the address of the launch file (http://127.0.0.1:PORT/#t=TOKEN)."""
        parts = urllib.parse.urlsplit(url)
        query = {"lang": lang, **({"view": view} if view else {})}
        self.driver.get("about:blank")
        self.driver.get(urllib.parse.urlunsplit(parts._replace(query=urllib.parse.urlencode(query))))
        return self

    def facts(self):
        """What the page says of itself: state, error, link, rev, entered, view (all text)."""
        return collections.defaultdict(str, self.driver.execute_script("return {...document.body?.dataset}"))

    @property
    def state(self):
        return self.facts().get("state", "")

    def wait(self, what, is_reached, timeout=10):
        end = time.monotonic() + timeout
        while True:
            facts = self.facts()
            if is_reached(facts):
                return facts
            if time.monotonic() > end:
                raise NotReached(f"waited {timeout} s for {what}; the page is at {facts}: {self.heading()!r}")
            time.sleep(0.02)

    def wait_state(self, *states, error=None, timeout=10):
        """Waits until the page shows one of the states (and, with error=, that code). Returns the facts."""
        return self.wait(f"{states} {error or ''}", timeout=timeout, is_reached=lambda facts: (
            facts.get("state") in states and (error is None or facts.get("error") == error)))

    def wait_error(self, code, timeout=10):
        return self.wait_state("error", error=code, timeout=timeout)

    def text(self, side=None):
        """All displayed text, of one side if given, without the invisible isolates around names."""
        selector = f'[data-side="{side}"]' if side else "body"
        shown = self.driver.execute_script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)
        return shown.replace("\u2068", "").replace("\u2069", "")

    def heading(self):
        return self.driver.execute_script("return document.querySelector('.mk-side h2')?.textContent ?? ''")

    def title(self):
        return self.driver.title

    def is_shown(self, selector):
        return self.driver.execute_script(
            "const e = document.querySelector(arguments[0]); return !!e && e.checkVisibility()", selector)

    def has_action(self, action):
        return self.is_shown(f'[data-action="{action}"]')

    def value_of(self, selector):
        return self.driver.execute_script("return document.querySelector(arguments[0])?.textContent ?? null", selector)

    def number(self):
        """The number as displayed, without the drawn gaps; None when none is shown."""
        return self.value_of("[data-number]")

    def mykey_id(self):
        return self.value_of("[data-mykey-id]")

    def suspend_code(self):
        return self.value_of("[data-suspend-code]")

    def scanned(self):
        return self.value_of("[data-scanned]")

    # ---- keys

    def press_keys(self, *keys):
        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def strike(self, keys, gap_s):
        """Digits and Enter at exactly this pace, however slow the browser is in getting to them."""
        begin = time.time()
        for number, key in enumerate(keys):
            facts = KEYS.get(key) or {"key": key, "code": f"Digit{key}", "windowsVirtualKeyCode": ord(key), "text": key}
            time.sleep(max(0.0, begin + number * gap_s - time.time()))
            for kind in ("keyDown", "keyUp"):
                event = {"type": kind, "timestamp": begin + number * gap_s, **facts}
                self.driver.execute_cdp_cmd("Input.dispatchKeyEvent", event)

    def press_with(self, modifier, key):
        ActionChains(self.driver, duration=0).key_down(modifier).send_keys(key).key_up(modifier).perform()

    def is_focused(self, selector):
        return self.driver.execute_script("return document.activeElement?.matches(arguments[0]) ?? false", selector)

    def tab_to(self, selector, limit=60):
        """Presses Tab until the control has the focus."""
        for _ in range(limit):
            if self.driver.execute_script(FOCUS_OR_TOP, selector):
                return
            self.press_keys(Keys.TAB)
        raise NotReached(f"{selector} can't be reached by Tab in state {self.state!r}")

    def press(self, action, purpose=None, side=None):
        """Tabs to the button of an action (docs/counter-page.md) and presses Enter."""
        selector = f'[data-action="{action}"]' + (f'[data-purpose="{purpose}"]' if purpose else "")
        self.tab_to(f'[data-side="{side}"] {selector}' if side else selector)
        self.press_keys(Keys.ENTER)

    def start(self, purpose):
        self.press("start", purpose)

    def set_language(self, lang):
        self.tab_to(f'[data-lang="{lang}"]')
        self.press_keys(Keys.ENTER)

    def type_pin(self, pin, submit=True):
        """Each digit once the agent has taken the one before; then Enter."""
        self.tab_to("[data-pin]")
        time.sleep(HAND_S)
        for count, digit in enumerate(pin, start=1):
            self.press_keys(digit)
            self.wait(f"{count} digits", lambda facts, n=count: facts.get("state") == "pin" and facts.get("entered") == str(n))
            time.sleep(HAND_S)
        if submit:
            self.press_keys(Keys.ENTER)

    def scan(self, number):
        """What a scanner does in the staff's field: types the number and Enter."""
        self.tab_to('[data-form="scan"] input, [data-form="rescan"] input')
        self.press_with(Keys.CONTROL, "a")
        self.press_keys(number, Keys.ENTER)

    def open_fold(self, name):
        self.tab_to(f'[data-fold="{name}"] > summary')
        if not self.driver.execute_script("return document.activeElement.parentElement.open"):
            self.press_keys(Keys.ENTER)

    def fill(self, form, field, value):
        """Types into a text field, or picks an option of a list by its value with the arrow keys."""
        selector = f'[data-form="{form}"] [name="{field}"]'
        self.tab_to(selector)
        options = self.driver.execute_script(
            "return document.activeElement.options && [...document.activeElement.options].map((o) => o.value)")
        if options is None:
            self.press_with(Keys.CONTROL, "a")
            self.press_keys(value)
        else:
            self.press_keys(Keys.HOME, *[Keys.DOWN] * options.index(value))

    def submit(self, form):
        self.tab_to(f'[data-submit="{form}"]')
        self.press_keys(Keys.ENTER)

    def manual(self, number, reason):
        self.fill("manual", "number", number)
        self.fill("manual", "reason", reason)
        self.submit("manual")

    def choose_number(self, index):
        self.tab_to('[data-form="choose"] [type="radio"]')
        now = int(self.driver.execute_script("return document.activeElement.value"))
        self.press_keys(Keys.SPACE, *([Keys.DOWN] * (index - now) if index >= now else [Keys.UP] * (now - index)))
        self.submit("choose")

    # ---- pictures

    def picture(self, clip=None):
        """PNG bytes of the viewport, or of a rectangle {x, y, width, height} in CSS pixels."""
        wanted = {"format": "png", **({"clip": {**clip, "scale": 1}} if clip else {})}
        return base64.b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", wanted)["data"])

    def screenshot(self, path):
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.wait("icons", lambda _: self.driver.execute_script(ICONS_DRAWN))
        path.write_bytes(self.picture())
        return path

    def barcode(self):
        """What zbarimg reads off a screenshot of the page: ("nw7" or "code39", text); None without a barcode."""
        return decode(self.picture())


def decode(png):
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(png)
        file.flush()
        result = subprocess.run(
            ["zbarimg", "--quiet", "--xml", "-Sdisable", "-Scodabar.enable", "-Scode39.enable", file.name],
            capture_output=True, text=True, timeout=20, check=False)
    marks = [line for line in result.stdout.split("<symbol ")[1:]]
    if len(marks) != 1:
        return None
    kind = marks[0].split("type='", 1)[1].split("'", 1)[0]
    data = marks[0].split("<![CDATA[", 1)[1].split("]]>", 1)[0]
    return SYMBOLOGIES.get(kind, kind), data


def browser_complaints(driver):
    """Messages of the browser's console that a good page doesn't cause (refused scripts, CSP, missing files)."""
    return [json.dumps(entry) for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
