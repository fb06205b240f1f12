#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Function lengths: functions.py FILE... fails on one over 100 lines; prints the median and the longest."""

import re
import statistics
import sys

LIMIT = 100


def functions(path):
    """(name, lines) of each function: a body that begins with "{" in column 0 after a line that ends its head."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    start, name = None, ""
    for number, line in enumerate(lines):
        if line == "{" and start is None and number > 0:
            head = next((text for text in reversed(lines[:number]) if text[:1] not in " )"), "")
            found = re.search(r"(\w+)\(", head)
            start, name = number, found.group(1) if found else "?"
        elif line.startswith("}") and start is not None:
            yield name, number - start - 1
            start = None


def main():
    rows = [(lines, name, path) for path in sys.argv[1:] if path.endswith(".c") for name, lines in functions(path)]
    long = [row for row in rows if row[0] > LIMIT]
    for lines, name, path in long:
        print(f"{path}: {name} has {lines} lines (limit {LIMIT})")
    if rows:
        print(f"functions: {len(rows)}, median {statistics.median(row[0] for row in rows):.0f} lines, longest {max(rows)[0]}")
    sys.exit(1 if long else 0)


if __name__ == "__main__":
    main()
