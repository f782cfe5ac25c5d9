#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""profile_rows.py PLUGIN KERNEL ARCHIVE PROGRAMS ROW [BY]: where the instructions of a bench row go.

Runs `bench ROW` in the guest as run_bench.py does, with the plugin, and prints instructions per
operation, sorted: by `function` (as compiled, with all that was inlined into it), by `inlined`
function (the innermost), or by source `line`. PROGRAMS is the folder of the user programs, not
stripped. Only what ran between the row's time stamps counts, user mode included.
"""
import bisect
import collections
import pathlib
import re
import subprocess
import sys
import tempfile

import run_bench

PROGRAM_BASE = 0x40410000  # src/lib/elf_plan.hpp
KERNEL_BASE = 0xFFFFFFFF80000000
SHOWN = 0.05  # instructions per operation below which lines are summed up
WIDTH = 120  # characters of a name
LIMIT = 1800  # seconds


def symbols(elf):
    """Sorted [(address, name)] of code."""
    names = subprocess.run(["nm", "-C", "--defined-only", "-n", elf], check=True,
                           capture_output=True, text=True).stdout
    found = {}
    for line in names.splitlines():
        address, kind, name = line.split(" ", 2)
        if kind in "tTwWiu":
            found[int(address, 16)] = name
    return sorted(found.items())


def shorten(name):
    """A name without parameters and what says nothing."""
    name = name.replace("(anonymous namespace)::", "").replace("{lambda", "{")
    kept = re.sub(r"operator\(\)", "operator@", name)
    while (shorter := re.sub(r"\([^()]*\)", "", kept)) != kept:
        kept = shorter
    kept = re.sub(r" (const|\[clone.*\])(?=$|[,>])", "", kept.replace("operator@", "operator()"))
    return kept if len(kept) <= WIDTH else kept[:WIDTH - 1] + "…"


class Image:
    """An ELF file: what it is called, where it is loaded, its bytes by address, its functions."""

    def __init__(self, path, base=0):
        self.path, self.name = path, path.name
        self.data = path.read_bytes()
        word = lambda at, size: int.from_bytes(self.data[at:at + size], "little")
        # e_type 3: position-independent. Program headers of type 1 are loaded.
        self.base = base if word(16, 2) == 3 else 0
        heads = [word(32, 8) + 56 * index for index in range(word(56, 2))]
        self.parts = [(word(at + 16, 8), word(at + 8, 8), word(at + 32, 8))
                      for at in heads if word(at, 4) == 1]
        self.symbols = None

    def has(self, address, code):
        for start, offset, size in self.parts:
            at = address - self.base - start
            if 0 <= at < size:
                return self.data[offset + at:offset + at + len(code)] == code
        return False

    def function(self, address):
        if self.symbols is None:
            self.symbols = symbols(self.path)
            self.starts = [start for start, _ in self.symbols]
        index = bisect.bisect_right(self.starts, address - self.base) - 1
        return shorten(self.symbols[index][1]) if index >= 0 else "?"

    def lines(self, addresses):
        """{address: (innermost function, file:line)}."""
        asked = "".join(f"{address - self.base:#x}\n" for address in addresses)
        text = subprocess.run(["addr2line", "-a", "-f", "-C", "-i", "-e", self.path], input=asked,
                              check=True, capture_output=True, text=True).stdout
        found, rest = {}, iter(text.splitlines())
        for line in rest:
            if line.startswith("0x"):
                address = int(line, 16) + self.base
                found[address] = (shorten(next(rest)), next(rest).split(" (")[0].removeprefix("./"))
        return found


def measure(plugin, kernel, archive, row):
    """The guest's figures of the row, and what the plugin wrote about it."""
    with tempfile.TemporaryDirectory(prefix="tabula-") as directory:
        serial, counts = pathlib.Path(directory) / "serial", pathlib.Path(directory) / "counts"
        serial.touch()
        words = run_bench.command(kernel, archive, serial, f"bench {row}")
        words += ["-plugin", f"{plugin},out={counts}"]
        status = subprocess.run(words, timeout=LIMIT, stdin=subprocess.DEVNULL).returncode
        text = serial.read_text(errors="replace").replace("\r", "")
        rows = [line.split("\t") for line in text.split("\n") if run_bench.ROW.match(line)]
        names = [fields[0] for fields in rows]
        if status != 33 or row not in names:
            sys.exit(f"{text}\nprofile: exit status {status}, no row {row}")
        cost = next(int(line.split("less ")[1].split()[0]) for line in text.split("\n")
                    if line.startswith("# name"))
        number = 0 if row.startswith("boot_") else names.index(row) + 1
        figures, wanted = [], False
        for line in counts.read_text().splitlines():
            words = line.split()
            if words[0] == "row":
                wanted = int(words[1]) == number
            if wanted:
                figures.append(words)
    return rows[names.index(row)], cost, figures


