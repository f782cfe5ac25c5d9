#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_bench.py BASELINE.tsv NEW.tsv: fails when a median grew by more than 2 %, or is missing.

Rows WORK.STRUCTURE…, of structures that are compared, need not be in the baseline: of others than
Tabula they may grow, and times are for information.
"""
import sys

ALLOWED = 1.02


def read(name):
    with open(name, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file if line.strip() and line[0] != "#"]
    return {row[0]: float(row[2]) for row in rows}


def main():
    baseline, new = read(sys.argv[1]), read(sys.argv[2])
    bad = not baseline
    print(f"{'row':36} {'baseline':>12} {'now':>12} {'change':>9}")
    unknown = [name for name in new if name not in baseline and "." not in name]
    for name in list(baseline) + unknown:
        before, now = baseline.get(name), new.get(name)
        if before is None:
            verdict = "      new: not in the baseline"
            bad = True
        elif now is None:
            verdict = "      missing"
            bad = True
        else:
            change = (now / before - 1) * 100 if before else 0.0 if now == 0 else float("inf")
            grown = now > before * ALLOWED
            bad |= grown
            verdict = f"{change:+8.2f}%{'  too slow' if grown else ''}"
        shown = [f"{value:12.0f}" if value is not None else " " * 12 for value in (before, now)]
        print(f"{name:36} {shown[0]} {shown[1]} {verdict}")
    print("bench-check: " + ("failed" if bad else "every row is within 2 %"))
    sys.exit(bad)


main()
