# SPDX-License-Identifier: Apache-2.0
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools", "dev"))
sys.path.insert(0, os.path.join(ROOT, "tests", "browser"))
os.environ.setdefault("MYKEY_BUILD", os.path.join(ROOT, "build"))


def pytest_terminal_summary(terminalreporter):
    """What a test measured is shown, whoever ran it."""
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == "shown":
                terminalreporter.write_line(text)
