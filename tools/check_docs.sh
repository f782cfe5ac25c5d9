#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks that pages made from sources are current, and that what pages name exists. Part of `make lint`.
set -eu
cd "$(dirname "$0")/.."
python3 tools/system_calls_doc.py --check
python3 tools/check_docs.py
