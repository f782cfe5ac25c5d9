#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The guest tests: starts Tabula in QEMU and Bochs in the ways of cases.py and judges each run.

run.py [--long] [--results FILE] [--jobs N] [--patience N] [--list] [NAME...]
NAME: a part of a case's name. Cases of the matrix end in a table: machines by what was done on them.
"""
import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__))
sys.dont_write_bytecode = True
import bochs  # noqa: E402
import case  # noqa: E402
import cases  # noqa: E402
import qemu  # noqa: E402


def start(one, patience):
    """Runs one machine; returns (complaint or None, serial text, other output)."""
    one = dataclasses.replace(one, seconds=one.seconds * patience)
    emulator = bochs if one.boot == "bochs" else qemu
    with tempfile.TemporaryDirectory(prefix="tabula-") as directory:
        try:
            return emulator.run(one, directory)
        except Exception as problem:  # a case that can't even start is a failure, not the end
            return f"{type(problem).__name__}: {problem}", "", ""


def complain(problem, text, output):
    return f"    {problem}\n{output}--- serial ---\n{text[-6000:]}\n--------------"


def differing_lines(one, other):
    lines = zip(one.split("\n"), other.split("\n"))
    at, (a, b) = next(((i, pair) for i, pair in enumerate(lines) if pair[0] != pair[1]), (0, ("", "")))
    return f"    the runs differ in line {at + 1}:\n      {a}\n      {b}"


def compare(both, patience):
    """The complaint about a comparison; None when it is as it has to be."""
    texts = []
    for one in (both.first, both.second) + (both.second,) * both.more:
        problem, text, output = start(one, patience)
        if problem is not None:
            return complain(problem, text, output)
        text = re.sub(both.ignore, "", text)
        if text in texts:
            return None if both.same else complain("both runs are the same", text, "")
        texts.append(text)
    return differing_lines(*texts[-2:]) if both.same else None


def judge(one, patience):
    """Runs one case or comparison; returns (complaint or None, seconds)."""
    started = time.monotonic()
    if isinstance(one, case.Comparison):
        complaint = compare(one, patience)
    else:
        problem, text, output = start(one, patience)
        complaint = None if problem is None else complain(problem, text, output)
    return complaint, time.monotonic() - started


def print_table(judged):
    """The machines of the matrix by what was done on them: seconds, or FAILED."""
    works, machines = [], {}
    for one, complaint, seconds in judged:
        if one.machine:
            if one.work not in works:
                works.append(one.work)
            cell = "FAILED" if complaint is not None else f"ok {seconds:.1f} s"
            machines.setdefault(one.machine, {})[one.work] = cell
    if not machines:
        return
    wide = max(len(name) for name in machines) + 2
    print(f"{'machine':{wide}}" + "".join(f"{work:>18}" for work in works))
    for name, cells in machines.items():
        print(f"{name:{wide}}" + "".join(f"{cells.get(work, '.'):>18}" for work in works))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--long", action="store_true", help="what `make test-long` runs")
    parser.add_argument("--results", type=pathlib.Path, help="file for the counts")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time")
    parser.add_argument("--patience", type=float, default=1, help="times the cases' time limits")
    parser.add_argument("--list", action="store_true", help="only names the cases")
    parser.add_argument("names", nargs="*", help="parts of names")
    options = parser.parse_args()

    chosen = [one for one in cases.CASES
              if one.long == options.long
              and (not options.names or any(name in one.name for name in options.names))]
    # Runs that take long begin first, so that none is left over for one processor at the end.
    chosen.sort(key=lambda one: getattr(one, "boot", "") != "bochs")
    if options.list:
        print("\n".join(one.name for one in chosen))
        return
    started = time.monotonic()
    judged = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        outcomes = pool.map(lambda one: judge(one, options.patience), chosen)
        for one, (complaint, seconds) in zip(chosen, outcomes):
            judged.append((one, complaint, seconds))
            print(f"  {'ok    ' if complaint is None else 'FAILED'} {one.name} ({seconds:.1f} s)",
                  flush=True)
            if complaint is not None:
                print(complaint, flush=True)
    print_table(judged)
    failed = sum(complaint is not None for _, complaint, _ in judged)
    passed = len(judged) - failed
    seconds = time.monotonic() - started
    print(f"guest: {passed} passed, {failed} failed, {seconds:.1f} s")
    if options.results:
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_text(f"guest\t{passed}\t{failed}\t{seconds:.1f}\n")
    sys.exit(failed != 0 or passed == 0)


main()
