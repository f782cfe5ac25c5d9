#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run_hosted.py RESULTS NAME=COMMAND...: runs doctest binaries, as many at a time as there are
processors, and counts their cases.

Writes RESULTS/NAME.tsv: name, cases passed, cases failed, seconds. A binary that ends without its
summary counts as one failure more.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time


def run(name, binary):
    started = time.monotonic()
    try:
        ended = subprocess.run(binary.split(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
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
    return passed, failed, seconds, output


def main():
    results = pathlib.Path(sys.argv[1])
    results.mkdir(parents=True, exist_ok=True)
    bad = False
    suites = [suite.split("=", 1) for suite in sys.argv[2:]]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = pool.map(lambda suite: run(*suite), suites)
    for (name, _), (passed, failed, seconds, output) in zip(suites, outcomes):
        if failed:
            print(output, end="")
        print(f"{name}: {passed} passed, {failed} failed, {seconds:.1f} s")
        (results / f"{name}.tsv").write_text(f"{name}\t{passed}\t{failed}\t{seconds:.1f}\n")
        bad |= failed > 0
    sys.exit(bad)


main()
