#!/bin/sh
# SPDX-License-Identifier: MIT
# run_coverage.sh DIRECTORY MINIMUM: runs the unit tests built for gcov, and fails when they reach
# less than MINIMUM per cent of the lines of src/vm and src/proc.
set -eu
directory=$1 minimum=$2
started=$(date +%s)
find "$directory" -name '*.gcda' -delete
"$directory/tests" --minimal
gcovr --root . --object-directory "$directory" --filter 'src/vm/' --filter 'src/proc/' \
    --exclude-throw-branches --exclude-unreachable-branches --sort-uncovered \
    --txt "$directory/report.txt" --html-details "$directory/report.html" \
    --print-summary --fail-under-line "$minimum" || {
    cat "$directory/report.txt"
    echo "coverage: under $minimum % of the lines of src/vm and src/proc" >&2
    exit 1
}
echo "coverage: at least $minimum %, $(($(date +%s) - started)) s; $directory/report.html"
