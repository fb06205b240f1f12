# SPDX-License-Identifier: Apache-2.0
"""The judge of log lines itself: it takes what common/log writes, and nothing beside."""

import json

import pytest
from logschema import FIELDS, faults_of

GOOD = {"ts": "2026-01-01T00:00:00.000001Z", "level": "info", "svc": "agent", "inst": "agent-1a2b3c4d", "event": "tap_done",
        "purpose": "resolve"}


def test_a_good_line_is_taken():
    assert len(FIELDS) >= 15
    assert faults_of(json.dumps(GOOD)) == []


@pytest.mark.parametrize("change", [
    {"name": "架空太郎"}, {"customer_id": "789"}, {"mykey_id": "MY123456"}, {"level": "loud"}, {"ts": "yesterday"}, {"count": "3"},
    {"count": True}, {"trace_id": "MY123456"}, {"operator": "A1 架空太郎"}, {"purpose": "789"}, {"code": "ok, 789"}, {"event": "tap by 789"},
    {"detail": ["789"]}, {"event": None},
])
def test_a_bad_line_is_refused(change):
    assert faults_of(json.dumps({**GOOD, **change})) != []


@pytest.mark.parametrize("line", ["", "789", "null", "{", '{"ts":"2026-01-01T00:00:00.000001Z"}', json.dumps(GOOD)[:-1] + ',"event":"twice"}'])
def test_what_is_no_line_is_refused(line):
    assert faults_of(line) != []
