# SPDX-License-Identifier: Apache-2.0
"""make run: what it prints, two checkouts side by side, Ctrl-C, and the data of the first run in the second."""

import os
import re
import signal
import subprocess
import sys
import threading

import pytest
from counter import SimulatedCard
from layout import BUILD, ROOT, Layout
from loopback import Page
from process import wait_until


class Run:
    """A make run in the foreground of a checkout."""

    def __init__(self, checkout):
        self.lines = []
        self.child = subprocess.Popen([sys.executable, f"{checkout}/tools/dev/run.py"], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, start_new_session=True,
                                      env={**os.environ, "MYKEY_BUILD": BUILD})
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.child.stdout:
            self.lines.append(line)

    @property
    def text(self):
        return "".join(self.lines)

    def wait_ready(self):
        def printed():
            assert self.child.poll() is None, self.text
            return "Ctrl-C stops everything" in self.text
        wait_until(printed, 90, "make run ready")
        self.page = Page(re.search(r"http://127\.0\.0\.1:\d+/#t=\w+", self.text)[0])
        self.page.wait("wait")
        self.card = SimulatedCard(re.search(r"--control (\S+) insert", self.text)[1])
        return self

    def tap(self, card="card-1"):
        mark = self.page.mark()
        self.card.insert(card)
        self.page.wait("pin", since=mark)
        self.page.enter_pin("1234")
        seen = self.page.wait("number", "not_registered", "error", since=mark)
        self.card.remove()
        return seen

    def stop(self):
        if self.child.poll() is None:
            os.kill(self.child.pid, signal.SIGINT)
        return self.child.wait(60)


@pytest.fixture
def checkout(tmp_path_factory):
    """Clones of this checkout in directories of their own, built programs shared."""
    made, runs = [], []

    def start(path=None):
        if path is None:
            path = str(tmp_path_factory.mktemp("checkout"))
            os.chmod(os.path.dirname(path), 0o755)
            subprocess.run(["git", "clone", "-q", ROOT, path], check=True)
            made.append(path)
        run = Run(path)
        run.path = path
        runs.append(run)
        return run

    yield start
    for run in runs:
        run.stop()
    for path in made:
        Layout("dev", root=path).remove()


def test_two_checkouts_run_side_by_side_and_the_data_stay(checkout):
    first, second = checkout(), checkout()
    first.wait_ready()
    second.wait_ready()
    assert first.tap()["number"]["values"] == ["789"]
    assert second.tap("card-2")["number"]["values"] == ["2231"]
    page = first.page
    page.wait("wait")  # the number has gone with the card
    page.must("start", purpose="unlink")
    mark = page.mark()
    first.card.insert("card-2")
    page.wait("pin", since=mark)
    page.enter_pin("1234")
    page.wait("done", since=mark)
    assert first.stop() == 0, first.text
    assert "Stopped." in first.text
    assert second.tap("card-2")["number"]["values"] == ["2231"]
    again = checkout(first.path).wait_ready()
    assert again.tap("card-2")["state"] == "not_registered"
    again.page.must("next")
    again.page.wait("wait")
    assert again.tap("card-1")["number"]["values"] == ["789"]


def test_a_second_run_in_one_checkout_says_so(checkout):
    first = checkout().wait_ready()
    second = checkout(first.path)
    assert second.child.wait(60) != 0
    wait_until(lambda: "already running" in second.text, 5, "the message")
