# SPDX-License-Identifier: Apache-2.0
import os
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
for folder in ("tests/lib", "tests/browser", "tools/dev", "tools/testca"):
    sys.path.insert(0, os.path.join(ROOT, folder))
os.environ.setdefault("MYKEY_BUILD", os.path.join(ROOT, "build"))


@pytest.fixture(scope="module")
def world():
    from world import World  # it compiles the messages: only for whom they are needed

    made = World()
    try:
        yield made.start()
    finally:
        faults = made.stop()
    assert faults == []


@pytest.fixture
def found(record_property):
    """found(ja, en): what the page says was seen."""
    def tell(ja, en):
        record_property("ja", ja)
        record_property("en", en)
    return tell
