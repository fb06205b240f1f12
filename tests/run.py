#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the test suites: tests/run.py [SUITE...]

Suites that mostly wait run side by side, as far as the cores go. Each prints its seconds and counts when it ends; the
last line is "N passed, N failed". A suite is a function that returns (passed, failed, skipped) and what it has to show."""

import glob
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("MYKEY_BUILD", os.path.join(ROOT, "build"))
SANITIZED = os.path.basename(BUILD).startswith("build-sanitize")


def shell(*command, **environment):
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")


def watched(suite, build, *command, **environment):
    """shell() and how many processes a sanitizer ended: of whatever kind, each leaves a file of what it did wrong."""
    folder = os.path.join(build, "faults", suite)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    options = {f"{name}_OPTIONS": f"log_path={folder}/{name.lower()}:print_stacktrace=1" for name in ("ASAN", "UBSAN")}
    result = shell(*command, **options, **environment)
    faults = sorted(os.listdir(folder))
    for name in faults:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            result.stdout += f"{os.path.join(folder, name)}:\n{file.read()}"
    return result, len(faults)


def as_one(result):
    """A command that counts as one test; what it printed is shown if it failed."""
    good = result.returncode == 0
    return (1, 0, 0, "") if good else (0, 1, 0, result.stdout)


def meson(build):
    result, faults = watched("unit", build, "meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs")
    with open(os.path.join(build, "meson-logs", "testlog.txt"), encoding="utf-8", errors="replace") as log:
        text = log.read()
    # Each program is a cmocka group; its closing lines give the counts of its tests.
    passed = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test", text))
    failed = sum(int(n) for n in re.findall(r"\[  FAILED  \] (?:\S+: )?(\d+) test", text))
    if result.returncode == 0 and faults == 0:
        return passed, failed, 0, ""
    return passed, max(failed, 1), 0, result.stdout


def pytest(folder, at_once=1):
    """at_once: files that run side by side; most tests wait for timers and processes, not for a core."""
    name = os.path.basename(folder)
    report = os.path.join(BUILD, f"pytest-{name}.xml")
    if os.path.exists(report):
        os.unlink(report)  # an older run's is not this one's
    command = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=8", f"--junitxml={report}", folder]
    if at_once > 1:
        command += ["-n", str(at_once), "--dist", "loadfile"]
    result, faults = watched(name, BUILD, *command, MYKEY_BUILD=BUILD, PYTHONDONTWRITEBYTECODE="1")
    if result.returncode not in (0, 1) or not os.path.exists(report):
        return 0, 1 + faults, 0, result.stdout
    suite = ElementTree.parse(report).getroot().find("testsuite")
    count = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    failed = count["failures"] + count["errors"]
    return count["tests"] - failed - count["skipped"], failed + faults, count["skipped"], result.stdout


def lint():
    return as_one(shell("tools/lint/lint.sh"))


def unit():
    return meson(BUILD)


def clang():
    """All code compiles clean with clang too, warnings being errors."""
    build = os.path.join(ROOT, "build-clang")
    if not os.path.exists(os.path.join(build, "build.ninja")):
        result = shell("meson", "setup", build, CC="clang")
        if result.returncode != 0:
            return as_one(result)
    return as_one(shell("ninja", "--quiet", "-C", build))


def sanitize():
    """The unit tests under ASan and UBSan (the whole suite: make test SANITIZE=1)."""
    if SANITIZED:
        return 0, 0, 0, "all of this run is under ASan and UBSan"
    build = os.path.join(ROOT, "build-sanitize")
    result = shell("tools/setup/build.sh", build, "1")
    if result.returncode != 0:
        return as_one(result)
    return meson(build)


def fuzz():
    """Every parser's harness for 10 s under ASan and UBSan, then the parsers' line coverage."""
    result = shell(sys.executable, "tests/fuzz/run.py")
    counts = re.search(r"^(\d+) passed, (\d+) failed$", result.stdout, re.MULTILINE)
    return (int(counts.group(1)), int(counts.group(2)), 0, result.stdout) if counts else (0, 1, 0, result.stdout)


def integration():
    return pytest("tests/integration", at_once=3)


def story():
    return pytest("tests/story", at_once=2)


def browser():
    return pytest("tests/browser", at_once=2)


def container():
    return pytest("tests/container")


def privacy():
    return pytest("tests/privacy", at_once=2)


# Those that keep both cores busy by themselves, and those that mostly wait: two of these run at a time, the longest first.
BUSY = (lint, unit, clang, sanitize, fuzz)
WAITING = (story, integration, browser, container, privacy)
SUITES = {suite.__name__: suite for suite in BUSY + WAITING}


def measured(suite):
    """Runs it; its row: name, seconds, passed, failed, skipped."""
    begin = time.monotonic()
    passed, failed, skipped, output = suite()
    row = (suite.__name__, time.monotonic() - begin, passed, failed, skipped)
    print(f"== {row[0]}\n{output}\n== {row[0]}: {passed} passed, {failed} failed, {skipped} skipped in {row[1]:.1f} s", flush=True)
    return row


def run(asked):
    rows = [measured(suite) for suite in BUSY if suite in asked]
    with ThreadPoolExecutor(max_workers=2) as pool:
        return rows + list(pool.map(measured, [suite for suite in WAITING if suite in asked]))


def main():
    names = sys.argv[1:] or list(SUITES)
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        sys.exit(f"no such suite: {unknown[0]} (there are: {', '.join(SUITES)})")
    started = time.monotonic()
    rows = run([SUITES[name] for name in names])
    print(f"\n{'suite':<14}{'seconds':>9}{'passed':>8}{'failed':>8}{'skipped':>9}")
    for name, seconds, passed, failed, skipped in rows:
        print(f"{name:<14}{seconds:>9.1f}{passed:>8}{failed:>8}{skipped:>9}")
    print(f"{'all':<14}{time.monotonic() - started:>9.1f}")
    failed = sum(row[3] for row in rows)
    print(f"{sum(row[2] for row in rows)} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
