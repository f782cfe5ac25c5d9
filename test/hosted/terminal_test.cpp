// SPDX-License-Identifier: MIT
// The terminal: what stands where after text and escape sequences, and what must be redrawn.
#include "lib/terminal.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Screen {
    std::vector<lib::Cell> storage;
    lib::Terminal terminal;

    Screen(unsigned columns, unsigned rows) : storage(lib::CellGrid::storage_for(columns, rows)) {
        terminal.attach(storage, columns, rows);
    }
    Screen& operator<<(std::string_view text) {
        terminal.write(text);
        return *this;
    }
    std::string row(unsigned row) const {
        std::string out;
        for (unsigned column = 0; column < terminal.columns(); ++column) {
            out += lib::encode_utf8(terminal.cell({column, row}).code_point).view();
        }
        return out.substr(0, out.find_last_not_of(' ') + 1);
    }
    std::string all() const {
        std::string out;
        for (unsigned r = 0; r < terminal.rows(); ++r) out += row(r) + "|";
        return out;
    }
    bool at(unsigned column, unsigned row) const {
        return terminal.cursor() == lib::CellPosition{column, row};
    }
    std::size_t drawn() {
        std::size_t count = 0;
        terminal.take_damage([&](lib::CellPosition, const lib::Cell&) { ++count; });
        return count;
    }
    lib::Colour foreground(unsigned column) const { return terminal.cell({column, 0}).foreground; }
    lib::Colour background(unsigned column) const { return terminal.cell({column, 0}).background; }
};

constexpr lib::Colour grey = lib::palette_colour(7);
constexpr lib::Colour black = lib::palette_colour(0);

} // namespace

TEST_CASE("text, line ends, tabs and backspace") {
    Screen s(20, 4);
    s << "one\ntwo\r\n\tx\b\by";
    CHECK(s.all() == "one|two|       yx||");
    CHECK(s.at(8, 2));
    s << "\r\t\t\tend";
    CHECK(s.at(2, 3));
    CHECK(s.row(2) == "       yx          e");
}

TEST_CASE("wrap at the last column waits for the next character") {
    Screen s(4, 3);
    s << "abcd";
    CHECK(s.at(3, 0));
    s << "\n"; // no empty line between
    CHECK(s.at(0, 1));
    s << "efghi";
    CHECK(s.all() == "abcd|efgh|i|");
    s << "\x1b[H"
         "wxyz\r!";
    CHECK(s.row(0) == "!xyz");
    s << "\x1b[1;4Hz\bY";
    CHECK(s.row(0) == "!xYz");
    s << "\x1b[?7l\x1b[1;3HABCD";
    CHECK(s.row(0) == "!xAD");
}

TEST_CASE("the last line scrolls") {
    Screen s(5, 3);
    s << "1\n2\n3\n4\n5";
    CHECK(s.all() == "3|4|5|");
    CHECK(s.at(1, 2));
}

TEST_CASE("UTF-8, split between writes, and wrong bytes") {
    Screen s(10, 1);
    s << "\xE2\x94" << "\x80" << "e\xCC\x81" << "\xFFz";
    CHECK(s.row(0) == "─e\uFFFDz");
}

TEST_CASE("cursor movement stops at the edges") {
    Screen s(10, 5);
    s << "\x1b[3;4H";
    CHECK(s.at(3, 2));
    s << "\x1b[A";
    CHECK(s.at(3, 1));
    s << "\x1b[2B\x1b[5C\x1b[2D";
    CHECK(s.at(6, 3));
    s << "\x1b[99A\x1b[99D";
    CHECK(s.at(0, 0));
    s << "\x1b[65535B\x1b[99999999C";
    CHECK(s.at(9, 4));
    s << "\x1b[2F";
    CHECK(s.at(0, 2));
    s << "\x1b[E\x1b[7G";
    CHECK(s.at(6, 3));
    s << "\x1b[2d";
    CHECK(s.at(6, 1));
    s << "\x1b[;5H";
    CHECK(s.at(4, 0));
    s << "\x1b[0;0f";
    CHECK(s.at(0, 0));
    s << "\x1b[4;4H\x1b"
         "7\x1b[H\x1b"
         "8";
    CHECK(s.at(3, 3));
    s << "\x1b[s\x1b[H\x1b[u";
    CHECK(s.at(3, 3));
}

