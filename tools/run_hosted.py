#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run_hosted.py RESULTS NAME=BINARY...: runs doctest binaries and counts their cases.

Writes RESULTS/NAME.tsv: name, cases passed, cases failed, seconds. A binary that ends without its
summary counts as one failure more.
"""
import pathlib
import re
import subprocess
import sys
import time


def run(name, binary):
    started = time.monotonic()
    try:
        ended = subprocess.run([binary], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, errors="replace", timeout=3600)
        output, status = ended.stdout, ended.returncode
    except (OSError, subprocess.TimeoutExpired) as problem:
        output, status = f"{problem}\n", -1
    seconds = time.monotonic() - started
    summary = re.search(r"test cases: *\d+ \| *(\d+) passed \| *(\d+) failed", output)
    passed, failed = (int(summary[1]), int(summary[2])) if summary else (0, 1)
    if status != 0 and failed == 0:
        failed = 1
    if passed == 0 and failed == 0:
        failed = 1
    if failed:
        print(output, end="")
    print(f"{name}: {passed} passed, {failed} failed, {seconds:.1f} s")
    return passed, failed, seconds


def main():
    results = pathlib.Path(sys.argv[1])
    results.mkdir(parents=True, exist_ok=True)
    bad = False
    for suite in sys.argv[2:]:
        name, binary = suite.split("=", 1)
        passed, failed, seconds = run(name, binary)
        (results / f"{name}.tsv").write_text(f"{name}\t{passed}\t{failed}\t{seconds:.1f}\n")
        bad |= failed > 0
    sys.exit(bad)


main()
