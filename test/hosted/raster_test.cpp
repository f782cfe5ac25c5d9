// SPDX-License-Identifier: MIT
// The raster: every pixel of a cell in every format, nothing outside it, hostile descriptions.
#include "lib/raster.hpp"

#include "lib/terminal.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

namespace {

/// 256 glyphs of 8x4: glyph n has rows n, ~n, n, ~n.
std::vector<std::byte> font_file() {
    std::vector<std::byte> bytes{std::byte{0x36}, std::byte{0x04}, std::byte{0}, std::byte{4}};
    for (unsigned n = 0; n < 256; ++n) {
        for (unsigned y = 0; y < 4; ++y) bytes.push_back(static_cast<std::byte>(y % 2 ? ~n : n));
    }
    return bytes;
}

constexpr std::byte untouched{0x5A};

struct Display {
    std::vector<std::byte> file = font_file();
    lib::PsfFont font;
    std::vector<std::byte> memory;
    lib::Framebuffer layout;
    lib::Raster raster;

    Display(unsigned bits, unsigned width, unsigned height, unsigned extra) {
        REQUIRE(font.load(file).ok());
        layout.bits_per_pixel = static_cast<std::uint8_t>(bits);
        layout.width = width;
        layout.height = height;
        layout.pitch = width * ((bits + 7) / 8) + extra;
        if (bits >= 24) {
            layout.red = {16, 8}, layout.green = {8, 8}, layout.blue = {0, 8};
        } else if (bits == 16) {
            layout.red = {11, 5}, layout.green = {5, 6}, layout.blue = {0, 5};
        } else {
            layout.red = {10, 5}, layout.green = {5, 5}, layout.blue = {0, 5};
        }
        resize();
    }
    void resize() {
        // Exactly as much as is needed: the sanitizer sees one byte beyond.
        memory.assign(std::size_t{layout.pitch} * (layout.height - 1) +
                          std::size_t{layout.width} * ((layout.bits_per_pixel + 7U) / 8),
                      untouched);
        layout.memory = memory;
    }
    Result<void> attach() { return raster.attach(layout, font); }
    std::uint32_t pixel(unsigned x, unsigned y) const {
        const unsigned bytes = (layout.bits_per_pixel + 7U) / 8;
        std::uint32_t value = 0;
        std::memcpy(&value, &memory[std::size_t{y} * layout.pitch + x * bytes], bytes);
        return value;
    }
};

constexpr lib::Colour ink{0xFF, 0x80, 0x08};
constexpr lib::Colour paper{0x00, 0x10, 0xFF};

} // namespace

TEST_CASE("a cell in each format, odd pitches included") {
    struct Format {
        unsigned bits;
        std::uint32_t ink, paper;
    };
    const Format formats[] = {
        {32, 0x00FF8008, 0x000010FF},
        {24, 0x00FF8008, 0x000010FF},
        {16, 0xFC01, 0x009F},
        {15, 0x7E01, 0x005F},
    };
    for (const Format& format : formats) {
        for (const unsigned extra : {0U, 1U, 7U}) {
            CAPTURE(format.bits);
            CAPTURE(extra);
            Display display(format.bits, 27, 10, extra); // 3 x 2 cells and a margin
            REQUIRE(display.attach().ok());
            REQUIRE(display.raster.columns() == 3);
            REQUIRE(display.raster.rows() == 2);
            display.raster.draw({1, 1}, {U'\x93', ink, paper, false});
            std::size_t wrong = 0;
            for (unsigned y = 0; y < 10; ++y) {
                for (unsigned x = 0; x < 27; ++x) {
                    const bool inside = x >= 8 && x < 16 && y >= 4 && y < 8;
                    std::uint32_t expected = 0;
                    std::memset(&expected, 0x5A, (format.bits + 7) / 8);
                    if (inside) {
                        const unsigned row = y % 2 ? 0x6CU : 0x93U;
                        expected = (row >> (7 - (x - 8))) & 1U ? format.ink : format.paper;
                    }
                    wrong += display.pixel(x, y) != expected;
                }
            }
            CHECK(wrong == 0);
        }
    }
}

TEST_CASE("underline, clear, and cells outside") {
    Display display(24, 20, 9, 3);
    REQUIRE(display.attach().ok());
    display.raster.clear(paper);
    for (unsigned y = 0; y < 9; ++y) {
        for (unsigned x = 0; x < 20; ++x) REQUIRE(display.pixel(x, y) == 0x0010FF);
    }
    for (std::size_t y = 0; y + 1 < 9; ++y) {
        REQUIRE(display.memory[y * 63 + 60] == untouched); // between the lines
    }
    const auto before = display.memory;
    display.raster.draw({2, 0}, {U'x', ink, paper, false});
    display.raster.draw({0, 2}, {U'x', ink, paper, false});
    display.raster.draw({0xFFFFFFFF, 0xFFFFFFFF}, {U'x', ink, paper, false});
    CHECK(display.memory == before);
    display.raster.draw({0, 0}, {char32_t{0}, ink, paper, true});
    CHECK(display.pixel(0, 0) == 0x0010FF);
    for (unsigned x = 0; x < 8; ++x) CHECK(display.pixel(x, 3) == 0xFF8008);
}

