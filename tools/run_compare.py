#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run_compare.py PROGRAM PLUGIN.so QEMU: measures the compared structures, and prints rows as
build/bench/hosted.tsv has them: name, operations, median, min, mean.

  WORK.STRUCTURE                      nanoseconds, by the clock, for information
  WORK.STRUCTURE.instructions         counted by a plugin of QEMU, the same in each run
  WORK.STRUCTURE.accesses             loads and stores
  WORK.STRUCTURE.instructions_worst   of the dearest operation
  bytes_per_mapping_nN.STRUCTURE      memory that N mappings take, divided by N
"""
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile


def rows_of(command):
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [line.split("\t") for line in output.splitlines()]


def counted(program, plugin, qemu):
    """name -> [(instructions, accesses) of each operation]"""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "counts"
        # Run from a path of the same length wherever the project lies: the C library keeps the path
        # on the heap, and which of a CPU's purses of credit spaces share follows from their addresses.
        moved = pathlib.Path(folder) / "compare"
        shutil.copy(program, moved)
        # A processor whose features do not depend on the host: libraries choose code by them.
        rows = rows_of([qemu, "-cpu", "qemu64", "-plugin", f"{plugin},out={out}", str(moved)])
        counts = [tuple(map(int, line.split())) for line in out.read_text().splitlines()]
    if sum(int(operations) for _, operations in rows) != len(counts):
        sys.exit("run_compare: operations and counts differ in number")
    taken = iter(counts)
    return {name: [next(taken) for _ in range(int(operations))] for name, operations in rows}


def print_row(name, figures):
    ordered = sorted(figures)
    print(f"{name}\t{len(ordered)}\t{ordered[len(ordered) // 2]}\t{ordered[0]}"
          f"\t{statistics.fmean(ordered):g}")


def main():
    program, plugin, qemu = sys.argv[1:]
    timed = rows_of([program, "--time"])
    counts = counted(program, plugin, qemu)
    print("# structures compared: nanoseconds; .instructions, .accesses: counts")
    for name, *figures in timed:
        print("\t".join([name, *figures]))
        if name.startswith("bytes_per_mapping"):
            continue
        instructions, accesses = zip(*counts.pop(name))
        print_row(f"{name}.instructions", instructions)
        print_row(f"{name}.accesses", accesses)
        print_row(f"{name}.instructions_worst", [max(instructions)])
    if counts:
        sys.exit(f"run_compare: not timed: {', '.join(counts)}")


main()
