# SPDX-License-Identifier: Apache-2.0
"""The printed page: a promise holds only when each of its tests ran and passed."""

import pytest
from page import PROMISES, Result, failed_tests, read_report, render

GOOD = {node: Result(True, "0件", "none") for promise in PROMISES for node in promise.tests}
ONE = PROMISES[0].tests[0]


def test_all_good():
    text, held = render(GOOD, "2026-01-01 00:00")
    assert held and f"約束{len(PROMISES)}件のうち{len(PROMISES)}件" in text and "DOES NOT HOLD" not in text
    assert text.index("守られています") < text.index("holds")  # Japanese first


@pytest.mark.parametrize("results", [
    {**GOOD, ONE: Result(False, "", "")}, {node: result for node, result in GOOD.items() if node != ONE}, {},
])
def test_one_that_failed_or_did_not_run(results):
    text, held = render(results, "")
    assert not held and "守られていません" in text and "DOES NOT HOLD" in text and ONE in text
    assert ONE in failed_tests(PROMISES[0], results)


def test_a_fault_of_the_checks_themselves():
    text, held = render({**GOOD, "tests/privacy/test_words.py::test_what_is_banned_is_seen": Result(False, "", "")}, "")
    assert not held and "test_what_is_banned_is_seen" in text


def test_a_report_is_read(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text("""<testsuites><testsuite>
        <testcase classname="tests.a.test_b" name="test_c[1]"/>
        <testcase classname="tests.a.test_b" name="test_c[2]"><failure/></testcase>
        <testcase classname="tests.a.test_b" name="test_d"><skipped/></testcase>
        <testcase classname="tests.a.test_b" name="test_e"/></testsuite></testsuites>""", encoding="utf-8")
    (tmp_path / "report.xml.seen").write_text('{"test": "tests/a/test_b.py::test_c[1]", "ja": "x", "en": "y"}\n', encoding="utf-8")
    seen = read_report(report)
    assert {node.split("::")[1]: result.passed for node, result in seen.items()} == {"test_c": False, "test_d": False, "test_e": True}
    assert seen["tests/a/test_b.py::test_c"].ja == "x"
