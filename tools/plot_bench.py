#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""plot_bench.py HOSTED.tsv FOLDER: the compared structures as SVG plots, both axes logarithmic.
Tabula beside Linux is drawn for tools/compare_peers.py.

The same figures give the same bytes.
"""
import math
import pathlib
import sys

STRUCTURES = {  # in the rows' names: in words, colour
    "tabula": ("Tabula: entries at all levels", "#c0392b"),
    "array": ("sorted array of regions", "#7f8c8d"),
    "tree_blocks": ("tree + free blocks", "#2e86c1"),
    "segments_holes": ("sorted maps of segments and holes", "#27ae60"),
    "entries": ("entries of pages alone", "#f39c12"),
}
PLOTS = {  # file: (title, what x is, work without its number, behind the number, x values)
    "map-unmap": ("Map one page and unmap it", "mappings", "map_unmap_n", "",
                  (10, 100, 1000, 10000, 100000)),
    "lookup": ("Whose page is this", "mappings", "lookup_n", "", (10, 100, 1000, 10000, 100000)),
    "protect": ("Protect the middle of a mapping, and back", "mappings", "protect_middle_n", "",
                (10, 100, 1000, 10000, 100000)),
    "holes": ("Find, map and unmap two pages above holes of one page", "holes", "two_pages_holes", "",
              (10, 100, 1000, 10000, 20000, 100000)),
    "fork": ("Fork", "MiB touched", "fork_touched_", "M", (4, 64, 256, 1024)),
}
PEERS = {"tabula": ("Tabula", "#c0392b"), "linux": ("Linux", "#2e86c1")}
PEER_PLOTS = {  # the same of tools/compare_peers.py
    "bench-linux-mappings.svg": ("Map a page and unmap it", "mappings", "mmap_munmap_4K_n", "",
                                 (10, 100, 662, 2000, 20000, 60000)),
    "bench-linux-fork.svg": ("Fork, the call", "MiB touched", "fork_call_only_", "M",
                             (4, 16, 64, 256, 1024)),
    "bench-linux-holes.svg": ("Map two pages past holes of one page, and unmap them", "holes", "frag",
                              "_mmap_munmap_2p_skip_all", (20, 200, 2000, 20000)),
}
WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 90, 40, 40, 120


def medians(name):
    """row -> median"""
    lines = pathlib.Path(name).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and line[0] != "#"]
    return {row[0]: float(row[2]) for row in rows}


def text(x, y, words, anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def line(x1, y1, x2, y2, colour):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def decades(low, high):
    return [10 ** power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def plot(rows, title, unit, work, behind, values):
    lines = {name: [(value, rows[f"{work}{value}{behind}.{name}.instructions"]) for value in values]
             for name in STRUCTURES}
    return draw(lines, STRUCTURES, title, unit, values)


def peer_plots(guest, linux):
    """file name -> SVG; the rows of either are row -> median"""
    pictures = {}
    for name, (title, unit, work, behind, values) in PEER_PLOTS.items():
        lines = {peer: [(value, rows[f"{work}{value}{behind}"]) for value in values]
                 for peer, rows in (("tabula", guest), ("linux", linux))}
        pictures[name] = draw(lines, PEERS, title, unit, values)
    return pictures


def draw(lines, names, title, unit, values):
    """A line for each of `names`: its points (x, instructions)."""
    figures = [max(1.0, figure) for points in lines.values() for _, figure in points]
    ticks = decades(min(figures), max(figures))
    span = math.log10(ticks[-1] / ticks[0]), math.log10(values[-1] / values[0])

    def place(value, figure):
        return (LEFT + (WIDTH - LEFT - RIGHT) * math.log10(value / values[0]) / span[1],
                HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log10(max(1.0, figure) / ticks[0]) / span[0])

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
           f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="#ffffff"/>',
           text(LEFT, 22, f"{title}: instructions")]
    for tick in ticks:
        y = place(values[0], tick)[1]
        out += [line(LEFT, y, WIDTH - RIGHT, y, "#e0e0e0"), text(LEFT - 8, y + 4, f"{tick:,}", "end")]
    for value in values:
        x = place(value, ticks[0])[0]
        out += [line(x, TOP, x, HEIGHT - BOTTOM, "#e0e0e0"),
                text(x, HEIGHT - BOTTOM + 16, f"{value:,}", "middle")]
    out.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 34, unit, "middle"))
    for number, (name, points) in enumerate(lines.items()):
        words, colour = names[name]
        places = [place(*point) for point in points]
        shape = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        width = 3 if name == "tabula" else 1.5
        out.append(f'<polyline points="{shape}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        x, y = LEFT + number % 2 * 290, HEIGHT - BOTTOM + 56 + number // 2 * 20
        out += [f'<rect x="{x}" y="{y - 9}" width="14" height="10" fill="{colour}"/>', text(x + 20, y, words)]
    return "\n".join(out + ["</svg>", ""])


def main():
    rows, folder = medians(sys.argv[1]), pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for name, wanted in PLOTS.items():
        (folder / f"bench-{name}.svg").write_text(plot(rows, *wanted), encoding="utf-8")


if __name__ == "__main__":
    main()
