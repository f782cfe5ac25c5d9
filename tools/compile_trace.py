#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compile_trace.py TRACE.map OUTPUT: a recorded trace as a table of calls (user/bench/trace.hpp).

What test/workloads/README.md says of replaying is decided here: brk becomes a map or an unmap;
write and execute at once becomes read and write; advice other than MADV_DONTNEED is no call; a
protect, discard or remap of what is not all mapped has to be refused, and then a protect or discard
is made of the parts that are. Each page of a new mapping of up to 64 KiB that can be read or
written is touched once.
"""
import bisect
import collections
import pathlib
import struct
import sys

PAGE = 4096
TOUCHED = 64 << 10  # bytes; larger mappings are not touched
OPERATIONS = ("map", "unmap", "protect", "remap", "brk", "advise", "fork")
KINDS = ("map", "map_file", "unmap", "protect", "discard", "remap", "fork")
PRIVATE, NORESERVE, REFUSED, READ, WRITTEN = 1, 2, 4, 8, 16
HEADER = struct.Struct("<8s4I")
CALL = struct.Struct("<4QI4B")

Call = collections.namedtuple("Call", "kind address bytes other new_bytes file access flags",
                              defaults=(0, 0, 0, 0, 0, 0, 0))


class Mapped:
    """What is mapped: ranges apart from each other, sorted."""

    def __init__(self):
        self.edges = []  # start, end, start, end…

    def change(self, start, end, filled):
        low, high = bisect.bisect_left(self.edges, start), bisect.bisect_right(self.edges, end)
        inside = [start] if (low % 2 == 0) == filled else []
        inside += [end] if (high % 2 == 0) == filled else []
        self.edges[low:high] = inside

    def parts(self, start, end):
        found = []
        for low, high in zip(self.edges[::2], self.edges[1::2]):
            if max(low, start) < min(high, end):
                found.append((max(low, start), min(high, end)))
        return found


def up(number):
    return -(-number // PAGE) * PAGE


class Compiler:
    def __init__(self):
        self.mapped, self.files, self.sizes = Mapped(), {}, []
        self.heap_end, self.calls, self.operations = None, [], 0

    def compile(self, text):
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            self.operations += 1
            try:
                self.operation(words[1])(*words[2:])
            except (IndexError, TypeError, ValueError) as problem:
                raise ValueError(f"line {number}: {line!r}: {problem}") from problem
        return self

    def operation(self, word):
        if word not in OPERATIONS:
            raise ValueError("unknown operation")
        return getattr(self, word)

    def range(self, address, length):
        start, bytes_ = int(address, 16), up(int(length))
        if start % PAGE or bytes_ <= 0:
            raise ValueError("no range of pages")
        return start, start + bytes_

    @staticmethod
    def access(letters):
        if len(letters) != 3 or any(letter not in ("-", wanted) for letter, wanted in zip(letters, "rwx")):
            raise ValueError(f"access {letters!r}")
        bits = sum(1 << bit for bit in range(3) if letters[bit] != "-")
        return bits & ~4 if bits & 6 == 6 else bits  # write and execute at once is refused

    def new(self, call):
        """A mapping over whatever is there."""
        if call.bytes <= TOUCHED and call.access & 3:
            call = call._replace(flags=call.flags | (WRITTEN if call.access & 2 else READ))
        self.calls.append(call)
        self.mapped.change(call.address, call.address + call.bytes, True)

    def map(self, address, length, access, kind, file, offset):
        start, end = self.range(address, length)
        call = Call("map", start, end - start, access=self.access(access),
                    flags=NORESERVE if kind[4] == "n" else 0)
        if kind[1] == "f":
            number = self.files.setdefault(file, len(self.files))
            self.sizes += [0] * (number + 1 - len(self.sizes))
            self.sizes[number] = max(self.sizes[number], int(offset) + call.bytes)
            call = call._replace(kind="map_file", other=int(offset), file=number,
                                 flags=call.flags | (PRIVATE if kind[0] == "p" else 0))
        elif kind[0] == "s":
            raise ValueError("shared memory that is no file's is not compiled")
        self.new(call)

    def unmap(self, address, length):
        start, end = self.range(address, length)
        self.calls.append(Call("unmap", start, end - start))
        self.mapped.change(start, end, False)

    def by_parts(self, kind, start, end, access=0):
        parts = self.mapped.parts(start, end)
        if parts != [(start, end)]:
            self.calls.append(Call(kind, start, end - start, access=access, flags=REFUSED))
        self.calls += [Call(kind, low, high - low, access=access) for low, high in parts]

    def protect(self, address, length, access):
        self.by_parts("protect", *self.range(address, length), self.access(access))

    def advise(self, address, length, advice):
        if advice == "MADV_DONTNEED":
            self.by_parts("discard", *self.range(address, length))

    def remap(self, old, old_length, new, new_length):
        start, end = self.range(old, old_length)
        to, to_end = self.range(new, new_length)
        whole = self.mapped.parts(start, end) == [(start, end)]
        self.calls.append(Call("remap", start, end - start, to, to_end - to,
                               flags=0 if whole else REFUSED))
        if whole:
            self.mapped.change(start, end, False)
            self.mapped.change(to, to_end, True)

    def brk(self, address):
        end = up(int(address, 16))
        before, self.heap_end = self.heap_end, end
        if before is not None and before < end:
            self.new(Call("map", before, end - before, access=3))
        elif before is not None and end < before:
            self.calls.append(Call("unmap", end, before - end))
            self.mapped.change(end, before, False)

    def fork(self):
        self.calls.append(Call("fork"))

    def table(self):
        # What grows by a remap may reach beyond what was mapped of its file.
        longer = sum(call.new_bytes for call in self.calls if call.kind == "remap")
        sizes = [up(size) + longer for size in self.sizes]
        out = HEADER.pack(b"tabcalls", self.operations, len(self.calls), len(sizes), 0)
        out += struct.pack(f"<{len(sizes)}Q", *sizes)
        for call in self.calls:
            out += CALL.pack(call.address, call.bytes, call.other, call.new_bytes, call.file,
                             KINDS.index(call.kind), call.access, call.flags, 0)
        return out


def main():
    source, output = map(pathlib.Path, sys.argv[1:])
    try:
        compiled = Compiler().compile(source.read_text(encoding="utf-8"))
    except ValueError as problem:
        sys.exit(f"{source}: {problem}")
    output.write_bytes(compiled.table())


if __name__ == "__main__":
    main()
