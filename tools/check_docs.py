#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_docs.py: README.md and doc/ against the tree.

Every relative link and every `path` in backquotes that begins with a source folder must exist, and
`path`: `name` must find the word `name` in that file. The table of locks in doc/concurrency.md must
have the ranks of src/vm/lock.hpp, in their order.
"""
import pathlib
import re
import sys

FOLDERS = r"(?:src|user|test|tools|doc|bench|iso|examples)/"
PLACE = re.compile(r"`(" + FOLDERS + r"[\w./-]*)`(?::\s+`~?([\w:]+)(?:\(\))?`)?")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def problems(page):
    text = page.read_text()
    for link in LINK.findall(text):
        if not (page.parent / link).exists():
            yield f"link to {link}, which does not exist"
    for path, name in PLACE.findall(text):
        place = pathlib.Path(path)
        if not place.exists():
            yield f"{path} does not exist"
        elif name and not re.search(rf"\b{re.escape(name.split('::')[-1])}\b", place.read_text()):
            yield f"{path} has no {name}"


def rank_problems():
    page = pathlib.Path("doc/concurrency.md")
    ranks = re.search(r"enum class Rank[^{]*{(.*?)}", pathlib.Path("src/vm/lock.hpp").read_text(), re.S)
    declared = re.findall(r"(?m)^\s*(\w+),", ranks[1])[1:]  # without `none`
    table = re.search(r"(?m)^\| rank \|.*\n((?:\|.*\n)*)", page.read_text())
    told = re.findall(r"(?m)^\| `(\w+)` \|", table[1]) if table else []
    if not declared or told != declared:
        yield f"{page}: its ranks are {', '.join(told)}; those of src/vm/lock.hpp {', '.join(declared)}"


def main():
    wrong = [
        f"{page}: {problem}"
        for page in [pathlib.Path("README.md"), *sorted(pathlib.Path("doc").glob("*.md"))]
        for problem in problems(page)
    ]
    wrong += rank_problems()
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
