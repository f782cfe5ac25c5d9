#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks that pages made from sources are current. Part of `make lint`.
set -eu
cd "$(dirname "$0")/.."
python3 tools/system_calls_doc.py --check
