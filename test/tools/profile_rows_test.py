# SPDX-License-Identifier: MIT
"""tools/profile_rows.py: which intervals a row is made of, names, and whose an instruction is."""
import pathlib
import struct
import tempfile
import unittest

import profile_rows as tool

COST = 4
SAMPLES = 10


def figures(last, before):
    """What the plugin writes for ten samples of two instructions each."""
    return [["row", "1", str(SAMPLES), str(SAMPLES * last), str(SAMPLES * before)],
            ["ffffffff80001000", "90", str(SAMPLES * (last - 1)), "0"],
            ["40411000", "c3", str(SAMPLES), str(SAMPLES * before)]]


def row(mean, operations=SAMPLES):
    return ["some_row", str(operations), "0", "0", str(mean)]


class Select(unittest.TestCase):
    def test_last(self):
        counts, operations = tool.select(row(96), COST, figures(100, 50))
        self.assertEqual(operations, SAMPLES)
        self.assertEqual(counts, [(0xFFFFFFFF80001000, b"\x90", 990), (0x40411000, b"\xc3", 10)])

    def test_before(self):
        counts, _ = tool.select(row(46), COST, figures(100, 50))
        self.assertEqual(counts, [(0x40411000, b"\xc3", 500)])

    def test_both(self):
        counts, _ = tool.select(row(146), COST, figures(100, 50))
        self.assertEqual(sum(count for _, _, count in counts), 1500)

    def test_many_operations_a_sample(self):
        _, operations = tool.select(row(9.6, 10 * SAMPLES), COST, figures(100, 50))
        self.assertEqual(operations, 10 * SAMPLES)

    def test_none_fits(self):
        with self.assertRaises(SystemExit):
            tool.select(row(80), COST, figures(100, 50))

    def test_no_time_stamps(self):
        with self.assertRaises(SystemExit):
            tool.select(row(0), COST, [["row", "1", "0", "0", "0"]])


class Names(unittest.TestCase):
    def test_shorter(self):
        self.assertEqual(tool.shorten("vm::(anonymous namespace)::visit(vm::A const&, int) const"),
                         "vm::visit")
        self.assertEqual(tool.shorten("f<g(int)::{lambda(vm::E)#1} const>(T) [clone .isra.0]"),
                         "f<g::{#1}>")
        self.assertEqual(tool.shorten("A::operator()(int)"), "A::operator()")
        self.assertEqual(len(tool.shorten("x" * 1000)), tool.WIDTH)


class Programs(unittest.TestCase):
    def image(self, kind, code):
        """A file of ELF type `kind` whose one segment is at 0x1000."""
        data = bytearray(0x200)
        data[0:4] = b"\x7fELF"
        struct.pack_into("<H", data, 16, kind)
        struct.pack_into("<Q", data, 32, 64)
        struct.pack_into("<H", data, 56, 1)
        struct.pack_into("<IIQQQQQQ", data, 64, 1, 5, 0x100, 0x1000, 0, len(code), len(code), 0)
        data[0x100:0x100 + len(code)] = code
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(data)
        self.addCleanup(pathlib.Path(file.name).unlink)
        return tool.Image(pathlib.Path(file.name), tool.PROGRAM_BASE)

    def test_bytes_decide(self):
        one, other = self.image(3, b"\x90\xc3"), self.image(3, b"\x90\xcc")
        base = tool.PROGRAM_BASE + 0x1000
        self.assertIs(tool.owner([one, other], base + 1, b"\xcc"), other)
        self.assertIs(tool.owner([one, other], base, b"\x90"), one)
        self.assertIsNone(tool.owner([one, other], base + 2, b"\x00"))
        self.assertIsNone(tool.owner([one, other], 0x1000, b"\x90"))

    def test_fixed_address(self):
        self.assertTrue(self.image(2, b"\x90").has(0x1000, b"\x90"))


if __name__ == "__main__":
    unittest.main()
