#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_layers.py DIRECTORY...: reads the compiler's .d files and fails on a forbidden include.

lib, abi <- vm <- proc; arch may include all of these; user may include lib and abi.
"""
import pathlib
import sys

ALLOWED = {
    "src/lib": {"src/lib", "src/abi"},
    "src/abi": {"src/lib", "src/abi"},
    "src/vm": {"src/lib", "src/abi", "src/vm"},
    "src/proc": {"src/lib", "src/abi", "src/vm", "src/proc"},
    "src/arch": {"src/lib", "src/abi", "src/vm", "src/proc", "src/arch"},
    "user": {"src/lib", "src/abi", "user"},
}


def layer(path):
    parts = pathlib.PurePath(path).parts
    if parts[:1] == ("user",):
        return "user"
    return "/".join(parts[:2]) if parts[:1] == ("src",) and len(parts) > 2 else None


def main():
    wrong = set()
    read = 0
    for directory in sys.argv[1:]:
        for file in pathlib.Path(directory).rglob("*.d"):
            rule = file.read_text().replace("\\\n", " ").split("\n", 1)[0]
            files = rule.partition(":")[2].split()
            if not files or not pathlib.Path(files[0]).exists():
                continue
            read += 1
            source = files[0]
            allowed = ALLOWED.get(layer(source))
            if allowed is None:
                continue
            wrong |= {f"{source} includes {included}, directly or not"
                      for included in files[1:]
                      if layer(included) is not None and layer(included) not in allowed}
    if wrong:
        sys.exit("\n".join(sorted(wrong)))
    if read == 0:
        sys.exit("no dependency files to check")


main()
