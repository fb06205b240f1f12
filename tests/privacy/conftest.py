# SPDX-License-Identifier: Apache-2.0
import json
import os
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
for folder in ("tests/lib", "tests/integration", "tests/browser", "tools/dev", "tools/testca"):
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
def found(request):
    """found(ja, en): what the page says was seen, where the page is made."""
    def tell(ja, en):
        if "MYKEY_TEST_SEEN" in os.environ:
            with open(os.environ["MYKEY_TEST_SEEN"], "a", encoding="utf-8") as out:
                out.write(json.dumps({"test": request.node.nodeid, "ja": ja, "en": en}) + "\n")
    return tell
