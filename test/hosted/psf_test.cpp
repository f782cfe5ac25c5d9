// SPDX-License-Identifier: MIT
// PSF fonts: Debian's own of both versions, small made ones, damaged ones.
#include "lib/psf.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

namespace {

std::vector<std::byte> gunzip(const std::string& path) {
    FILE* pipe = popen(("gzip -dc " + path).c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::vector<std::byte> bytes(1 << 20);
    bytes.resize(std::fread(bytes.data(), 1, bytes.size(), pipe));
    REQUIRE(pclose(pipe) == 0);
    return bytes;
}

std::string row(const lib::Glyph& glyph, unsigned y) {
    std::string out;
    for (unsigned x = 0; x < glyph.width; ++x) out += glyph.pixel(x, y) ? '#' : '.';
    return out;
}

void append(std::vector<std::byte>& bytes, std::initializer_list<unsigned> values) {
    for (const unsigned value : values) bytes.push_back(static_cast<std::byte>(value));
}

/// Version 2, 3 glyphs of 10x2 pixels: 'A' and U+2500; 'B' and a sequence; U+FFFD.
std::vector<std::byte> small_font() {
    std::vector<std::byte> bytes;
    const std::uint32_t header[] = {0x864AB572, 0, 32, 1, 3, 4, 2, 10};
    bytes.resize(sizeof header);
    std::memcpy(bytes.data(), header, sizeof header);
    append(bytes, {0x80, 0x40, 0xFF, 0xC0});
    append(bytes, {0x01, 0x00, 0x00, 0x80});
    append(bytes, {0xAA, 0x80, 0x55, 0x40});
    append(bytes, {'A', 0xE2, 0x94, 0x80, 0xFF});
    append(bytes, {'B', 0xFE, 'C', 0xCC, 0x81, 0xFF});
    append(bytes, {0xEF, 0xBF, 0xBD, 0xFF});
    return bytes;
}

} // namespace

TEST_CASE("the console font of the kernel (version 1)") {
    const auto file = gunzip("/usr/share/consolefonts/Uni2-Fixed16.psf.gz");
    lib::PsfFont font;
    REQUIRE(font.load(file).ok());
    CHECK(font.width() == 8);
    CHECK(font.height() == 16);
    CHECK(font.glyph_count() == 512);
    for (char32_t c = 0x20; c < 0x7F; ++c) CHECK(font.has(c));
    for (char32_t c = 0xA0; c < 0x100; ++c) CHECK(font.has(c));
    for (const char32_t c : {U'─', U'│', U'┼', U'═', U'█', U'Ж', U'€'}) CHECK(font.has(c));
    CHECK_FALSE(font.has(U'漢'));
    CHECK_FALSE(font.has(char32_t{0x10FFFF}));
    // The full block is wholly set, the space wholly clear.
    for (unsigned y = 0; y < 16; ++y) {
        CHECK(row(font.glyph(U'█'), y) == "########");
        CHECK(row(font.glyph(U' '), y) == "........");
    }
    CHECK(font.glyph(U'漢').bits.data() == font.glyph(0xFFFD).bits.data());
    CHECK(font.glyph(U'a').bits.data() != font.glyph(U'b').bits.data());
}

TEST_CASE("a font of version 2, two bytes a row") {
    const auto file = gunzip("/usr/share/consolefonts/Uni2-TerminusBold32x16.psf.gz");
    lib::PsfFont font;
    REQUIRE(font.load(file).ok());
    CHECK(font.width() == 16);
    CHECK(font.height() == 32);
    CHECK(font.glyph(U'A').stride == 2);
    CHECK(font.has(U'─'));
    CHECK_FALSE(font.has(U'漢'));
}

TEST_CASE("characters, aliases, sequences, fall-back") {
    const auto file = small_font();
    lib::PsfFont font;
    CHECK(font.empty());
    REQUIRE(font.load(file).ok());
    CHECK(row(font.glyph(U'A'), 0) == "#........#");
    CHECK(row(font.glyph(U'─'), 1) == "##########");
    CHECK(row(font.glyph(U'B'), 0) == ".......#..");
    CHECK_FALSE(font.has(U'C')); // only within a sequence
    CHECK(row(font.glyph(U'C'), 0) == "#.#.#.#.#.");
    CHECK(row(font.glyph(U'?'), 1) == ".#.#.#.#.#");
}

TEST_CASE("without a table the number is the character") {
    std::vector<std::byte> bytes;
    append(bytes, {0x36, 0x04, 0, 1});
    for (unsigned i = 0; i < 256; ++i) append(bytes, {i});
    lib::PsfFont font;
    REQUIRE(font.load(bytes).ok());
    CHECK(row(font.glyph(0x81), 0) == "#......#");
    CHECK_FALSE(font.has(256));
    CHECK(row(font.glyph(256), 0) == "..######"); // '?'
}

TEST_CASE("damage is an error and leaves the font empty") {
    const auto good = small_font();
    for (std::size_t size = 0; size < good.size(); ++size) {
        const std::vector<std::byte> cut(good.begin(),
                                         good.begin() + static_cast<std::ptrdiff_t>(size));
        lib::PsfFont font;
        CAPTURE(size);
        REQUIRE(font.load(cut).error() == Error::bad_format);
        REQUIRE(font.empty());
    }
    struct Lie {
        std::size_t offset;
        std::uint32_t value;
    };
    const Lie lies[] = {{0, 0x864AB573},  {4, 1},  {8, 31},   {8, 0xFFFFFFFF},  {16, 0},
                        {16, 0xFFFFFFFF}, {16, 4}, {20, 3},   {20, 0xFFFFFFFF}, {24, 0},
                        {24, 0xFFFFFFFF}, {28, 0}, {28, 129}, {28, 0xFFFFFFF9}, {24, 0x80000000}};
    for (const Lie& lie : lies) {
        auto bad = good;
        std::memcpy(bad.data() + lie.offset, &lie.value, 4);
        lib::PsfFont font;
        CAPTURE(lie.offset);
        CAPTURE(lie.value);
        CHECK(font.load(bad).error() == Error::bad_format);
    }
}
