# SPDX-License-Identifier: Apache-2.0
"""make demo holds; and for each step there is a sabotage that makes exactly that step fail."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from layout import ROOT

STEPS = 8


def play(sabotage):
    env = {**os.environ, "MYKEY_DEMO_SABOTAGE": str(sabotage)}
    return subprocess.run([sys.executable, f"{ROOT}/tools/dev/demo.py"], env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def runs():
    """All runs, two at a time: each has a directory of its own."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(play, range(STEPS + 1)))


def test_the_story_holds(runs):
    print(runs[0].stdout)
    assert runs[0].returncode == 0, runs[0].stdout
    assert f"The story held: {STEPS} steps" in runs[0].stdout
    assert [line[:2] for line in runs[0].stdout.splitlines() if line[:1].isdigit()] == [f"{n}." for n in range(1, 9)]


@pytest.mark.parametrize("number", range(1, STEPS + 1))
def test_a_broken_step_fails_the_demo(runs, number):
    done = runs[number]
    assert done.returncode == 1, done.stdout
    steps = [line for line in done.stdout.splitlines() if line[:1].isdigit()]
    assert len(steps) == number, done.stdout
    assert "DID NOT HOLD" in steps[-1] and "DID NOT HOLD" not in "".join(steps[:-1]), done.stdout


def test_nothing_is_left_behind(runs):
    used = [re.search(r"Starting the platform in (\S+)", done.stdout)[1] for done in runs]
    assert len(set(used)) == STEPS + 1
    assert [path for path in used if os.path.exists(path)] == []
