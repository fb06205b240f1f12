# SPDX-License-Identifier: Apache-2.0
"""docs/threat-model.md: numbered without a gap, each row with tests, each test there."""

import ctypes
import os
import re

import pytest
from named import ROOT, exists
from page import PROMISES

SECRET_COMPARISONS = ("common/ticket/ticket.c", "services/gateway/secret.c", "agent/loopback.c", "agent/profile.c")


def rows():
    with open(os.path.join(ROOT, "docs/threat-model.md"), encoding="utf-8") as file:
        cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in file if re.match(r"\| \d", line)]
    assert all(len(row) == 4 for row in cells)
    return cells


def test_the_rows_are_numbered():
    assert [int(row[0]) for row in rows()] == list(range(1, len(rows()) + 1)) and len(rows()) >= 20


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_each_threat_has_its_tests(row):
    named = re.findall(r"`([^`]+)`", row[3])
    assert row[1] and row[2] and named
    assert [node for node in named if not exists(node)] == []
    assert re.sub(r"`[^`]+`", "", row[3]).strip() == ""


def test_each_promise_has_its_tests():
    for promise in PROMISES:
        assert promise.tests and [node for node in promise.tests if not exists(node)] == [], promise.en


@pytest.mark.parametrize("node", ["tests/privacy/test_threats.py::test_that_is_not_there",
                                  "services/jpki-verify/test/test_sandbox.c::do_open", "tests/none.py::test_x", "docs", ""])
def test_what_is_not_there_is_seen(node):
    assert not exists(node)


def test_secrets_are_compared_in_constant_time():
    """What a stranger sends against a secret: seals, the edge's secret, the page's token, an authority's fingerprint."""
    with open(os.path.join(ROOT, "common/base/bytes.c"), encoding="utf-8") as file:
        assert re.search(r"bytes_equal_secret\([^)]*\)\s*{\s*return CRYPTO_memcmp\(", file.read())
    for path in SECRET_COMPARISONS:
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            text = file.read()
        assert "bytes_equal_secret(" in text and not re.search(r"\bmemcmp\(", text), path


def test_the_library_of_the_bus_is_new_enough():
    """Before 4.3.2 a stranger's first bytes could overwrite its stack (CVE-2019-13132)."""
    parts = [ctypes.c_int() for _ in range(3)]
    ctypes.CDLL("libzmq.so.5").zmq_version(*map(ctypes.byref, parts))
    assert tuple(part.value for part in parts) >= (4, 3, 2)
