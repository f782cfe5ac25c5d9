#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""total.py RESULTS SUITE...: adds the suites up. A suite without a result counts as a failure."""
import pathlib
import sys

passed = failed = 0
for suite in sys.argv[2:]:
    try:
        fields = (pathlib.Path(sys.argv[1]) / f"{suite}.tsv").read_text().split("\t")
        passed += int(fields[1])
        failed += int(fields[2])
    except (OSError, ValueError, IndexError):
        print(f"{suite}: did not run")
        failed += 1
print(f"total: {passed} passed, {failed} failed")
sys.exit(failed != 0 or passed == 0)
