#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run_hosted.py RESULTS NAME=COMMAND...: runs doctest binaries, as many at a time as there are
processors, and counts their cases. Each is run in parts of a few cases, so that no processor idles
while a long binary ends.

Writes RESULTS/NAME.tsv: name, cases passed, cases failed, seconds of all parts. A part that ends
without its summary counts as one failure more.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time

CASES_IN_A_PART = 8
PATIENCE = 6 * 3600  # seconds: a hang detector


def output_of(command):
    """What it writes, and its status."""
    try:
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, errors="replace", timeout=PATIENCE)
        return ended.stdout, ended.returncode
    except (OSError, subprocess.TimeoutExpired) as problem:
        return f"{command[0]}: {problem}\n", -1


def run_part(command, cases):
    """Cases passed, cases failed, seconds, output. (What a range leaves out, doctest counts as passed.)"""
    started = time.monotonic()
    output, status = output_of(command)
    seconds = time.monotonic() - started
    summary = re.search(r"test cases: *\d+ \| *\d+ passed \| *(\d+) failed", output)
    if not summary:
        return 0, 1, seconds, output
    failed = int(summary[1])
    if status != 0 and failed == 0:
        failed = 1
    return cases - failed, failed, seconds, output


def parts(command):
    """The commands that together run what `command` does, and how many cases each is. One that finds
    no case, or can't be asked, is one part that fails."""
    answer, _ = output_of([*command, "-c"])
    counted = re.search(r"passing the current filters: (\d+)", answer)
    cases = int(counted[1]) if counted else 0
    if cases == 0:
        return [(["false"], 0)]
    return [([*command, f"-f={first}", f"-l={min(first + CASES_IN_A_PART - 1, cases)}"],
             min(CASES_IN_A_PART, cases - first + 1))
            for first in range(1, cases + 1, CASES_IN_A_PART)]


def main():
    results = pathlib.Path(sys.argv[1])
    results.mkdir(parents=True, exist_ok=True)
    bad = False
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        suites = []
        for suite in sys.argv[2:]:
            name, command = suite.split("=", 1)
            suites.append((name, [pool.submit(run_part, *part) for part in parts(command.split())]))
        for name, running in suites:
            passed, failed, seconds = 0, 0, 0.0
            for part in running:
                outcome = part.result()
                passed, failed = passed + outcome[0], failed + outcome[1]
                seconds += outcome[2]
                if outcome[1]:
                    print(outcome[3], end="")
            print(f"{name}: {passed} passed, {failed} failed, {seconds:.1f} s", flush=True)
            (results / f"{name}.tsv").write_text(f"{name}\t{passed}\t{failed}\t{seconds:.1f}\n")
            bad |= failed > 0
    sys.exit(bad)


main()
