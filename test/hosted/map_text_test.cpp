// SPDX-License-Identifier: MIT
// The picture of an address space as text: what a terminal shows of it.
#include "lib/map_text.hpp"

#include "lib/terminal.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

using lib::Colour;
using lib::MapBar;
using lib::MapColour;

constexpr unsigned rows = 8;

/// A terminal of 80 columns that was written to.
struct Screen {
    Screen() { terminal.attach(cells, 80, rows); }
    std::vector<lib::Cell> cells = std::vector<lib::Cell>(lib::CellGrid::storage_for(80, rows));
    lib::Terminal terminal;
};

Colour look(MapColour colour) {
    const std::uint32_t rgb = lib::map_colour_looks[static_cast<unsigned>(colour)].on_screen;
    return {static_cast<std::uint8_t>(rgb >> 16), static_cast<std::uint8_t>(rgb >> 8),
            static_cast<std::uint8_t>(rgb)};
}

abi::Run run_of(std::uint64_t start, std::uint64_t end, abi::State state) {
    abi::Run run{};
    run.start = start;
    run.end = end;
    run.access = abi::access_read;
    run.state = state;
    return run;
}

} // namespace

TEST_CASE("map picture: each cell is half a character in its colour") {
    MapBar bar;
    for (unsigned cell = 0; cell < MapBar::cells; ++cell)
        bar.colours[cell] = static_cast<MapColour>((cell * 7 + cell / 64) %
                                                   static_cast<unsigned>(MapColour::count));
    Screen screen;
    for (unsigned row = 0; row < lib::map_text_rows; ++row) {
        lib::MapTextRow text;
        lib::write_map_row(bar, row, text);
        CHECK(text.view().size() < 4096); // nothing was cut off
        screen.terminal.write(text.view());
        screen.terminal.write("\n");
    }
    for (unsigned cell = 0; cell < MapBar::cells; ++cell) {
        const unsigned column = cell % lib::map_text_columns;
        const unsigned line = cell / lib::map_text_columns;
        const lib::Cell& shown = screen.terminal.cell({column, line / 2});
        CHECK(shown.code_point == U'\u2580');
        CHECK((line % 2 == 0 ? shown.foreground : shown.background) == look(bar.colours[cell]));
    }
    // Beside it nothing is coloured.
    CHECK(screen.terminal.cell({lib::map_text_columns, 0}).code_point == U' ');
    CHECK(screen.terminal.cell({lib::map_text_columns, 0}).background ==
          screen.terminal.cell({79, rows - 1}).background);
}

TEST_CASE("map picture: the legend names every colour beside a piece of it") {
    Screen screen;
    lib::MapTextRow text;
    lib::write_map_legend(text);
    screen.terminal.write(text.view());
    std::string shown;
    std::vector<Colour> colours;
    const Colour plain = screen.terminal.cell({79, rows - 1}).background;
    for (unsigned column = 0; column < 2 * 80; ++column) {
        const lib::Cell& cell = screen.terminal.cell({column % 80, column / 80});
        shown += static_cast<char>(cell.code_point);
        const bool new_colour = colours.empty() || colours.back() != cell.background;
        if (cell.background != plain && new_colour) colours.push_back(cell.background);
    }
    REQUIRE(colours.size() == static_cast<unsigned>(MapColour::count));
    for (unsigned colour = 0; colour < colours.size(); ++colour) {
        CHECK(shown.find(lib::map_colour_looks[colour].name) != std::string::npos);
        CHECK(colours[colour] == look(static_cast<MapColour>(colour)));
    }
}

TEST_CASE("map picture: page tables are drawn by the page, up to the last address") {
    std::vector<MapBar> drawn;
    const auto keep = [&](const MapBar& bar) { drawn.push_back(bar); };
    lib::MapBars pages(1);
    pages.add(run_of(0x40'0000, 0x40'3000, abi::State::file), keep);
    pages.add(run_of(0x5f'f000, 0x60'1000, abi::State::present), keep);
    pages.add(run_of(0xffff'ffff'ffff'f000, 0, abi::State::callback), keep);
    pages.finish(keep);
    REQUIRE(drawn.size() == 3);
    CHECK(drawn[0].base == 0x40'0000);
    CHECK(drawn[0].colours[2] == MapColour::file);
    CHECK(drawn[0].colours[3] == MapColour::hole);
    CHECK(drawn[0].colours[511] == MapColour::present);
    CHECK(drawn[1].base == 0x60'0000);
    CHECK(drawn[2].base == 0xffff'ffff'ffe0'0000);
    CHECK(drawn[2].colours[510] == MapColour::hole);
    CHECK(drawn[2].colours[511] == MapColour::callback);
}
