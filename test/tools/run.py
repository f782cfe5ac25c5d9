#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.py [RESULTS]: the tests of what stands in tools/, in test/tools/*_test.py.

Writes RESULTS/tools.tsv: name, cases passed, cases failed, seconds.
"""
import pathlib
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parents[1] / "tools"))


def main():
    started = time.monotonic()
    suite = unittest.defaultTestLoader.discover(str(HERE), "*_test.py")
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=0).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    passed = result.testsRun - failed
    seconds = time.monotonic() - started
    print(f"tools: {passed} passed, {failed} failed, {seconds:.1f} s")
    if len(sys.argv) > 1:
        results = pathlib.Path(sys.argv[1])
        results.mkdir(parents=True, exist_ok=True)
        (results / "tools.tsv").write_text(f"tools\t{passed}\t{failed}\t{seconds:.1f}\n")
    sys.exit(failed != 0 or passed == 0)


main()
