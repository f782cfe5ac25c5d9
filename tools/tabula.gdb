# SPDX-License-Identifier: MIT
# Helpers for looking at Tabula: `walk ADDRESS` prints the entries that lead to an address in the
# paging structure in use, `entry VALUE` says what one entry is.
set pagination off
set confirm off

python
import gdb

NAMES = {1: "page table", 2: "page directory", 3: "directory pointers", 4: "top"}
STATES = {1: "lazy", 2: "shared", 3: "file", 4: "callback", 5: "parked", 6: "uncached"}


def words(bits, level):
    """One entry in words (src/vm/entry.hpp has the layout)."""
    if bits == 0:
        return "empty"
    frame = bits & 0x000F_FFFF_FFFF_F000
    rights = "".join(c if bits >> 58 >> i & 1 else "-" for i, c in enumerate("rwx"))
    if not bits & 1:
        state = STATES.get(bits >> 1 & 7, "?")
        if state == "parked":
            return f"parked, frame {~bits & 0x000F_FFFF_FFFF_F000:x}"
        return f"{state}, access {rights}, id {bits >> 12 & 0x7F_FFFF}"
    kind = "table" if level > 1 and not bits & 0x80 else "leaf"
    flags = ("W" if bits & 2 else "no W") if kind == "table" else rights
    marks = [name for bit, name in ((2, "user"), (5, "accessed"), (6, "dirty"), (8, "global"),
                                    (9, "shared"), (10, "cow")) if bits >> bit & 1]
    return f"{kind}, frame {frame:x}, {flags} {' '.join(marks)}"


def physical(address):
    """The 64-bit word at a physical address, read through the monitor: any paging will do."""
    line = gdb.execute(f"monitor xp /1gx {address:#x}", to_string=True)
    return int(line.split(":")[1], 16)


class Walk(gdb.Command):
    """walk ADDRESS: the entries that decide about a virtual address."""

    def __init__(self):
        super().__init__("walk", gdb.COMMAND_DATA)

    def invoke(self, argument, _):
        address = int(gdb.parse_and_eval(argument)) & 0xFFFF_FFFF_FFFF_FFFF
        table = int(gdb.parse_and_eval("$cr3")) & 0x000F_FFFF_FFFF_F000
        for level in range(4, 0, -1):
            index = address >> (12 + 9 * (level - 1)) & 511
            bits = physical(table + 8 * index)
            print(f"{NAMES[level]:>18} [{index:3}] {bits:016x}  {words(bits, level)}")
            if not bits & 1 or level == 1 or bits & 0x80:
                return
            table = bits & 0x000F_FFFF_FFFF_F000


class EntryWords(gdb.Command):
    """entry VALUE [LEVEL]: what a page-table entry says."""

    def __init__(self):
        super().__init__("entry", gdb.COMMAND_DATA)

    def invoke(self, argument, _):
        value, _, level = argument.partition(" ")
        print(words(int(gdb.parse_and_eval(value)) & 0xFFFF_FFFF_FFFF_FFFF, int(level or 1)))


Walk()
EntryWords()
end
