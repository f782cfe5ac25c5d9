// SPDX-License-Identifier: MIT
#include "lib/map_text.hpp"

namespace lib {

namespace {

constexpr std::string_view upper_half = "\xe2\x96\x80"; // U+2580, in the foreground's colour

/// Select Graphic Rendition with a colour of its own: `what` is 38 for the foreground, 48 for the
/// background.
void choose(unsigned what, MapColour colour, TextWriter& text) {
    const std::uint32_t rgb = map_colour_looks[static_cast<unsigned>(colour)].on_screen;
    text.format("\x1b[{};2;{};{};{}m", what, rgb >> 16, rgb >> 8 & 0xff, rgb & 0xff);
}
void end_colours(TextWriter& text) { text.append("\x1b[0m"); }

} // namespace

void write_map_row(const MapBar& bar, unsigned row, TextWriter& text) {
    const unsigned first = row * 2 * map_text_columns;
    MapColour above = MapColour::count;
    MapColour below = MapColour::count;
    for (unsigned cell = first; cell < first + map_text_columns; ++cell) {
        if (above != bar.colours[cell]) choose(38, above = bar.colours[cell], text);
        if (below != bar.colours[cell + map_text_columns])
            choose(48, below = bar.colours[cell + map_text_columns], text);
        text.append(upper_half);
    }
    end_colours(text);
}

void write_map_legend(TextWriter& text) {
    for (unsigned colour = 0; colour < static_cast<unsigned>(MapColour::count); ++colour) {
        choose(48, static_cast<MapColour>(colour), text);
        text.append("  ");
        end_colours(text);
        text.format(" {}{}", map_colour_looks[colour].name,
                    colour + 1 < static_cast<unsigned>(MapColour::count) ? "  " : "");
    }
}

} // namespace lib