def select(fields, cost, figures):
    """[(address, code, count)] of the intervals that the row was made of, and the operations."""
    operations, mean = int(fields[1]), float(fields[4])
    samples, last, before = (int(word) for word in figures[0][2:])
    if samples == 0:
        sys.exit(f"profile: {fields[0]} is no row of time stamps")
    total = mean * operations + cost * samples
    choices = {(1, 0): last, (0, 1): before, (1, 1): last + before}
    use = min(choices, key=lambda choice: abs(choices[choice] - total))
    if abs(choices[use] - total) > total / 100:  # a fault's instruction counts twice
        sys.exit(f"profile: the row took {total:.0f} instructions, seen were {choices[use]}")
    counts = [(int(address, 16), bytes.fromhex(code), use[0] * int(a) + use[1] * int(b))
              for address, code, a, b in figures[1:]]
    return [count for count in counts if count[2] != 0], operations


def owner(images, address, code):
    return next((image for image in images if image.has(address, code)), None)


def attribute(counts, kernel, programs, by):
    """{(who, what): instructions}."""
    sums, asked = collections.Counter(), collections.defaultdict(list)
    for address, code, count in counts:
        image = kernel if address >= KERNEL_BASE else owner(programs, address, code)
        if image is None:
            sums["-", "firmware, and the kernel before it has paging"] += count
        elif by == "function":
            sums[image.name, image.function(address)] += count
        else:
            asked[image].append((address, count))
    for image, pairs in asked.items():
        lines = image.lines([address for address, _ in pairs])
        for address, count in pairs:
            function, place = lines[address]
            sums[image.name, function if by == "inlined" else f"{place}  {function}"] += count
    return sums


def main():
    plugin, kernel, archive, programs, row, *by = sys.argv[1:]
    by = by[0] if by and by[0] else "function"
    if not row or by not in ("function", "inlined", "line"):
        sys.exit("usage: make profile ROW=mmap_munmap_4K [BY=function|inlined|line]; "
                 "rows: user/bench/bench.cpp")
    fields, cost, figures = measure(plugin, kernel, archive, row)
    counts, operations = select(fields, cost, figures)
    # Programs share addresses, so bytes decide; `bench` is asked first.
    files = sorted((path for path in pathlib.Path(programs).iterdir() if path.is_file()),
                   key=lambda path: (path.name != "bench", path.name))
    images = [Image(path, PROGRAM_BASE) for path in files]
    sums = attribute(counts, Image(pathlib.Path(kernel)), images, by)
    print(f"{row}: {sum(sums.values()) / operations:.1f} instructions per operation, "
          f"time stamps included (bench says {fields[4]} without)")
    hidden = 0
    for (who, what), count in sums.most_common():
        if count / operations < SHOWN:
            hidden += count
        else:
            print(f"{count / operations:12.1f}  {who:10}  {what}")
    if hidden:
        print(f"{hidden / operations:12.1f}  all others")


if __name__ == "__main__":
    main()
