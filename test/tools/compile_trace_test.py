# SPDX-License-Identifier: MIT
"""Traces as tables of calls: what each line comes to, and the recorded ones against a plain set of pages."""
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unittest

import compile_trace
from compile_trace import NORESERVE, PAGE, PRIVATE, READ, REFUSED, WRITTEN, Call, Compiler, Mapped

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORKLOADS = sorted((ROOT / "test/workloads").glob("*.map"))


def calls(text):
    return Compiler().compile(text).calls


class Pages:
    """What is mapped, page by page."""

    def __init__(self):
        self.pages = set()

    def change(self, start, end, filled):
        pages = range(start, end, PAGE)
        self.pages = self.pages | set(pages) if filled else self.pages - set(pages)


class CompileTrace(unittest.TestCase):
    def test_map(self):
        self.assertEqual(calls("0 map 0x10000 5000 rw- pa--- - 0\n1 map 0x20000 4096 r-x pfx-n 3 8192\n"
                               "0 map 0x30000 69632 rw- pa--- - 0\n0 map 0x40000 4096 --- pa--n - 0\n"
                               "0 map 0x50000 4096 r-- sf--- 7 0\n"),
                         [Call("map", 0x10000, 8192, access=3, flags=WRITTEN),
                          Call("map_file", 0x20000, 4096, 8192, access=5, flags=PRIVATE | NORESERVE | READ),
                          Call("map", 0x30000, 69632, access=3),
                          Call("map", 0x40000, 4096, flags=NORESERVE),
                          Call("map_file", 0x50000, 4096, file=1, access=1, flags=READ)])

    def test_write_and_execute_at_once(self):
        self.assertEqual(calls("0 map 0x10000 4096 rwx pa--- - 0\n0 protect 0x10000 4096 rwx\n"),
                         [Call("map", 0x10000, 4096, access=3, flags=WRITTEN),
                          Call("protect", 0x10000, 4096, access=3)])

    def test_holes(self):
        """A protect or discard of what is not all mapped is refused, and made of what is."""
        text = "0 map 0x10000 4096 --- pa--- - 0\n0 map 0x12000 4096 --- pa--- - 0\n"
        self.assertEqual(calls(text + "0 protect 0x10000 16384 r--\n0 advise 0x20000 4096 MADV_DONTNEED\n"
                                      "0 advise 0x12000 4096 MADV_DONTNEED\n0 advise 0x12000 4096 MADV_FREE\n")[2:],
                         [Call("protect", 0x10000, 16384, access=1, flags=REFUSED),
                          Call("protect", 0x10000, 4096, access=1), Call("protect", 0x12000, 4096, access=1),
                          Call("discard", 0x20000, 4096, flags=REFUSED), Call("discard", 0x12000, 4096)])

    def test_remap(self):
        text = ("0 remap 0x10000 4096 0x20000 8192\n0 map 0x10000 4096 --- pa--- - 0\n"
                "0 remap 0x10000 4096 0x20000 8192\n0 protect 0x20000 8192 r--\n0 protect 0x10000 4096 r--\n")
        self.assertEqual(calls(text), [Call("remap", 0x10000, 4096, 0x20000, 8192, flags=REFUSED),
                                       Call("map", 0x10000, 4096),
                                       Call("remap", 0x10000, 4096, 0x20000, 8192),
                                       Call("protect", 0x20000, 8192, access=1),
                                       Call("protect", 0x10000, 4096, access=1, flags=REFUSED)])

    def test_brk(self):
        self.assertEqual(calls("0 brk 0x10000\n0 brk 0x12800\n0 brk 0x12900\n0 brk 0x11000\n0 fork\n"),
                         [Call("map", 0x10000, 0x3000, access=3, flags=WRITTEN),
                          Call("unmap", 0x11000, 0x2000), Call("fork")])

    def test_bad_lines(self):
        for line in ("0 frobnicate 0x10000 4096", "0 map 0x10001 4096 rw- pa--- - 0", "0 unmap 0x10000",
                     "0 map 0x10000 4096 rwz pa--- - 0", "0 map 0x10000 4096 rw- sa--- - 0", "0 table",
                     "0 unmap 0x10000 0"):
            with self.assertRaisesRegex(ValueError, "^line 2: "):
                calls(f"# a remark\n{line}\n")

    def test_mapped_as_a_set_of_pages(self):
        chosen = random.Random(1)
        for _ in range(200):
            mapped, pages = Mapped(), Pages()
            for _ in range(30):
                start = chosen.randrange(40) * PAGE
                end = start + chosen.randrange(1, 12) * PAGE
                filled = chosen.random() < 0.6
                mapped.change(start, end, filled)
                pages.change(start, end, filled)
                listed = [page for low, high in mapped.parts(0, 60 * PAGE) for page in range(low, high, PAGE)]
                self.assertEqual(listed, sorted(pages.pages))
                self.assertEqual(mapped.edges, sorted(set(mapped.edges)))

    def test_recorded(self):
        """Each line is a call, but for the first brk, and advice that is none; more where one is refused."""
        self.assertEqual(len(WORKLOADS), 4)
        for trace in WORKLOADS:
            text = trace.read_text(encoding="utf-8")
            lines = [line for line in text.splitlines() if line and line[0] != "#"]
            silent = sum(" advise " in line and "MADV_DONTNEED" not in line for line in lines)
            ends = [compile_trace.up(int(line.split()[2], 16)) for line in lines if " brk " in line]
            silent += sum(end == before for before, end in zip([ends[0], *ends], ends))
            compiled = Compiler().compile(text)
            refused = sum(bool(call.flags & REFUSED) for call in compiled.calls)
            self.assertEqual(compiled.operations, len(lines))
            self.assertLessEqual(len(lines) - silent, len(compiled.calls))
            self.assertLessEqual(len(compiled.calls), len(lines) - silent + refused)

    def test_table(self):
        with tempfile.TemporaryDirectory() as folder:
            source, output = pathlib.Path(folder) / "a.map", pathlib.Path(folder) / "a.calls"
            source.write_text("0 map 0x10000 4096 r-- pf--- 3 4096\n0 fork\n", encoding="utf-8")
            command = [sys.executable, ROOT / "tools/compile_trace.py", source, output]
            subprocess.run(command, check=True)
            table = output.read_bytes()
            self.assertEqual(table[:24], struct.pack("<8s4I", b"tabcalls", 2, 2, 1, 0))
            self.assertEqual(table[24:32], struct.pack("<Q", 8192))
            self.assertEqual(table[32:72], struct.pack("<4QI4B", 0x10000, 4096, 4096, 0, 0, 1, 1, PRIVATE | READ, 0))
            self.assertEqual(table[72:], struct.pack("<4QI4B", 0, 0, 0, 0, 0, 6, 0, 0, 0))
            source.write_text("0 what\n", encoding="utf-8")
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual(ended.returncode, 1)
            self.assertIn("a.map: line 1: ", ended.stderr)

    def test_kinds_are_those_of_the_header(self):
        header = (ROOT / "user/bench/trace.hpp").read_text(encoding="utf-8")
        self.assertIn("enum class Kind : std::uint8_t { " + ", ".join(compile_trace.KINDS) + " };", header)
        for name, value in (("is_private", PRIVATE), ("is_noreserve", NORESERVE), ("is_refused", REFUSED),
                            ("is_read", READ), ("is_written", WRITTEN)):
            self.assertRegex(header, rf"\b{name} = {value}\b")
