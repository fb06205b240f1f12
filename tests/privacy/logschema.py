# SPDX-License-Identifier: Apache-2.0
"""What a line of a log may look like: common/log/fields.tbl.h and the head that common/log writes."""

import json
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORD = r"[a-z0-9_.-]{1,64}"
HEAD = {"ts": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "level": "debug|info|warn|error", "svc": WORD, "inst": WORD,
        "event": r"[a-z0-9_]{1,64}"}
# Values with a form; the others are texts of ours (at most 256 bytes).
FORMS = {"code": r"[A-Z][A-Z0-9_]*", "trace_id": "[0-9a-f]{32}", "terminal": r"[A-Za-z0-9-]{1,32}", "operator": r"[A-Za-z0-9-]{1,32}",
         "purpose": r"[a-z_]+", "service": WORD, "caller": WORD, "method": r"[A-Za-z0-9/_:-]{1,64}", "state": r"[A-Za-z_]+",
         "setting": r"[a-z0-9_.-]+"}


def fields():
    """Name → kind of the table."""
    with open(os.path.join(ROOT, "common/log/fields.tbl.h"), encoding="utf-8") as file:
        return dict(re.findall(r'X\(\w+,\s*"(\w+)",\s*(TEXT|NUMBER),', file.read()))


FIELDS = fields()


def is_allowed(name, value):
    if name in HEAD:
        return isinstance(value, str) and re.fullmatch(HEAD[name], value) is not None
    if name not in FIELDS:
        return False
    if FIELDS[name] == "NUMBER":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str) and len(value.encode()) <= 1024 and re.fullmatch(FORMS.get(name, r"[^\n]*"), value) is not None


def pairs_once(pairs):
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


def faults_of(line):
    """What is wrong with a line; [] when nothing is."""
    try:
        entry = json.loads(line, object_pairs_hook=pairs_once)
    except ValueError as error:
        return [str(error)]
    if not isinstance(entry, dict):
        return ["no object"]
    missing = [f"{name} is missing" for name in HEAD if name not in entry]
    return missing + [f"{name} is not allowed or not of its form" for name, value in entry.items() if not is_allowed(name, value)]
