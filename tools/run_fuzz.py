#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs fuzz targets, or minimises what they found into test/fuzz/corpus.

A target starts from the committed inputs (test/fuzz/corpus/NAME, test/fuzz/seeds/NAME) and what
earlier runs left in BUILD/corpus/NAME. A row of figures for each run is added to
BUILD/statistics.tsv: target, seconds, executions, coverage (edges), features, inputs.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path("test/fuzz")
# The longest input in bytes; dictionaries that several targets share.
LONGEST = {"elf": 16384, "ustar": 6144, "multiboot2": 8192, "pvh": 8192}
LONGEST_OTHERS = 2560
DICTIONARY = {"acpi_root": "acpi", "acpi_table": "acpi"}


def directories(build, target):
    """New inputs first: libFuzzer writes to the first directory."""
    new = build / "corpus" / target
    new.mkdir(parents=True, exist_ok=True)
    committed = [HERE / "corpus" / target, HERE / "seeds" / target]
    return [new] + [directory for directory in committed if directory.is_dir()]


def options(target):
    dictionary = HERE / "dictionaries" / f"{DICTIONARY.get(target, target)}.dict"
    words = [f"-max_len={LONGEST.get(target, LONGEST_OTHERS)}"]
    return words + ([f"-dict={dictionary}"] if dictionary.exists() else [])


def last_progress(log):
    """(coverage, features, inputs) of the last line that tells."""
    found = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)/", log)
    return found[-1] if found else ("0", "0", "0")


def fuzz(build, target, seconds):
    """One run; gives whether it found nothing wrong."""
    failures = build / "failures"
    failures.mkdir(parents=True, exist_ok=True)
    log = build / f"{target}.log"
    command = [build / target, f"-max_total_time={seconds}", "-reload=0", "-print_final_stats=1",
               f"-artifact_prefix={failures}/{target}-", *options(target), *directories(build, target)]
    started = time.monotonic()
    with open(log, "wb") as output:
        status = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT).returncode
    taken = time.monotonic() - started
    text = log.read_text(errors="replace")
    runs = re.search(r"stat::number_of_executed_units: (\d+)", text)
    figures = [target, f"{taken:.0f}", runs[1] if runs else "0", *last_progress(text)]
    with open(build / "statistics.tsv", "a") as table:
        table.write("\t".join(figures) + "\n")
    print("{}: {} s, {} executions, {} edges, {} features, {} inputs".format(*figures), flush=True)
    if status == 0:
        return True
    print(text[-4000:])
    written = re.search(r"Test unit written to (\S+)", text)
    if written:
        print(f"{target}: failed on {written[1]}; again: {build / target} {written[1]}\n"
              f"when mended, keep the input: cp {written[1]} {HERE}/seeds/{target}/")
    else:
        print(f"{target}: ended with status {status} and no input; see {log}")
    return False


def merge(build, target):
    """Replaces the committed corpus by the least set of inputs that covers as much."""
    with tempfile.TemporaryDirectory(dir=build) as temporary:
        command = [build / target, "-merge=1", *options(target), temporary,
                   *directories(build, target)]
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if ended.returncode != 0:
            print(ended.stdout.decode(errors="replace")[-4000:])
            return False
        corpus = HERE / "corpus" / target
        shutil.rmtree(corpus, ignore_errors=True)
        shutil.copytree(temporary, corpus)
    sizes = [file.stat().st_size for file in corpus.iterdir()]
    print(f"{target}: {len(sizes)} inputs, {sum(sizes)} bytes", flush=True)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--merge", action="store_true")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.targets if not (arguments.build / name).is_file()]
    if unknown:
        sys.exit(f"no such fuzz target: {' '.join(unknown)}")
    results = [merge(arguments.build, target) if arguments.merge
               else fuzz(arguments.build, target, arguments.seconds)
               for target in arguments.targets]
    sys.exit(not all(results))


main()