TEST_CASE("erasing") {
    Screen s(6, 3);
    const auto full = "\x1b[Habcdef\x1b[2;1Habcdef\x1b[3;1Habcdef\x1b[2;3H";
    CHECK((s << full << "\x1b[K").all() == "abcdef|ab|abcdef|");
    CHECK((s << full << "\x1b[1K").all() == "abcdef|   def|abcdef|");
    CHECK((s << full << "\x1b[2K").all() == "abcdef||abcdef|");
    CHECK((s << full << "\x1b[J").all() == "abcdef|ab||");
    CHECK((s << full << "\x1b[1J").all() == "|   def|abcdef|");
    CHECK((s << full << "\x1b[2J").all() == "|||");
    CHECK((s << full << "\x1b[2X").all() == "abcdef|ab  ef|abcdef|");
    CHECK((s << full << "\x1b[2P").all() == "abcdef|abef|abcdef|");
    CHECK((s << full << "\x1b[99P").all() == "abcdef|ab|abcdef|");
    CHECK((s << full << "\x1b[@").all() == "abcdef|ab cde|abcdef|");
    CHECK((s << full << "\x1b[99@").all() == "abcdef|ab|abcdef|");
    CHECK((s << full << "\x1b[7J\x1b[7K").all() == "abcdef|abcdef|abcdef|");
    CHECK((s << full
             << "\x1b"
                "c")
              .all() == "|||");
    CHECK(s.at(0, 0));
}

TEST_CASE("scroll region, inserted and deleted lines") {
    Screen s(3, 5);
    const auto full = "\x1b[r\x1b[H1\n2\n3\n4\n5\x1b[2;4r";
    CHECK((s << full << "\x1b[4;1H\n").all() == "1|3|4||5|");
    CHECK((s << full << "\x1b[2;1H\x1bM").all() == "1||2|3|5|");
    CHECK((s << full << "\x1b[S").all() == "1|3|4||5|");
    CHECK((s << full << "\x1b[9T").all() == "1||||5|");
    CHECK((s << full << "\x1b[3;1H\x1b[L").all() == "1|2||3|5|");
    CHECK((s << full << "\x1b[3;1H\x1b[M").all() == "1|2|4||5|");
    CHECK((s << full << "\x1b[5;1H\x1b[L\x1b[M\n").all() == "1|2|3|4|5|"); // outside it
    CHECK((s << full << "\x1b[3;1H\x1b[9A").at(0, 1));
    CHECK((s << full << "\x1b[3;1H\x1b[9B").at(0, 3));
    CHECK((s << full << "\x1b[3;3r\x1b[4;1H\n").all() == "1|3|4||5|"); // refused
}

TEST_CASE("colours and renditions") {
    Screen s(10, 1);
    s << "a\x1b[31mb\x1b[1mc\x1b[0;92md\x1b[44me\x1b[7mf\x1b[27;39;49mg";
    CHECK(s.foreground(0) == grey);
    CHECK(s.background(0) == black);
    CHECK(s.foreground(1) == lib::palette_colour(1));
    CHECK(s.foreground(2) == lib::palette_colour(9));
    CHECK(s.foreground(3) == lib::palette_colour(10));
    CHECK(s.background(4) == lib::palette_colour(4));
    CHECK(s.foreground(5) == lib::palette_colour(4));
    CHECK(s.background(5) == lib::palette_colour(10));
    CHECK(s.foreground(6) == grey);
    CHECK(s.background(6) == black);

    s << "\x1b[m\r\x1b[38;5;196;48;2;1;2;3;4ma\x1b[24mb\x1b[8mc\x1b[28;38;5md\x1b[38;2;1;2me";
    CHECK(s.foreground(0) == lib::Colour{255, 0, 0});
    CHECK(s.background(0) == lib::Colour{1, 2, 3});
    CHECK(s.terminal.cell({0, 0}).underline);
    CHECK_FALSE(s.terminal.cell({1, 0}).underline);
    CHECK(s.foreground(2) == s.background(2));
    CHECK(s.foreground(3) == lib::Colour{255, 0, 0}); // malformed: unchanged
    CHECK(s.foreground(4) == lib::Colour{255, 0, 0});

    s << "\x1b[0;7;42m\x1b[2K";
    CHECK(s.background(9) == lib::palette_colour(2));
}

TEST_CASE("the palette's corners") {
    CHECK(lib::palette_colour(3) == lib::Colour{0xAA, 0x55, 0});
    CHECK(lib::palette_colour(15) == lib::Colour{255, 255, 255});
    CHECK(lib::palette_colour(16) == lib::Colour{0, 0, 0});
    CHECK(lib::palette_colour(231) == lib::Colour{255, 255, 255});
    CHECK(lib::palette_colour(232) == lib::Colour{8, 8, 8});
    CHECK(lib::palette_colour(255) == lib::Colour{238, 238, 238});
}

