#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the fuzz harnesses and runs them: tests/fuzz/run.py [--seconds N | --minutes N] [--merge] [NAME...]

Each starts from a copy of its corpus (corpus/NAME); what it finds there stays in the build directory, unless --merge
takes the inputs that reach new code back into the repository. A crash leaves its input in build-fuzz/found/ and fails.
At the end the line coverage of each parser's files, as the harness names them ("Parsers: ...")."""

import argparse
import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "tests", "fuzz")
BUILD = os.path.join(ROOT, "build-fuzz")
FOUND = os.path.join(BUILD, "found")
SANITIZERS = "-fsanitize=address,undefined"
COMPILE = f"{SANITIZERS},fuzzer-no-link -fno-sanitize-recover=all -fprofile-instr-generate -fcoverage-mapping -U_FORTIFY_SOURCE"
LINK = f"{SANITIZERS} -fprofile-instr-generate"
AT_ONCE = 2
INPUT_MAX = 16384  # bytes; a corpus may hold larger ones


def shell(*command, **more):
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **more)


def build():
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        made = shell("meson", "setup", BUILD, "-Doptimization=1", f"-Dc_args={COMPILE}", f"-Dc_link_args={LINK}",
                     env={**os.environ, "CC": "clang"})
        if made.returncode != 0:
            sys.exit(made.stdout)
    made = shell("ninja", "--quiet", "-C", BUILD, "fuzz")
    if made.returncode != 0:
        sys.exit(made.stdout)


def all_names():
    return sorted(os.path.basename(path)[5:-2] for path in glob.glob(os.path.join(HERE, "fuzz_*.c")))


def program(name):
    return os.path.join(BUILD, "tests", "fuzz", f"fuzz_{name}")


def copy_of_corpus(name):
    copy = os.path.join(BUILD, "corpus", name)
    if os.path.exists(profile(name)):
        os.unlink(profile(name))  # an older run's is not this one's
    os.makedirs(copy, exist_ok=True)
    for path in glob.glob(os.path.join(HERE, "corpus", name, "*")):
        shutil.copy(path, copy)
    return copy


def profile(name):
    return os.path.join(BUILD, f"{name}.profraw")


def environment(name):
    return {**os.environ, "LLVM_PROFILE_FILE": profile(name), "ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1"}


def run(name, seconds):
    corpus = copy_of_corpus(name)
    result = shell(program(name), corpus, f"-max_total_time={seconds}", f"-max_len={INPUT_MAX}", "-timeout=10",
                   "-rss_limit_mb=1024", "-print_final_stats=1", f"-artifact_prefix={FOUND}/{name}-",
                   env=environment(name))
    runs = re.search(r"stat::number_of_executed_units: (\d+)", result.stdout)
    return name, result.returncode, int(runs.group(1)) if runs else 0, result.stdout


def merge(name):
    """The smallest set of inputs that reaches what all reach, the repository's first."""
    kept = os.path.join(HERE, "corpus", name)
    found = os.path.join(BUILD, "corpus", name)
    result = shell(program(name), "-set_cover_merge=1", "-use_counters=0", f"-max_len={INPUT_MAX}", kept, found,
                   env=environment(f"merge-{name}"))
    if result.returncode != 0:
        print(result.stdout)


# ---- coverage ----

def parsers_of(name):
    with open(os.path.join(HERE, f"fuzz_{name}.c"), encoding="utf-8") as file:
        comment = file.read().split("*/\n", 2)[1]
    return re.findall(r"[\w/.-]+\.c\b", comment.partition("Parsers:")[2])


def coverage_of(name):
    """The lines of each parser's file: those there are and those reached; None if it wrote no profile."""
    if not os.path.exists(profile(name)):
        return None
    data = os.path.join(BUILD, f"{name}.profdata")
    subprocess.run(["llvm-profdata", "merge", "-sparse", profile(name), "-o", data], check=True)
    exported = subprocess.run(["llvm-cov", "export", "-summary-only", f"-instr-profile={data}", program(name)],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    rows = json.loads(exported.stdout)["data"][0]["files"]
    lines = {os.path.relpath(os.path.normpath(row["filename"]), ROOT): row["summary"]["lines"] for row in rows}
    return {path: lines[path] for path in parsers_of(name)}


def print_coverage(names, pool):
    print(f"\n{'harness':<13}{'parser':<42}{'lines':>6}{'reached':>9}")
    for name, files in zip(names, pool.map(coverage_of, names)):
        for path, lines in (files or {}).items():
            print(f"{name:<13}{path:<42}{lines['count']:>6}{lines['percent']:>8.1f}%")


def report(name, status, runs, output):
    if status == 0:
        print(f"{name:<13}{runs:>9} runs", flush=True)
        return
    print(f"{name}: FAILED\n{output[-6000:]}")
    print(f"{name}: to see it again: {program(name)} {FOUND}/{name}-...", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--merge", action="store_true")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    names = asked.names or all_names()
    unknown = set(names) - set(all_names())
    if unknown:
        sys.exit(f"no such harness: {', '.join(sorted(unknown))} (there are: {', '.join(all_names())})")
    build()
    shutil.rmtree(FOUND, ignore_errors=True)
    os.makedirs(FOUND)
    seconds = int(asked.minutes * 60) if asked.minutes else asked.seconds
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for result in pool.map(lambda name: run(name, seconds), names):
            report(*result)
            failed += result[1] != 0
        for path in sorted(os.listdir(FOUND)):
            print(f"found: {os.path.join(FOUND, path)}")
        if asked.merge and failed == 0:
            list(pool.map(merge, names))
        print_coverage(names, pool)
    print(f"{len(names) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
