# SPDX-License-Identifier: Apache-2.0
"""Another page in the same browser, at work on a real agent: it reads nothing and moves nothing, even if it knows the token."""

import http.server
import threading

import pytest
from agentlib import Terminal, wait_for
from counter_driver import chromium

ATTACKS = {
    "fetch": "return fetch(AGENT + '/v1/actions', {method: 'POST', headers: {'X-Mykey-Token': TOKEN, 'Content-Type': 'application/json'},"
             " body: ACT}).then((a) => 'read ' + a.status, () => 'nothing')",
    "fetch without asking": "return fetch(AGENT + '/v1/actions', {method: 'POST', mode: 'no-cors', body: ACT})"
                            ".then((a) => a.type === 'opaque' && a.status === 0 ? 'nothing' : 'read', () => 'nothing')",
    "events": "return fetch(AGENT + '/v1/events', {headers: {'X-Mykey-Token': TOKEN}}).then((a) => a.text(), () => 'nothing')",
    "page": "return fetch(AGENT + '/').then((a) => a.text(), () => 'nothing')",
    "script": "return element('script', {type: 'module', crossOrigin: '', src: AGENT + '/page/app.js'})",
    "old script": "return element('script', {src: AGENT + '/page/sse.js'})",
    "picture": "return element('img', {src: AGENT + '/page/favicon.svg'})",
    "style": "return element('link', {rel: 'stylesheet', href: AGENT + '/page/page.css'})",
    "beacon": "navigator.sendBeacon(AGENT + '/v1/actions', ACT); return 'nothing'",
}
# An element that loads tells so; what it loaded stays closed to the page, but a stranger shall not even load it.
TOOLS = """
const [AGENT, TOKEN] = arguments;
const ACT = '{"action":"manual_open"}';
const element = (tag, attributes) => new Promise((done) => {
  const one = Object.assign(document.createElement(tag), attributes, {onload: () => done('loaded'), onerror: () => done('nothing')});
  document.head.append(one);
});
"""
FRAME = """
const [AGENT, , DONE] = arguments;
const frame = document.body.appendChild(Object.assign(document.createElement('iframe'), {src: AGENT + '/'}));
frame.onload = () => { let seen = 'closed'; try { seen = frame.contentDocument?.body?.innerText ?? 'closed'; } catch {} DONE(seen); };
"""
FORM = """
const [AGENT] = arguments;
const form = Object.assign(document.createElement('form'), {method: 'post', enctype: 'text/plain', action: AGENT + '/v1/actions'});
form.append(Object.assign(document.createElement('input'), {name: '{"action":"manual_open","code":"', value: '"}'}));
document.body.append(form);
form.submit();
"""


class Stranger(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"<!DOCTYPE html><title>stranger</title><body>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def agent():
    with Terminal() as started:
        started.page.wait("error/READER_SERVICE_DOWN")
        yield started


@pytest.fixture(scope="module")
def driver():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with chromium(arguments=["--host-resolver-rules=MAP *.example 127.0.0.1"]) as started:
        started.stranger = server.server_address[1]
        yield started
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["127.0.0.1", "stranger.example"])
def stranger(agent, driver, request):
    """A page of another port, or of another host, open in the browser; afterwards the counter is as it was."""
    mark = agent.page.mark()
    driver.get(f"http://{request.param}:{driver.stranger}/")
    assert driver.title == "stranger"
    yield driver
    assert agent.page.mark() == mark and agent.page.now["state"] == "error"


@pytest.mark.parametrize("attack", ATTACKS)
def test_another_page_gets_nothing(agent, stranger, attack):
    seen = stranger.execute_script(TOOLS + ATTACKS[attack], f"http://{agent.page.host}", agent.page.token)
    assert seen == "nothing"


def test_another_page_cannot_frame_it(agent, stranger):
    assert stranger.execute_async_script(FRAME, f"http://{agent.page.host}", agent.page.token) == "closed"


def test_a_form_of_another_page_does_nothing(agent, stranger):
    stranger.execute_script(FORM, f"http://{agent.page.host}")
    wait_for(lambda: "DENIED" in stranger.page_source, "the agent's answer", 10)


def test_a_name_that_was_turned_to_this_machine_opens_nothing(agent, driver):
    """DNS rebinding: the same address and port, but not its name."""
    driver.get(f"http://rebound.example:{agent.page.host.split(':')[1]}/")
    assert "DENIED" in driver.page_source and driver.find_elements("css selector", "#main") == []


def test_the_page_itself_can(agent):
    """What the others tried does something."""
    agent.page.must("manual_open")
    agent.page.wait("manual")
    agent.page.must("next")
    agent.page.wait("error/READER_SERVICE_DOWN")
