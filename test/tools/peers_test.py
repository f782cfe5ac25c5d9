# SPDX-License-Identifier: MIT
"""Linux beside Tabula, but for the running of it: what was measured, and what it comes to."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import compare_peers
import plot_bench
import run_peer

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGETS = """# a remark
quick\ta thing\tquick other\tsomebody 7\t50
slow\tanother\tslow\t-\t1200.5
alone\ta third\t-\t-\t9
replay_a\tcalls\treplay_a\t-\t30%
later\tnot yet\tlater\t-\t1
"""


class Rows(unittest.TestCase):
    def test_a_whole_run(self):
        said = "[ 0.1] noise\r\n# Linux 6\r\na\t10\t1.5\t1.0\t2\r\nb_c\t1\t2\t2\t2\r\n# end\r\n"
        self.assertEqual(run_peer.rows_of(said), ["# Linux 6", "a\t10\t1.5\t1.0\t2", "b_c\t1\t2\t2\t2"])

    def test_runs_that_are_not_whole(self):
        for said, why in (("a\t1\t1\t1\t1\n", "to its end"), ("# end\n", "to its end"), ("", "to its end"),
                          ("a\t1\t1\t1\t1\na\t1\t1\t1\t1\n# end\n", "twice"),
                          ("a\t1\t1\t1\t1\n# FAIL b: 3\n# end\n", "FAIL b: 3")):
            with self.assertRaisesRegex(ValueError, why):
                run_peer.rows_of(said)


class Comparison(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.targets, self.guest, self.linux = (pathlib.Path(folder.name) / name for name in
                                                ("targets.tsv", "guest.tsv", "linux.tsv"))
        self.targets.write_text(TARGETS, encoding="utf-8")
        self.guest.write_text("#name\nquick\t1\t40\t9\t9\nslow\t1\t1200.6\t9\t9\nalone\t1\t9\t9\t9\n"
                              "replay_a\t1\t30\t9\t9\nmore\t1\t0\t0\t0\n", encoding="utf-8")
        self.write_linux(replay=100)

    def write_linux(self, replay):
        self.linux.write_text(f"quick\t1\t400\t9\t9\nother\t1\t5\t9\t9\nslow\t1\t600.3\t9\t9\nmore\t1\t3\t3\t3\n"
                              f"replay_a\t1\t{replay}\t9\t9\n", encoding="utf-8")

    def lines(self):
        return compare_peers.compare(compare_peers.read_targets(self.targets), plot_bench.medians(self.guest),
                                     plot_bench.medians(self.linux))

    def test_met_or_not(self):
        self.assertEqual([(line.row, line.ratio, line.met) for line in self.lines()],
                         [("quick", "10.0", "yes"), ("slow", "0.5", "no"), ("alone", "", "yes"),
                          ("replay_a", "3.3", "yes")])
        self.write_linux(replay=99)
        self.assertEqual(self.lines()[3].met, "no")
        self.assertEqual(compare_peers.summary(self.lines(), compare_peers.read_targets(self.targets),
                                               plot_bench.medians(self.guest)),
                         "2 of 4 targets are met; not measured yet: later")

    def test_table(self):
        text = compare_peers.table(self.lines())
        self.assertIn("| `quick` | a thing | 40 | 400; `other` 5 | 10.0 | somebody 7 | 50 | yes |\n", text)
        self.assertIn("| `slow` | another | 1,201 | 600 | 0.5 |  | 1,200 | **no** |\n", text)
        self.assertIn("| `replay_a` | calls | 30 | 100 | 3.3 |  | 30 % of Linux | yes |\n", text)
        more = compare_peers.more(compare_peers.read_targets(self.targets), plot_bench.medians(self.guest),
                                  plot_bench.medians(self.linux))
        self.assertTrue(more.endswith("|---|\n| `more` | 0 | 3 | – |\n"))

    def test_a_row_that_linux_lacks(self):
        self.linux.write_text("quick\t1\t400\t9\t9\n", encoding="utf-8")
        ended = subprocess.run([sys.executable, ROOT / "tools/compare_peers.py", self.targets, self.guest, self.linux],
                               capture_output=True, text=True, check=False)
        self.assertEqual((ended.returncode, ended.stdout), (1, ""))
        self.assertIn("linux.tsv has no row 'other'", ended.stderr)

    def test_the_targets_themselves(self):
        """Every row of the baseline that is a target's is spelled as there, and a target is a number."""
        baseline = plot_bench.medians(ROOT / "bench/baseline.tsv")
        targets = compare_peers.read_targets(ROOT / "bench/targets.tsv")
        self.assertEqual(len({target.row for target in targets}), len(targets))
        self.assertGreater(len([target for target in targets if target.row in baseline]), 40)
        for target in targets:
            limit, words = compare_peers.limit_of(target, 100.0)
            self.assertGreaterEqual(limit, 0, target.row)
            self.assertTrue(words)

    def test_workloads(self):
        baseline = plot_bench.medians(ROOT / "bench/baseline.tsv")
        text = compare_peers.workloads({"replay_python": 10.0}, {"replay_python": 40.0})
        self.assertTrue(text.endswith("| python | 345 | 3,450 | 13,800 | 25.0% |\n"), text)
        self.assertEqual(sum(row.startswith("replay_") for row in baseline), 4)


