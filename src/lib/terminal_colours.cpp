// SPDX-License-Identifier: MIT
// A terminal's colours: Select Graphic Rendition (ECMA-48 §8.3.117, with xterm's 38 and 48).
#include "lib/terminal.hpp"

namespace lib {
namespace {

constexpr Colour standard_foreground = palette_colour(7);
constexpr Colour standard_background = palette_colour(0);
constexpr unsigned bright = 8; // from a colour's palette entry to its brighter half

} // namespace

Colour Terminal::resolve(const ColourChoice& choice, Colour standard, bool bold) {
    switch (choice.kind) {
    case ColourChoice::Kind::direct: return choice.colour;
    case ColourChoice::Kind::palette: {
        const bool brighter = bold && choice.index < bright;
        return palette_colour(static_cast<std::uint8_t>(choice.index + (brighter ? bright : 0)));
    }
    case ColourChoice::Kind::standard: break;
    }
    return bold ? palette_colour(15) : standard;
}

Cell Terminal::make_cell(char32_t code_point) const {
    Colour foreground = resolve(rendition_.foreground, standard_foreground, rendition_.bold);
    Colour background = resolve(rendition_.background, standard_background, false);
    if (rendition_.reverse) std::swap(foreground, background);
    if (rendition_.concealed) foreground = background;
    return {code_point, foreground, background, rendition_.underline};
}

/// An erased place: the chosen background, whatever else is chosen.
Cell Terminal::blank() const {
    return {U' ', standard_foreground, resolve(rendition_.background, standard_background, false),
            false};
}

/// Reads 5;INDEX or 2;RED;GREEN;BLUE at `at`. Yields the number of parameters taken.
std::size_t Terminal::choose_colour(const EscapeSequence& sequence, std::size_t at,
                                    ColourChoice& choice) {
    auto byte = [&](std::size_t i) {
        return static_cast<std::uint8_t>(sequence.parameter(at + i, 0) & 0xFF);
    };
    const unsigned how = sequence.parameter(at, 0);
    if (how == 5 && at + 1 < sequence.count) {
        choice = {ColourChoice::Kind::palette, byte(1), {}};
        return 2;
    }
    if (how == 2 && at + 3 < sequence.count) {
        choice = {ColourChoice::Kind::direct, 0, {byte(1), byte(2), byte(3)}};
        return 4;
    }
    return sequence.count - at; // malformed: nothing behind it can be trusted
}

void Terminal::set_rendition(const EscapeSequence& sequence) {
    if (sequence.count == 0) rendition_ = {};
    for (std::size_t i = 0; i < sequence.count; ++i) {
        const unsigned code = sequence.parameters[i];
        auto palette = [&](unsigned first, unsigned offset) -> ColourChoice {
            return {
                ColourChoice::Kind::palette, static_cast<std::uint8_t>(code - first + offset), {}};
        };
        switch (code) {
        case 0: rendition_ = {}; break;
        case 1: rendition_.bold = true; break;
        case 4: rendition_.underline = true; break;
        case 7: rendition_.reverse = true; break;
        case 8: rendition_.concealed = true; break;
        case 22: rendition_.bold = false; break;
        case 24: rendition_.underline = false; break;
        case 27: rendition_.reverse = false; break;
        case 28: rendition_.concealed = false; break;
        case 38: i += choose_colour(sequence, i + 1, rendition_.foreground); break;
        case 39: rendition_.foreground = {}; break;
        case 48: i += choose_colour(sequence, i + 1, rendition_.background); break;
        case 49: rendition_.background = {}; break;
        default:
            if (code >= 30 && code <= 37) rendition_.foreground = palette(30, 0);
            if (code >= 40 && code <= 47) rendition_.background = palette(40, 0);
            if (code >= 90 && code <= 97) rendition_.foreground = palette(90, bright);
            if (code >= 100 && code <= 107) rendition_.background = palette(100, bright);
        }
    }
}

} // namespace lib
