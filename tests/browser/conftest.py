# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import sys

import pytest

from counter_driver import Counter, chromium, set_viewport
from fake_agent import ROOT, FakeAgent

sys.path[:0] = [f"{ROOT}/tests/integration", f"{ROOT}/tools/dev"]  # the real agent's own helpers


@pytest.fixture(scope="session")
def browser():
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="session")
def shots():
    folder = pathlib.Path(os.environ.get("MYKEY_BUILD", ROOT / "build")) / "shots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def shared_agent():
    agent = FakeAgent()
    yield agent
    agent.close()


@pytest.fixture
def agent(shared_agent):
    shared_agent.reset()
    return shared_agent


class Page(Counter):
    """The counter page against the fake agent."""

    def __init__(self, driver, agent):
        super().__init__(driver)
        self.agent = agent

    def begin(self, snapshot, lang="ja", view=None):
        rev = self.agent.push(snapshot)
        self.open(self.agent.url, lang, view)
        self.wait_rev(rev)
        return self

    def show(self, snapshot):
        self.wait_rev(self.agent.push(snapshot))
        return self

    def wait_rev(self, rev):
        self.wait(f"snapshot {rev}", lambda facts: facts.get("rev") == rev)

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait_action(self, name):
        return self.wait(f"action {name}", lambda _: any(body["action"] == name for body in list(self.agent.actions)))


@pytest.fixture
def page(browser, agent):
    set_viewport(browser, 1024, 768)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.execute_cdp_cmd("Page.setFontSizes", {"fontSizes": {"standard": 16, "fixed": 13}})
    browser.get_log("browser")
    return Page(browser, agent)
