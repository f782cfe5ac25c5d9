#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a compiler does not check: format, first lines, length of files, notes left behind."""
import os
import re
import subprocess
import sys

LONGEST = 300  # lines; doc: one idea a file
FORBIDDEN = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
CLOCK = re.compile(r"\b__(DATE|TIME|TIMESTAMP)__\b")  # would make each day's image another


def tracked():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], check=True,
                            capture_output=True, text=True).stdout.split("\n")
    return [name for name in listed if name and os.path.exists(name)]


def check(name):
    """The complaints about one text file."""
    with open(name, encoding="utf-8") as file:
        lines = file.read().split("\n")
    first = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
    if "SPDX-License-Identifier: MIT" not in first:
        yield f"{name}:1: the SPDX line is missing"
    for number, line in enumerate(lines, 1):
        if FORBIDDEN.search(line) and name != "tools/check_style.py":
            yield f"{name}:{number}: a note left behind: {line.strip()}"
        if CLOCK.search(line) and name != "tools/check_style.py":
            yield f"{name}:{number}: the time of compilation: {line.strip()}"
        if line != line.rstrip():
            yield f"{name}:{number}: blanks at the end of the line"
    if lines[-1] != "" or lines[-2:] == ["", ""]:
        yield f"{name}: must end in exactly one newline"


def first_include(name):
    """A complaint, if the header of a source file's name is not what it includes first: no other
    test shows that the header needs nothing before it."""
    header = name.removesuffix(".cpp") + ".hpp"
    if not os.path.exists(header):
        return
    with open(name, encoding="utf-8") as file:
        first = re.search(r'^#include ["<](.*)[">]', file.read(), re.MULTILINE)
    if first is None or not header.endswith(first[1]):
        yield f"{name}: must include {os.path.basename(header)} first"


def main():
    files = tracked()
    sources = [name for name in files if name.endswith((".cpp", ".hpp"))]
    others = [name for name in files if name.endswith((".S", ".py", ".sh", ".ld"))]
    complaints = [line for name in sources + others + ["Makefile"] for line in check(name)]
    complaints += [line for name in sources for line in first_include(name) if name.endswith(".cpp")]
    for name in sources:
        with open(name, encoding="utf-8") as file:
            length = sum(1 for _ in file)
        if length > LONGEST:
            print(f"note: {name} has {length} lines")
    for line in complaints:
        print(line)
    formatted = subprocess.run(["clang-format-19", "--dry-run", "-Werror", *sources]).returncode == 0
    sys.exit(bool(complaints) or not formatted)


main()
