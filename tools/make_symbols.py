#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the kernel's table of function names, which backtraces read (src/arch/symbols.cpp).

make_symbols.py KERNEL.elf        assembly on standard output
make_symbols.py --empty           the same with no names, for the first link
make_symbols.py --check A B       fails unless every function stands at the same address in both
"""
import subprocess
import sys

BASE = 0xFFFFFFFF80000000


def functions(kernel):
    """[(address, name)] of all functions, sorted, one name an address."""
    names = subprocess.run(["nm", "--defined-only", "-n", kernel], check=True,
                           capture_output=True, text=True).stdout
    plain = subprocess.run(["c++filt", "-p"], input=names, check=True,
                           capture_output=True, text=True).stdout
    found = {}
    for line in plain.splitlines():
        address, kind, name = line.split(" ", 2)
        if kind in "tTwW" and int(address, 16) >= BASE and not name.startswith(".L"):
            found.setdefault(int(address, 16), name)
    return sorted(found.items())


def assembly(symbols):
    """Addresses relative to the kernel's base and name offsets, then the names."""
    yield "// Made by tools/make_symbols.py."
    yield '.section .symbols, "a", @progbits'
    yield ".balign 8"
    yield ".global symbol_count, symbol_entries, symbol_names"
    yield f"symbol_count: .long {len(symbols)}"
    yield "symbol_entries:"
    offset = 0
    for address, name in symbols:
        yield f"    .long {address - BASE:#x}, {offset}"
        offset += len(name.encode()) + 1
    yield "symbol_names:"
    for _, name in symbols:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        yield f'    .asciz "{escaped}"'
    yield "    .byte 0"
    yield '.section .note.GNU-stack, "", @progbits'


def main():
    match sys.argv[1:]:
        case ["--empty"]:
            print("\n".join(assembly([])))
        case ["--check", first, second]:
            if functions(first) != functions(second):
                sys.exit(f"{second}: functions moved after the names were added")
        case [kernel]:
            print("\n".join(assembly(functions(kernel))))
        case _:
            sys.exit(__doc__)


main()
