// SPDX-License-Identifier: MIT
// PC screen fonts, versions 1 and 2 (kbd, "psf file format"), read in place.
#pragma once

#include "lib/bytes.hpp"

#include <array>
#include <cstdint>

namespace lib {

/// A bitmap: rows from the top, each `stride` bytes, the leftmost pixel in a byte's top bit.
struct Glyph {
    Bytes bits;
    unsigned width = 0;
    unsigned height = 0;
    unsigned stride = 0;

    /// Precondition: x < width, y < height.
    constexpr bool pixel(unsigned x, unsigned y) const {
        const auto byte = std::to_integer<unsigned>(bits[y * stride + x / 8]);
        return ((byte >> (7 - x % 8)) & 1) != 0;
    }
};

/// A font over the bytes of an uncompressed file, which must outlive it. Empty until loaded.
class PsfFont {
public:
    static constexpr unsigned max_side = 128; // pixels

    /// Checks the file's header and Unicode table; bad_format when they are damaged or truncated,
    /// and the font is then empty.
    Result<void> load(Bytes file);

    constexpr bool empty() const { return glyph_count_ == 0; }
    constexpr unsigned width() const { return width_; }
    constexpr unsigned height() const { return height_; }
    constexpr unsigned glyph_count() const { return glyph_count_; }
    /// Whether the font has a glyph of its own for that character.
    bool has(char32_t code_point) const { return find(code_point) != no_glyph; }
    /// The character's glyph, else that of U+FFFD, of '?', or the first. Precondition: not empty().
    Glyph glyph(char32_t code_point) const;

private:
    static constexpr std::uint32_t no_glyph = ~std::uint32_t{0};

    Result<void> read_header(Bytes file);
    template <typename Visit>
    bool walk(Visit visit) const;
    Result<void> index_table();
    std::uint32_t find(char32_t code_point) const;

    Bytes glyphs_;
    Bytes table_; // Unicode table; empty: the code point is the glyph's number
    unsigned glyph_count_ = 0;
    unsigned glyph_bytes_ = 0;
    unsigned width_ = 0;
    unsigned height_ = 0;
    bool utf8_table_ = false; // version 2
    std::uint32_t fallback_ = 0;
    std::array<std::uint16_t, 256> latin_{}; // glyph + 1 of the first 256 code points; 0: none
};

} // namespace lib
