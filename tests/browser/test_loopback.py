# SPDX-License-Identifier: Apache-2.0
"""The real agent's loopback port in a real Chromium: other origins, frames, forms, a name bound anew, guessed tokens; and
another user of the machine. Every attack is seen to work against a site without guards, and to be counted by the agent."""

import contextlib
import json
import os
import re
import subprocess

import pytest
from agentlib import Terminal
from process import http_over_unix
from simcardlib import wait_for

from counter_driver import Counter, chromium
from hostile import ACT, ATTACKS, RUN, Rebound, Site

PATIENT_S, HASTY_S = 9, 0.5  # for a word that comes; for one that should not


class Desk(Terminal):
    """An agent without a reader, which is all that its page needs, and its metrics."""

    def arguments(self, **more):
        return [*super().arguments(**more), "--set", f"ops.listen=unix:{self.folder}/ops"]

    @property
    def origin(self):
        return f"http://{self.page.host}"

    @property
    def port(self):
        return int(self.page.host.split(":")[1])

    def refusals(self, status):
        text = http_over_unix(f"{self.folder}/ops", "/metrics")[1]
        assert "mykey_agent_page_refusals_total" in text
        found = re.search(rf'^mykey_agent_page_refusals_total{{status="{status}"}} (\d+)$', text, re.M)
        return int(found[1]) if found else 0

    @contextlib.contextmanager
    def refusing(self, status, least=1):
        """What is done here the agent turns away, and nothing happens at the counter."""
        before, mark = self.refusals(status), self.page.mark()
        yield
        wait_for(lambda: self.refusals(status) >= before + least, f"the agent to count {least} of {status}", 10)
        assert {seen["state"] for seen in self.page.snapshots[mark:]} <= {"error"} and self.page.now["state"] == "error"


@pytest.fixture(scope="module")
def desk():
    with Desk() as one:
        one.page.wait("error/READER_SERVICE_DOWN")
        wait_for(lambda: set(one.page.now["checks"].values()) == {"READER_SERVICE_DOWN", "ok"}, "quiet", 10)
        yield one


@pytest.fixture(scope="module")
def naive():
    site = Site()
    yield site
    site.close()


@pytest.fixture
def tab(browser):
    """A window; the ones that an attack opens are closed after it."""
    first = browser.current_window_handle
    yield browser
    for handle in set(browser.window_handles) - {first}:
        browser.switch_to.window(handle)
        browser.close()
    browser.switch_to.window(first)


def attack(browser, name, target, token, patience_s):
    return browser.execute_async_script(RUN % ATTACKS[name], target, token, ACT, patience_s * 1000)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])  # of the same site, and of another
@pytest.mark.parametrize("name", ATTACKS)
def test_a_page_of_another_origin(tab, desk, naive, name, host):
    tab.get(f"http://{host}:{naive.port}/attacker")
    assert attack(tab, name, f"http://127.0.0.1:{naive.port}", "", PATIENT_S) == "reached"
    tab.get(f"http://{host}:{naive.port}/attacker")
    with desk.refusing(403):
        assert attack(tab, name, desk.origin, desk.page.token, HASTY_S) == "refused"


def test_a_link_from_another_origin(tab, desk, naive):
    tab.get(f"http://127.0.0.1:{naive.port}/attacker")
    with desk.refusing(403):
        tab.execute_script("location = arguments[0]", f"{desk.origin}/")
        wait_for(lambda: "DENIED" in tab.page_source, "the refusal")


ASK = """const [token, done] = arguments;
const ask = (path, more) => fetch(path, { headers: { 'X-Mykey-Token': token }, ...more });
(async () => {
  const stream = await ask('/v1/events');
  stream.body.cancel();
  const act = await ask('/v1/actions', {
    method: 'POST', headers: { 'X-Mykey-Token': token, 'Content-Type': 'application/json' }, body: '{"action":"sign"}' });
  return [(await ask('/')).status, stream.status, await act.json()];
})().then(done, (error) => done(String(error)));"""


