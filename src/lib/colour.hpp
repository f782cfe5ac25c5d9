// SPDX-License-Identifier: MIT
// Colours of terminal cells, and the 256-colour palette of xterm.
#pragma once

#include <cstdint>

namespace lib {

/// Eight bits each.
struct Colour {
    std::uint8_t red = 0;
    std::uint8_t green = 0;
    std::uint8_t blue = 0;
    constexpr bool operator==(const Colour&) const = default;
};

/// A palette entry: 0–15 the ANSI colours (those of the VGA text mode), 16–231 a cube of six steps
/// a side, 232–255 greys.
constexpr Colour palette_colour(std::uint8_t index) {
    auto byte = [](unsigned value) { return static_cast<std::uint8_t>(value); };
    if (index < 16) {
        const unsigned low = index >= 8 ? 0x55 : 0;
        auto part = [&](unsigned bit) {
            return byte(((unsigned{index} >> bit) & 1U) * 0xAA + low);
        };
        // Dark yellow is brown, as the VGA has it.
        return {part(0), index == 3 ? byte(0x55) : part(1), part(2)};
    }
    if (index >= 232) {
        const std::uint8_t grey = byte(8 + 10 * (index - 232U));
        return {grey, grey, grey};
    }
    const unsigned cube = index - 16U;
    auto step = [&](unsigned value) { return byte(value == 0 ? 0 : 55 + 40 * value); };
    return {step(cube / 36), step(cube / 6 % 6), step(cube % 6)};
}

} // namespace lib
