// SPDX-License-Identifier: MIT
#include "user/maps/picture.hpp"

#include "lib/map_text.hpp"
#include "user/lib/print.hpp"

namespace maps {

namespace {

constexpr const char* cell_sizes[] = {"4 KiB", "2 MiB", "1 GiB", "512 GiB"};

} // namespace

void Level::add(const abi::Run& run) {
    bars_.add(run, [this](const lib::MapBar& bar) { draw(bar); });
}

void Level::finish() {
    bars_.finish([this](const lib::MapBar& bar) { draw(bar); });
    if (tables_ > most_drawn)
        user::print("{} more tables of level {}\n", tables_ - most_drawn, level_);
}

void Level::draw(const lib::MapBar& bar) {
    if (tables_ == 0) user::print("level {}: a cell is {}\n", level_, cell_sizes[level_ - 1]);
    if (++tables_ > most_drawn) return;
    for (unsigned row = 0; row < lib::map_text_rows; ++row) {
        lib::MapTextRow text;
        if (row == 0)
            text.format("{:012x} ", bar.base);
        else
            text.append("             ");
        lib::write_map_row(bar, row, text);
        user::print("{}\n", text.view());
    }
}

void draw_legend() {
    lib::MapTextRow text;
    lib::write_map_legend(text);
    user::print("{}\n", text.view());
}

} // namespace maps