def test_a_name_that_is_bound_to_us_anew(desk):
    """The page is of the same origin as what it asks, by its name; only the Host tells."""
    tab_to_us = Rebound(desk.port)
    try:
        with chromium(arguments=[f"--host-resolver-rules=MAP evil.example 127.0.0.1, MAP rebound.example {Rebound.ADDRESS}"]) as browser:
            with desk.refusing(403):
                browser.get(f"http://evil.example:{desk.port}/#t={desk.page.token}")
                assert browser.find_element("tag name", "body").text == '{"error":"DENIED"}'
            with desk.refusing(403, least=3):
                browser.get(f"http://rebound.example:{desk.port}/attacker")
                assert browser.title == "attacker"
                assert browser.execute_async_script(ASK, desk.page.token) == [403, 403, {"error": "DENIED"}]
            browser.get(desk.origin)  # the same questions in the right place
            assert browser.execute_async_script(ASK, desk.page.token) == [200, 200, {"error": "UNKNOWN_METHOD"}]
    finally:
        tab_to_us.close()


GUESS = """const [tokens, done] = arguments;
const ask = async (token) => {
  const answer = await fetch('/v1/events', { headers: token === null ? {} : { 'X-Mykey-Token': token } });
  answer.body.cancel();
  return answer.status;
};
(async () => { const found = []; for (const token of tokens) found.push(await ask(token)); return found; })().then(done);"""


def test_guessed_tokens(browser, desk):
    token = desk.page.token
    near = [token[:i] + format(int(token[i], 16) ^ 1, "x") + token[i + 1:] for i in range(32)]
    guesses = [None, "", token[:-1], token + "0", token.upper() if token.upper() != token else "", f" {'0' * 31}", "0" * 32, *near]
    browser.get(desk.origin)
    with desk.refusing(401, least=len(guesses)):
        assert set(browser.execute_async_script(GUESS, guesses)) == {401}
    assert browser.execute_async_script(GUESS, [token]) == [200]
    page = Counter(browser)
    with desk.refusing(401):
        page.open(f"{desk.origin}/#t={'0' * 32}")
        page.wait("refused", lambda facts: facts["link"] == "refused")
    page.open(desk.url)
    page.wait_error("READER_SERVICE_DOWN")


# What another user of the machine sees of the agent: the text of each file, or why not.
LOOK = """
import http.client, json, sys
pid, profile, host = sys.argv[1:]
seen = {}
for path in (f"{profile}/launch", f"{profile}/terminal.pem", f"/proc/{pid}/cmdline", f"/proc/{pid}/environ", f"/proc/{pid}/mem"):
    try:
        with open(path, "rb") as file:
            seen[path.rsplit("/", 1)[1]] = file.read(4096).decode("latin-1")
    except OSError as error:
        seen[path.rsplit("/", 1)[1]] = type(error).__name__
peer = http.client.HTTPConnection(host, timeout=10)
peer.request("GET", "/v1/events")
seen["stream"] = peer.getresponse().status
print(json.dumps(seen))
"""


def look(desk, *user):
    command = [*user, "/usr/bin/python3", "-c", LOOK, str(desk.process.pid), str(desk.profile), desk.page.host]
    return json.loads(subprocess.run(command, capture_output=True, text=True, timeout=30, check=True, cwd="/").stdout)


@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user needs root")
def test_another_user_of_the_machine(desk):
    token = desk.page.token
    for folder in (desk.folder, desk.profile):
        os.chmod(folder, 0o755)  # so that only the files' own modes keep them
    with desk.refusing(401):
        seen = look(desk, "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
    assert {name for name, text in seen.items() if text == "PermissionError"} == {"launch", "terminal.pem", "environ", "mem"}
    assert "mykey-agent" in seen["cmdline"] and token not in seen["cmdline"] and seen["stream"] == 401
    own = look(desk)
    assert token in own["launch"] and "PRIVATE KEY" in own["terminal.pem"]  # the same look of one who may
    os.chmod(desk.profile, 0o700)


def test_the_token_is_on_no_command_line(browser, desk):
    page = Counter(browser).open(desk.url)
    page.wait_error("READER_SERVICE_DOWN")
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
            found.append(file.read())
    assert any(b"mykey-agent" in line for line in found) and any(b"chromium" in line for line in found)
    assert not any(desk.page.token.encode() in line for line in found)
    assert desk.page.token not in desk.log() and desk.page.token not in browser.current_url
