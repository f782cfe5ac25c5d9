#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.py [--results DIR] [NAME…]: searches the models of the map's protocol, in build/model.

Each test/model/*.pml that has an `init` is a scenario: all of its states are searched, and no error
may be found, nor may a run go on for ever. A line `// mutation WORD: …` in it names a rule that is
broken when WORD is defined: then an error has to be found. Writes DIR/model.tsv: name, cases passed,
cases failed, seconds.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build" / "model"
DEPTH = 100000
TRAIL = 40  # lines of a counterexample that are shown


def call(words, where):
    return subprocess.run(words, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", timeout=1800)


class Search:
    """One scenario, with a mutation or without."""

    def __init__(self, path, mutation=None):
        self.path, self.mutation = path, mutation
        self.name = path.stem + (f", {mutation}" if mutation else "")
        self.where = BUILD / (path.stem + (f"-{mutation}" if mutation else ""))
        self.error, self.states, self.output = "", 0, ""

    def build(self, flags):
        self.where.mkdir(parents=True, exist_ok=True)
        define = [f"-D{self.mutation}"] if self.mutation else []
        made = call(["spin", *define, "-a", str(self.path)], self.where)
        if made.returncode == 0 and not re.search(r"(?m)^spin: .*[Ee]rror", made.stdout):
            # The C is read once and runs for a moment: what compiles fastest is best.
            made = call(["tcc", "-w", "-DCOLLAPSE", "-DNOFAIR", *flags, "-o", "pan", "pan.c"],
                        self.where)
        else:
            made.returncode = 1
        self.output = made.stdout
        return made.returncode == 0

    def run(self, options):
        """True when the search was complete; an error that it found stands in `error`."""
        ended = call(["./pan", f"-m{DEPTH}", "-w20", "-n", *options], self.where)
        self.output = ended.stdout
        counts = re.search(r"errors: (\d+)\n\s+(\d+) states, stored", ended.stdout)
        if ended.returncode != 0 or counts is None:
            return False
        self.states = max(self.states, int(counts[2]))
        if int(counts[1]) != 0:
            self.error = self.explain(ended.stdout)
            return True
        return "max search depth too small" not in ended.stdout

    def explain(self, output):
        """The error in a line: for an assertion, where it stands and how it begins."""
        if "pan:1: non-progress cycle" in output:
            return "a run without end"
        place = re.search(r"spin: (\S+):(\d+), Error", self.replay())
        if not place:
            return "an error"
        path, line = pathlib.Path(place[1]), int(place[2])
        return f"{path.name}:{line}: {path.read_text().splitlines()[line - 1].strip()}"

    def replay(self, *options):
        define = [f"-D{self.mutation}"] if self.mutation else []
        return call(["spin", *define, *options, "-k", f"{self.path.name}.trail", str(self.path)],
                    self.where).stdout

def check(search):
    """What is wrong with a scenario, or with a mutation of it; nothing if all is well."""
    if search.mutation:
        if not re.search(rf"\b{search.mutation}\b", text_without_remarks(search.path)):
            return "the word stands nowhere in the model"
        if not search.build(["-DSAFETY"]) or not search.run([]):
            return "the search failed\n" + search.output
        return "" if search.error else "no error was found"
    # A cycle of states would be a run that never ends: nothing here waits by turning round.
    if not search.build(["-DNP"]) or not search.run(["-l"]):
        return "the search failed\n" + search.output
    steps = search.replay("-p").splitlines() if search.error else []
    return search.error and "\n".join([search.error, *steps[-TRAIL:]])


def text_without_remarks(path):
    """A scenario with the files that it includes, remarks left out."""
    text = path.read_text()
    included = re.findall(r'(?m)^#include "(.*)"', text)
    return re.sub(r"//.*", "", text) + "".join(text_without_remarks(HERE / name) for name in included)


def searches(names):
    for path in sorted(HERE.glob("*.pml")):
        text = path.read_text()
        if not re.search(r"(?m)^init\b", text) or (names and path.stem not in names):
            continue
        yield Search(path)
        for mutation in re.findall(r"(?m)^// mutation (\w+):", text):
            yield Search(path, mutation)


def timed_check(search):
    since = time.monotonic()
    wrong = check(search)
    return search, wrong, time.monotonic() - since


def at_once(function, items):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(function, items)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--results", type=pathlib.Path)
    arguments.add_argument("names", nargs="*")
    given = arguments.parse_args()
    started = time.monotonic()
    passed = failed = 0
    for search, wrong, seconds in at_once(timed_check, searches(given.names)):
        verdict = wrong and f"FAILED: {wrong}" or search.error and f"found: {search.error}" or "holds"
        print(f"{search.name}: {search.states} states, {seconds:.1f} s, {verdict}", flush=True)
        passed, failed = (passed, failed + 1) if wrong else (passed + 1, failed)
    seconds = time.monotonic() - started
    print(f"model: {passed} passed, {failed} failed, {seconds:.1f} s")
    if given.results:
        given.results.mkdir(parents=True, exist_ok=True)
        (given.results / "model.tsv").write_text(f"model\t{passed}\t{failed}\t{seconds:.1f}\n")
    sys.exit(failed != 0 or passed == 0)


main()
