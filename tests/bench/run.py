#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""run.py [NAME...]: runs benchmarks, all of them without a name; each writes build/bench/NAME.json and prints one row."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = ("bus", "lookup", "verify", "tap_cpu", "first_tap")


def main():
    wanted = sys.argv[1:] or NAMES
    unknown = set(wanted) - set(NAMES)
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))} (there are: {', '.join(NAMES)})")
    failed = [name for name in wanted if subprocess.run([sys.executable, f"{HERE}/bench_{name}.py"], check=False).returncode]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
