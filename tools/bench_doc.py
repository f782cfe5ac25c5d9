#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench_doc.py HOSTED.tsv: puts the tables of a run of `make bench-hosted` into doc/benchmarks.md,
between its remarks `<!-- begin NAME -->` and `<!-- end -->`, and the plots beside it; and single
figures into doc/answers.md and README.md, between `<!--=WORK-->` and `<!---->`: the instructions of Tabula,
of another with `WORK:STRUCTURE`; `WORK~` the mean; `WORK/` how many times the best that is.

bench_doc.py GUEST.tsv LINUX.tsv: the same with a run of `make bench-peers`. Single figures are
`<!--@ROW-->` and `<!--@ROW:linux-->`.

Counts only: what the clock says differs from run to run.
"""
import pathlib
import re
import sys

import compare_peers
import plot_bench

STRUCTURES = list(plot_bench.STRUCTURES)
PAGE = pathlib.Path("doc/benchmarks.md")
HEAD = "| work | Tabula | array | tree + blocks | segments + holes | entries | Tabula / best |\n|---|---|---|---|---|---|---|\n"


def read(name):
    """row -> (median, mean)"""
    lines = pathlib.Path(name).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and line[0] != "#"]
    return {row[0]: (float(row[2]), float(row[4])) for row in rows}


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(rows, works, kind):
    """A line for each work: `kind` of all structures. Traces have many kinds of operation: means."""
    text = HEAD
    for work in works:
        mean = work.startswith("replay") and kind != "instructions_worst"
        figures = [rows[f"{work}.{name}{'.' + kind if kind else ''}"][mean] for name in STRUCTURES]
        shown = [f"**{number(figure)}**" if figure == min(figures) else number(figure) for figure in figures]
        ratio = figures[0] / max(1.0, min(figures))
        text += f"| `{work}` | {' | '.join(shown)} | {ratio:.2f} |\n"
    return text


def works_of(rows):
    """In the order of the run."""
    return [name.split(".")[0] for name in rows if name.endswith(".tabula.instructions")]


def single(rows, key):
    """One figure in words."""
    work, _, structure = key.rstrip("~/").partition(":")
    mean = key.endswith("~") or work.startswith("replay")
    figures = {name: rows[f"{work}.{name}.instructions"][mean] for name in STRUCTURES}
    if key.endswith("/"):
        return f"{figures['tabula'] / min(figures.values()):.1f}"
    return f"{figures[structure or 'tabula']:,.0f}"


def fill_figures(sign, figure_of, *pages):
    """Puts figure_of(KEY) behind each `<!--` + sign + `KEY-->` of the pages."""
    for page in map(pathlib.Path, pages):
        text = re.sub(rf"<!--{sign}(\S+?)-->[^<]*<!---->",
                      lambda match: f"<!--{sign}{match[1]}-->{figure_of(match[1])}<!---->",
                      page.read_text(encoding="utf-8"))
        page.write_text(text, encoding="utf-8")


def fill_tables(tables):
    page = PAGE.read_text(encoding="utf-8")
    for name, text in tables.items():
        page, found = re.subn(rf"(<!-- begin {name} -->\n).*?(<!-- end -->)",
                              lambda match, text=text: match[1] + text + match[2], page, flags=re.S)
        if found != 1:
            sys.exit(f"{PAGE}: no place for {name}")
    PAGE.write_text(page, encoding="utf-8")


def fill_peers(guest_name, linux_name):
    targets = compare_peers.read_targets("bench/targets.tsv")
    guest, linux = plot_bench.medians(guest_name), plot_bench.medians(linux_name)
    lines = compare_peers.compare(targets, guest, linux)
    about = [line[2:] for line in pathlib.Path(linux_name).read_text(encoding="utf-8").splitlines()
             if line.startswith("# Linux ")]
    fill_tables({"peers": f"{compare_peers.summary(lines, targets, guest)}. {about[0]}.\n\n{compare_peers.table(lines)}",
                 "peers-more": compare_peers.more(targets, guest, linux),
                 "peers-workloads": compare_peers.workloads(guest, linux)})
    both = guest | {f"{row}:linux": median for row, median in linux.items()}
    fill_figures("@", lambda key: compare_peers.number(both[key]), PAGE, "doc/answers.md", "README.md")
    for name, picture in plot_bench.peer_plots(guest, linux).items():
        pathlib.Path("doc", name).write_text(picture, encoding="utf-8")


def main():
    if len(sys.argv) == 3:
        return fill_peers(*sys.argv[1:])
    rows = read(sys.argv[1])
    works = works_of(rows)
    bytes_per = [name.split(".")[0] for name in rows if re.fullmatch(r"bytes_per_mapping_\w+\.tabula", name)]
    counts = [name for name in rows if "." not in name]
    tables = {
        "instructions": table(rows, works, "instructions"),
        "accesses": table(rows, works, "accesses"),
        "worst": table(rows, works, "instructions_worst"),
        "bytes": table(rows, bytes_per, ""),
        "counts": "| row | median | mean |\n|---|---|---|\n" + "".join(
            f"| `{name}` | {rows[name][0]:g} | {rows[name][1]:.4g} |\n" for name in counts
            if "_lines_" in name or "entry_writes" in name or "locks" in name or "flushes" in name),
    }
    fill_tables(tables)
    fill_figures("=", lambda key: single(rows, key), "doc/answers.md", "README.md")
    figures = {name: median for name, (median, _) in rows.items()}
    for name, wanted in plot_bench.PLOTS.items():
        pathlib.Path(f"doc/bench-{name}.svg").write_text(plot_bench.plot(figures, *wanted), encoding="utf-8")


main()