TEST_CASE("half blocks fill their half of a cell, whatever the font has") {
    Display display(32, 16, 4, 0);
    REQUIRE(display.attach().ok());
    display.raster.draw({0, 0}, {U'\u2580', ink, paper, false});
    display.raster.draw({1, 0}, {U'\u2584', ink, paper, false});
    for (unsigned y = 0; y < 4; ++y) {
        for (unsigned x = 0; x < 8; ++x) {
            CHECK(display.pixel(x, y) == (y < 2 ? 0xFF8008 : 0x0010FF));
            CHECK(display.pixel(8 + x, y) == (y < 2 ? 0x0010FF : 0xFF8008));
        }
    }
}

TEST_CASE("other channel orders and sizes") {
    Display display(32, 8, 4, 0);
    display.layout.red = {0, 10}, display.layout.green = {10, 10}, display.layout.blue = {20, 10};
    REQUIRE(display.attach().ok());
    CHECK(display.raster.pixel({0xFF, 0, 0}) == 0x3FF);
    CHECK(display.raster.pixel({0, 0x80, 0xFF}) == ((0x202U << 10) | (0x3FFU << 20)));
    display.layout.red = {0, 1}, display.layout.green = {31, 1}, display.layout.blue = {4, 2};
    REQUIRE(display.attach().ok());
    CHECK(display.raster.pixel({0x80, 0x7F, 0xC0}) == 0x31);
}

TEST_CASE("smaller than a cell: nothing is drawn, clearing works") {
    for (const auto& [width, height] : {std::pair{7U, 4U}, {8U, 3U}, {1U, 1U}}) {
        Display display(32, width, height, 0);
        REQUIRE(display.attach().ok());
        CHECK(display.raster.columns() * display.raster.rows() == 0);
        const auto before = display.memory;
        display.raster.draw({0, 0}, {U'x', ink, paper, false});
        CHECK(display.memory == before);
        display.raster.clear(ink);
        CHECK(display.pixel(width - 1, height - 1) == 0xFF8008);
    }
}

TEST_CASE("descriptions that lie are refused") {
    auto refused = [](auto change) {
        Display display(32, 16, 8, 0);
        change(display);
        const Error error = display.attach().error();
        display.raster.draw({0, 0}, {U'x', ink, paper, false});
        display.raster.clear(ink);
        CHECK(display.raster.columns() == 0);
        return error;
    };
    CHECK(refused([](Display& d) { d.layout.bits_per_pixel = 8; }) == Error::unsupported);
    CHECK(refused([](Display& d) { d.layout.bits_per_pixel = 0; }) == Error::unsupported);
    CHECK(refused([](Display& d) { d.layout.width = 0; }) == Error::bad_format);
    CHECK(refused([](Display& d) { d.layout.height = 0; }) == Error::bad_format);
    CHECK(refused([](Display& d) { d.layout.pitch = 63; }) == Error::bad_format);
    CHECK(refused([](Display& d) { d.layout.height = 9; }) == Error::bad_format);
    CHECK(refused([](Display& d) { d.layout.width = 0xFFFFFFFF; }) == Error::bad_format);
    CHECK(refused([](Display& d) { d.layout.pitch = d.layout.height = 0xFFFFFFFF; }) ==
          Error::bad_format);
    CHECK(refused([](Display& d) { d.layout.red.size = 0; }) == Error::bad_format);
    CHECK(refused([](Display& d) { d.layout.red = {25, 8}; }) == Error::bad_format);
    CHECK(refused([](Display& d) { d.layout.red = {255, 255}; }) == Error::bad_format);
    CHECK(refused([](Display& d) { d.layout.red = d.layout.blue; }) == Error::bad_format);
    CHECK(refused([](Display& d) { d.layout.memory = d.layout.memory.first(511); }) ==
          Error::bad_format);
    CHECK(refused([](Display& d) { d.font = {}; }) == Error::invalid_argument);
}

TEST_CASE("a terminal on a raster: damage alone gives the same picture as drawing everything") {
    Display display(16, 80, 32, 1);
    REQUIRE(display.attach().ok());
    std::vector<lib::Cell> storage(lib::CellGrid::storage_for(10, 8));
    lib::Terminal terminal;
    terminal.attach(storage, display.raster.columns(), display.raster.rows());
    auto draw = [&](lib::CellPosition p, const lib::Cell& cell) { display.raster.draw(p, cell); };
    for (unsigned i = 0; i < 30; ++i) {
        terminal.write("ab\x1b[3"
                       "1mcd\n\x1b[1Ae\x1b[7mf\n");
        terminal.take_damage(draw);
    }
    const auto picture = display.memory;
    display.resize();
    REQUIRE(display.attach().ok());
    terminal.damage_all();
    terminal.take_damage(draw);
    CHECK(display.memory == picture);
}
