#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The guest tests: starts Tabula in QEMU in the ways of cases.py and judges each run.

run.py [--long] [--results FILE] [--jobs N] [NAME...]   (NAME: a part of a case's name)
"""
import argparse
import concurrent.futures
import os
import pathlib
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
sys.dont_write_bytecode = True
import cases  # noqa: E402
import machine  # noqa: E402


def judge(case):
    """Runs one case; returns (name, complaint or None, seconds)."""
    started = time.monotonic()
    complaint = machine.run(case)
    return case.name, complaint, time.monotonic() - started


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--results", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()

    chosen = [case for case in cases.CASES
              if case.long == options.long
              and (not options.names or any(name in case.name for name in options.names))]
    started = time.monotonic()
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for name, complaint, seconds in pool.map(judge, chosen):
            passed += complaint is None
            failed += complaint is not None
            print(f"  {'ok    ' if complaint is None else 'FAILED'} {name} ({seconds:.1f} s)",
                  flush=True)
            if complaint is not None:
                print(complaint, flush=True)
    seconds = time.monotonic() - started
    print(f"guest: {passed} passed, {failed} failed, {seconds:.1f} s")
    if options.results:
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_text(f"guest\t{passed}\t{failed}\t{seconds:.1f}\n")
    sys.exit(failed != 0 or passed == 0)


main()
