# SPDX-License-Identifier: MIT
"""`make replay`: recorded traces, bad ones, and the picture."""
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build/replay"


def replay(*words):
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=600, check=False)


class Replay(unittest.TestCase):
    def said(self, trace, *words):
        """Status, output and complaint for a trace of these lines."""
        with tempfile.TemporaryDirectory() as folder:
            name = pathlib.Path(folder) / "a trace.map"
            name.write_text(trace, encoding="utf-8")
            ended = replay(name, *words)
        return ended.returncode, ended.stdout, ended.stderr

    def test_recorded(self):
        ended = replay(ROOT / "test/workloads/python.map")
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr),
                         (0, "replayed 345 operations, 0 refused\n", ""))

    def test_refused(self):
        self.assertEqual(self.said("0 map 0x10000000 4096 rwx pa--- - 0\n0 fork\n"),
                         (0, "replayed 2 operations, 1 refused\n", ""))

    def test_terabytes(self):
        lines = [f"0 map {0x100000000000 + (number << 36):#x} {1 << 36} --- pa--n - 0"
                 for number in range(22)]
        lines += [f"0 protect {0x100000000000 + number * 0x7f35000:#x} 8192 rw-"
                  for number in range(9978)]
        self.assertEqual(self.said("\n".join(lines) + "\n"),
                         (0, "replayed 10000 operations, 0 refused\n", ""))

    def test_bad_lines(self):
        for line, why in (("0 frobnicate 0x10000 4096", "unknown operation 'frobnicate'"),
                          ("0 unmap 0x1000z 4096", "address '0x1000z' is no hexadecimal number"),
                          ("0 unmap 0x10001 4096", "the address is no multiple of the page size"),
                          ("0 unmap 0x7ffff000000 99999999999999999999",
                           "length '99999999999999999999' is beyond 64 bits"),
                          ("0 unmap 0x7ffff000000 9223372036854775807",
                           "the range ends outside of user space"),
                          ("0 map 0x10000 4096 rw-", "no kind")):
            self.assertEqual(self.said(f"# a remark\n0 fork\n{line}\n"),
                             (1, "", f"replay: 3: {why}\n"))

    def test_missing_file(self):
        ended = replay("/nowhere/at all.map")
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr),
                         (1, "", "replay: cannot read /nowhere/at all.map: No such file or directory\n"))
        self.assertEqual(replay("").returncode, 1)
        self.assertEqual(replay("/").returncode, 1)
        self.assertEqual(replay().returncode, 2)

    def test_picture(self):
        with tempfile.TemporaryDirectory() as folder:
            pictures = [pathlib.Path(folder) / name for name in ("one.svg", "two.svg")]
            for picture in pictures:
                ended = replay(ROOT / "test/workloads/python.map", "--picture", picture)
                self.assertEqual(ended.returncode, 0, ended.stderr)
            first, second = (picture.read_text(encoding="utf-8") for picture in pictures)
        self.assertEqual(first, second)
        self.assertTrue(first.startswith("<svg ") and first.endswith("</svg>\n"))
        for word in ("python.map: ", "level 2: a cell is 2 MiB", ">present<", ">reserved<"):
            self.assertIn(word, first)
        self.assertEqual(replay(ROOT / "test/workloads/python.map", "--picture", "/nowhere/x.svg").returncode, 1)
