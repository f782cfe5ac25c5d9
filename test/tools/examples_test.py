# SPDX-License-Identifier: MIT
"""examples/lift: src/vm, on a port of its own, keeps a map and gives all of it back."""
import pathlib
import subprocess
import unittest

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "build/examples/lift"
SAID = (r"(?m)^a terabyte and a heap: 2 runs, 0 frames, \d tables$",
        r"(?m)^  \w{12}-\w{12} lazy +268435456 pages$",
        r"(?m)^touched: resolved, a hole: refused$",
        r"(?m)^two pages touched: 5 runs, 2 frames, \d tables$",
        r"(?m)^three free pages at or above the heap: \w{12}; above it: mapped$",
        r"(?m)^all unmapped: 0 runs, 0 frames, \d tables$",
        r"(?m)^left behind: 0 pages$")


class Lift(unittest.TestCase):
    def test_tour(self):
        ended = subprocess.run([PROGRAM], capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        for line in SAID:
            self.assertRegex(ended.stdout, line)
