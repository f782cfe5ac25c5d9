// SPDX-License-Identifier: MIT
// A picture of an address space as text for a terminal with colours. A bar is a block of 64 by 8
// cells, in the order in which text is read; a character is two of them, one above the other.
#pragma once

#include "lib/format.hpp"
#include "lib/map_bars.hpp"

namespace lib {

inline constexpr unsigned map_text_columns = 64;
/// Rows of text that a bar takes.
inline constexpr unsigned map_text_rows = MapBar::cells / map_text_columns / 2;

/// Room for a row in which each character has other colours.
using MapTextRow = FixedText<4096>;

/// One row of a bar, without the end of the line; colours are as they were afterwards.
void write_map_row(const MapBar& bar, unsigned row, TextWriter& text);
/// What the colours mean, in one line.
void write_map_legend(TextWriter& text);

} // namespace lib
