#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_docs.py: README.md and doc/ against the tree.

Every relative link and every `path` in backquotes that begins with a source folder must exist, and
`path`: `name` must find the word `name` in that file.
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


def main():
    wrong = [
        f"{page}: {problem}"
        for page in [pathlib.Path("README.md"), *sorted(pathlib.Path("doc").glob("*.md"))]
        for problem in problems(page)
    ]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