class Plots(unittest.TestCase):
    def test_of_both(self):
        """All that they want are rows of the benchmark; the dearer of two lies higher."""
        guest = plot_bench.medians(ROOT / "bench/baseline.tsv")
        linux = {row: figure * 100 for row, figure in guest.items()}
        pictures = plot_bench.peer_plots(guest, linux)
        self.assertEqual(pictures, plot_bench.peer_plots(guest, linux))
        self.assertEqual(sorted(pictures), sorted(plot_bench.PEER_PLOTS))
        for name, picture in pictures.items():
            heights = [[float(point.split(",")[1]) for point in line.split('"')[0].split()]
                       for line in picture.split('<polyline points="')[1:]]
            self.assertEqual([len(line) for line in heights], 2 * [len(plot_bench.PEER_PLOTS[name][4])])
            for tabula, other in zip(*heights):
                self.assertGreater(tabula, other)
            self.assertTrue((ROOT / "doc" / name).exists())


class Package(unittest.TestCase):
    def test_one_that_cannot_be_had(self):
        """A clear word, and no file."""
        with tempfile.TemporaryDirectory() as folder:
            named, output = pathlib.Path(folder) / "package.txt", pathlib.Path(folder) / "kernel"
            tools = pathlib.Path(folder) / "bin"
            tools.mkdir()
            fake = tools / "apt-get"
            fake.write_text("#!/bin/sh\necho 'E: no network' >&2\nexit 100\n", encoding="utf-8")
            fake.chmod(0o755)
            named.write_text("# words\nlinux-image-none\n", encoding="utf-8")
            ended = subprocess.run([ROOT / "tools/get_peer_kernel.sh", named, output], capture_output=True, text=True,
                                   env={"PATH": f"{tools}:/usr/bin:/bin"}, check=False)
            self.assertEqual((ended.returncode, output.exists()), (1, False))
            self.assertIn("E: no network", ended.stderr)
            self.assertIn("cannot get the Debian package linux-image-none", ended.stderr)
            self.assertEqual(sorted(path.name for path in pathlib.Path(folder).iterdir()), ["bin", "package.txt"])

    def test_initial_file_system(self):
        """As cpio's own format says, byte for byte the same."""
        with tempfile.TemporaryDirectory() as folder:
            one, out = pathlib.Path(folder) / "one", pathlib.Path(folder) / "out"
            one.write_bytes(b"hello")
            command = [sys.executable, ROOT / "tools/make_initramfs.py", out, f"init={one}", f"a/b={one}"]
            subprocess.run(command, check=True)
            archive, position, members = out.read_bytes(), 0, {}
            subprocess.run(command, check=True)
            self.assertEqual(out.read_bytes(), archive)
            while position < len(archive):
                self.assertEqual(archive[position:position + 6], b"070701")
                words = [int(archive[at:at + 8], 16) for at in range(position + 6, position + 110, 8)]
                name = archive[position + 110:position + 109 + words[11]].decode()
                start = (position + 110 + words[11] + 3) & ~3
                members[name] = (words[1], archive[start:start + words[6]])
                position = (start + words[6] + 3) & ~3
        self.assertEqual(list(members), ["a", "dev", "dev/console", "init", "a/b", "TRAILER!!!"])
        self.assertEqual(members["init"], (0o100755, b"hello"))
        self.assertEqual(members["a"], (0o040755, b""))
        self.assertEqual(members["dev/console"][0], 0o020600)