TEST_CASE("what is not understood is swallowed whole") {
    Screen s(40, 1);
    s << "a\x1b]0;title\x07"
         "b\x1bPdata\x1b\\c\x1b(Bd\x1b[?1;2he\x1b[>0qf\x1b[1$rg\x1b[12;?xh";
    CHECK(s.row(0) == "abcdefgh");
    s << "\x1b[1\x18i\x1b\x1b[1mj"; // cancelled; begun again
    CHECK(s.row(0) == "abcdefghij");
    s << "\x1b"
         "c\x1b[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18;19mX";
    CHECK(s.row(0) == "X");
}

TEST_CASE("a control inside a sequence is obeyed at once") {
    Screen s(10, 2);
    s << "abc\x1b[\r1Cx";
    CHECK(s.row(0) == "axc");
}

TEST_CASE("only what changed is drawn") {
    Screen s(10, 4);
    CHECK(s.drawn() == 40);
    CHECK(s.drawn() == 0);
    s << "ab";
    CHECK(s.drawn() == 3); // two cells and the cursor's new place
    s << "\r";
    CHECK(s.drawn() == 2); // cursor: old and new place
    s << "ab\r";
    CHECK(s.drawn() == 0); // the same text again
    s << "\x1b[?25l";
    CHECK(s.drawn() == 1);
    s << "\x1b[2;1Hab\x1b[3;1Hab\x1b[H";
    CHECK(s.drawn() == 4);
    s << "\x1b[S";
    CHECK(s.drawn() == 2); // rows 1 and 2 look as before, only the last "ab" is gone
    s.terminal.damage_all();
    CHECK(s.drawn() == 40);
}

TEST_CASE("the cursor shows with exchanged colours") {
    Screen s(3, 1);
    lib::Cell first;
    s.terminal.take_damage([&](lib::CellPosition p, const lib::Cell& cell) {
        if (p.column == 0) first = cell;
    });
    CHECK(first.background == grey);
    CHECK(first.foreground == black);
}

TEST_CASE("no room: nothing happens; little storage: fewer rows") {
    Screen none(0, 25);
    none << "text\n\x1b[5;5H\x1b[2J\x1b"
            "c";
    CHECK(none.drawn() == 0);
    Screen no_rows(80, 0);
    no_rows << "text\n";
    CHECK(no_rows.drawn() == 0);

    std::vector<lib::Cell> storage(lib::CellGrid::storage_for(10, 3));
    lib::Terminal terminal;
    terminal.write("before attach");
    terminal.attach(storage, 10, 100);
    CHECK(terminal.rows() == 3);
    Screen one(1, 1);
    one << "abc\ndef\x1b[5;5Hx\x1b[L\x1b[M\x1b[@\x1b[P\ty";
    CHECK(one.row(0) == "y");
}

TEST_CASE("random input: the screen, drawn by damage alone, always equals the cells") {
    std::mt19937 random(1);
    const std::string_view alphabet =
        "ab\n\r\t\b\x1b\x1b\x1b[[[[[;;?0123456789ABCDEFGHJKLMPSTX@`dfmrsuhl78cM"
        "\xE2\x94\x80\xFF\x18]\x07";
    for (unsigned seed = 0; seed < 300; ++seed) {
        const unsigned columns = 1 + static_cast<unsigned>(random() % 12);
        const unsigned rows = 1 + static_cast<unsigned>(random() % 6);
        Screen s(columns, rows);
        std::vector<lib::Cell> screen(std::size_t{columns} * rows);
        for (unsigned round = 0; round < 20; ++round) {
            std::string text;
            for (unsigned i = 0; i < 50; ++i) text += alphabet[random() % alphabet.size()];
            s << text;
            s.terminal.take_damage([&](lib::CellPosition p, const lib::Cell& cell) {
                screen[p.row * columns + p.column] = cell;
            });
            const lib::CellPosition cursor = s.terminal.cursor();
            REQUIRE(cursor.column < columns);
            REQUIRE(cursor.row < rows);
            std::size_t different = 0;
            for (unsigned r = 0; r < rows; ++r) {
                for (unsigned c = 0; c < columns; ++c) {
                    lib::Cell cell = s.terminal.cell({c, r});
                    if (s.terminal.cursor_visible() && cursor == lib::CellPosition{c, r}) {
                        std::swap(cell.foreground, cell.background);
                    }
                    different += !(cell == screen[r * columns + c]);
                }
            }
            REQUIRE(different == 0);
        }
    }
}
