// SPDX-License-Identifier: MIT
// The picture of an address space that `maps --picture` draws: the tables that say more than one
// thing, level by level.
#pragma once

#include "lib/map_bars.hpp"

namespace maps {

/// The highest level that is drawn; the lowest, of page tables, is 1.
inline constexpr unsigned top_level = 4;

/// Draws one level out of all runs of a space, in rising order.
class Level {
public:
    explicit Level(unsigned level) : level_(level), bars_(level) {}
    void add(const abi::Run& run);
    /// After the last run.
    void finish();

private:
    /// More tables of a level are only counted.
    static constexpr unsigned most_drawn = 12;
    void draw(const lib::MapBar& bar);
    const unsigned level_;
    lib::MapBars bars_;
    unsigned tables_ = 0;
};

void draw_legend();

} // namespace maps
