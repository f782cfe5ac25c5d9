#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes doc/system-calls.md from the one table of system calls.

    system_calls_doc.py           writes it
    system_calls_doc.py --check   exits with 1 if the file is not what would be written
"""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
table = root / "src/abi/system_calls.def"
errors = root / "src/abi/error.hpp"
page = root / "doc/system-calls.md"

TEXT = r'"((?:[^"\\]|\\.)*)"'
CALL = re.compile(r"SYSTEM_CALL\(\s*(\d+),\s*(\w+),\s*(\d+),\s*%s,\s*%s,\s*%s\s*\)" % (TEXT, TEXT, TEXT))
ERROR = re.compile(r"X\((\w+), (\d+), %s\)" % TEXT)
INTRODUCTION = """\
# System calls

Made from `src/abi/system_calls.def` by `tools/system_calls_doc.py`: change that table, not this page.

The number goes into rax, the arguments into rdi, rsi, rdx, r10, r8, r9, in the order given. The
result comes back in rax: a value of at least 0, or a negated error. rcx and r11 are lost, all other
registers are kept. Structures are those of `src/abi/types.hpp`; a call that takes a structure's
address together with its bytes tells as much of it as there is room for.

| number | call | result | what it does |
|---:|---|---|---|
"""


def parse():
    text = "".join(line for line in table.read_text().splitlines(True) if not line.startswith("//"))
    calls = CALL.findall(text)
    if len(calls) != text.count("SYSTEM_CALL("):
        sys.exit(f"{table}: a line is not understood")
    for number, call in enumerate(calls):
        if int(call[0]) != number:
            sys.exit(f"{table}: {call[1]} is out of order")
        count = 0 if not call[3] else call[3].count(",") + 1
        if count != int(call[2]):
            sys.exit(f"{table}: {call[1]} has {count} arguments, not {call[2]}")
    return calls


def render():
    rows = "".join(f"| {number} | `{name}({arguments})` | {result} | {what} |\n"
                   for number, name, _, arguments, result, what in parse())
    words = "".join(f"| -{number} | `{name}` | {text} |\n"
                    for name, number, text in ERROR.findall(errors.read_text()))
    return f"{INTRODUCTION}{rows}\n## Errors\n\n| rax | name | words |\n|---:|---|---|\n{words}"


def main():
    if sys.argv[1:] == ["--check"]:
        if not page.exists() or page.read_text() != render():
            sys.exit("doc/system-calls.md is not current: run tools/system_calls_doc.py")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        page.parent.mkdir(exist_ok=True)
        page.write_text(render())


main()
