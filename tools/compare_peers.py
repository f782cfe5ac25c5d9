#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compare_peers.py TARGETS.tsv GUEST.tsv LINUX.tsv: Tabula beside Linux and beside its own targets.

Prints a line for each row of TARGETS.tsv that Tabula's benchmark has, then for those that both have
beside. Fails when a row of Linux is missing that TARGETS.tsv names. tools/bench_doc.py puts the same
into doc/benchmarks.md.
"""
import collections
import pathlib
import sys

import plot_bench

Target = collections.namedtuple("Target", "row work linux elsewhere target")
Line = collections.namedtuple("Line", "row work tabula linux others ratio elsewhere target met")
WORKLOADS = pathlib.Path("test/workloads")


def read_targets(name):
    targets = []
    for line in pathlib.Path(name).read_text(encoding="utf-8").splitlines():
        if line and line[0] != "#":
            row, work, linux, elsewhere, target = line.split("\t")
            targets.append(Target(row, work, [] if linux == "-" else linux.split(" "),
                                  "" if elsewhere == "-" else elsewhere, target))
    return targets


def number(value):
    return f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:.1f}"


def ratio(tabula, linux):
    return f"{linux / tabula:,.1f}" if tabula else "–"


def limit_of(target, linux):
    """The target as a figure and in words."""
    if target.target.endswith("%"):
        share = float(target.target[:-1])
        return linux * share / 100, f"{share:g} % of Linux"
    return float(target.target), number(float(target.target))


def compare(targets, guest, linux):
    """What each row with a target comes to. KeyError: Linux lacks a row."""
    lines = []
    for target in targets:
        if target.row not in guest:
            continue
        tabula, peers = guest[target.row], [linux[name] for name in target.linux]
        limit, words = limit_of(target, peers[0] if peers else None)
        lines.append(Line(target.row, target.work, number(tabula), number(peers[0]) if peers else "",
                          "".join(f"; `{name}` {number(linux[name])}" for name in target.linux[1:]),
                          ratio(tabula, peers[0]) if peers else "", target.elsewhere, words,
                          "yes" if tabula <= limit else "no"))
    return lines


def table(lines):
    text = "| row | work | Tabula | Linux | Linux / Tabula | elsewhere | target | met |\n|---|---|---|---|---|---|---|---|\n"
    return text + "".join(f"| `{line.row}` | {line.work} | {line.tabula} | {line.linux}{line.others} | {line.ratio} | "
                          f"{line.elsewhere} | {line.target} | {'**no**' if line.met == 'no' else 'yes'} |\n"
                          for line in lines)


def more(targets, guest, linux):
    """Rows that both have, and that have no target."""
    named = {target.row for target in targets}
    text = "| row | Tabula | Linux | Linux / Tabula |\n|---|---|---|---|\n"
    return text + "".join(f"| `{row}` | {number(guest[row])} | {number(linux[row])} | {ratio(guest[row], linux[row])} |\n"
                          for row in guest if row in linux and row not in named)


def operations_of(trace):
    lines = (WORKLOADS / f"{trace}.map").read_text(encoding="utf-8").splitlines()
    return sum(bool(line.strip()) and not line.startswith("#") for line in lines)


def workloads(guest, linux):
    """The recorded workloads in all: instructions from the first call to the last."""
    text = "| workload | operations | Tabula | Linux | Tabula of Linux |\n|---|---|---|---|---|\n"
    for row in guest:
        if row.startswith("replay_"):
            count = operations_of(row[len("replay_"):])
            text += (f"| {row[len('replay_'):]} | {count:,} | {number(guest[row] * count)} | "
                     f"{number(linux[row] * count)} | {guest[row] / linux[row]:.1%} |\n")
    return text


def summary(lines, targets, guest):
    missing = [target.row for target in targets if target.row not in guest]
    met = sum(line.met == "yes" for line in lines)
    text = f"{met} of {len(lines)} targets are met"
    return text + (f"; not measured yet: {', '.join(missing)}" if missing else "")


def main():
    targets = read_targets(sys.argv[1])
    guest, linux = plot_bench.medians(sys.argv[2]), plot_bench.medians(sys.argv[3])
    try:
        lines = compare(targets, guest, linux)
    except KeyError as name:
        sys.exit(f"bench-peers: {sys.argv[3]} has no row {name}")
    heads = Line("row", "", "Tabula", "Linux", "", "ratio", "elsewhere", "target", "met")
    for line in [heads, *lines]:
        print(f"{line.row:44}{line.tabula:>14}{line.linux:>16}{line.ratio:>9}{line.target:>16} {line.met:4} {line.elsewhere}")
    print(f"bench-peers: {summary(lines, targets, guest)}")
    for name, picture in plot_bench.peer_plots(guest, linux).items():
        (pathlib.Path(sys.argv[2]).parent / name).write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
