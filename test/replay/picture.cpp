// SPDX-License-Identifier: MIT
#include "replay/picture.hpp"

#include "lib/map_bars.hpp"

#include <cstdio>
#include <vector>

namespace replay {

namespace {

using lib::MapBar;
using lib::MapColour;

constexpr unsigned left = 130; // where bars begin; the address stands before it
constexpr unsigned cell_width = 2;
constexpr unsigned bar_height = 10;
constexpr unsigned bar_distance = 14;
constexpr unsigned width = left + MapBar::cells * cell_width + 10;
constexpr unsigned levels[] = {4, 3, 2};
constexpr const char* cell_names[] = {"512 GiB", "1 GiB", "2 MiB"};

std::vector<MapBar> bars_of(std::span<const abi::Run> runs, unsigned level) {
    std::vector<MapBar> bars;
    const auto keep = [&](const MapBar& bar) { bars.push_back(bar); };
    lib::MapBars maker(level);
    for (const abi::Run& run : runs) maker.add(run, keep);
    maker.finish(keep);
    return bars;
}

void text(std::ostream& out, unsigned x, unsigned y, const std::string& what) {
    out << "<text x=\"" << x << "\" y=\"" << y << "\">";
    for (const char letter : what) {
        if (letter == '<')
            out << "&lt;";
        else if (letter == '&')
            out << "&amp;";
        else
            out << letter;
    }
    out << "</text>\n";
}

void rectangle(std::ostream& out, unsigned x, unsigned y, unsigned wide, MapColour colour) {
    char rgb[8];
    std::snprintf(rgb, sizeof rgb, "#%06x",
                  lib::map_colour_looks[static_cast<unsigned>(colour)].on_paper);
    out << "<rect x=\"" << x << "\" y=\"" << y << "\" width=\"" << wide << "\" height=\""
        << bar_height << "\" fill=\"" << rgb << "\"/>\n";
}

void draw_bar(std::ostream& out, const MapBar& bar, unsigned y) {
    char address[24];
    std::snprintf(address, sizeof address, "%012lx", bar.base);
    text(out, 10, y + bar_height - 1, address);
    rectangle(out, left, y, MapBar::cells * cell_width, MapColour::hole);
    for (unsigned cell = 0; cell < MapBar::cells;) {
        unsigned end = cell + 1;
        while (end < MapBar::cells && bar.colours[end] == bar.colours[cell]) ++end;
        if (bar.colours[cell] != MapColour::hole)
            rectangle(out, left + cell * cell_width, y, (end - cell) * cell_width,
                      bar.colours[cell]);
        cell = end;
    }
}

void draw_legend(std::ostream& out, unsigned y) {
    unsigned x = left;
    for (unsigned colour = 0; colour < std::size(lib::map_colour_looks); ++colour) {
        rectangle(out, x, y, 12, static_cast<MapColour>(colour));
        text(out, x + 18, y + bar_height - 1, lib::map_colour_looks[colour].name);
        x += 110;
    }
}

} // namespace

void draw(std::ostream& out, std::span<const abi::Run> runs, const std::string& title) {
    std::vector<MapBar> bars[std::size(levels)];
    unsigned height = 90;
    for (unsigned at = 0; at < std::size(levels); ++at) {
        bars[at] = bars_of(runs, levels[at]);
        height += 30 + static_cast<unsigned>(bars[at].size()) * bar_distance;
    }
    std::uint64_t bytes = 0;
    for (const abi::Run& run : runs) bytes += run.end - run.start;
    out << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << width << "\" height=\"" << height
        << "\" viewBox=\"0 0 " << width << ' ' << height
        << "\" font-family=\"monospace\" font-size=\"11\">\n"
        << "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
    char summary[80];
    std::snprintf(summary, sizeof summary, ": %zu runs, %.1f MiB of address space", runs.size(),
                  static_cast<double>(bytes) / (1 << 20));
    text(out, 10, 22, title + summary);
    draw_legend(out, 36);
    unsigned y = 66;
    for (unsigned at = 0; at < std::size(levels); ++at) {
        if (bars[at].empty()) continue;
        text(out, 10, y + bar_height,
             "level " + std::to_string(levels[at]) + ": a cell is " + cell_names[at]);
        y += 18;
        for (const MapBar& bar : bars[at]) {
            draw_bar(out, bar, y);
            y += bar_distance;
        }
        y += 12;
    }
    out << "</svg>\n";
}

} // namespace replay
