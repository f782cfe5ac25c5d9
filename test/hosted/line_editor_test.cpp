// SPDX-License-Identifier: MIT
// The line editor, judged by what a terminal shows after its output.
#include "lib/line_editor.hpp"

#include "lib/terminal.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using Event = lib::LineEditor::Event;

namespace {

struct Session {
    std::vector<char> line, draft, history;
    std::vector<lib::Cell> cells;
    lib::Terminal terminal;
    lib::LineEditor editor;
    std::string output;
    std::string prompt;

    explicit Session(unsigned columns = 40, std::size_t capacity = 64, std::size_t remembered = 64,
                     std::string prompt_text = "$ ")
        : line(capacity), draft(capacity), history(remembered),
          cells(lib::CellGrid::storage_for(columns, 4)), editor({line, draft, history}, columns),
          prompt(std::move(prompt_text)) {
        terminal.attach(cells, columns, 4);
        begin();
    }
    void begin() {
        auto append = [this](std::string_view text) { write(text); };
        editor.begin(prompt, lib::Sink(append));
    }
    void write(std::string_view text) {
        output += text;
        terminal.write(text);
    }
    /// The last event; the session goes on after it.
    Event type(std::string_view keys) {
        Event last = Event::nothing;
        auto append = [this](std::string_view text) { write(text); };
        for (const char key : keys) {
            const Event event = editor.push(key, lib::Sink(append));
            if (event == Event::nothing) continue;
            last = event;
            entered = editor.line();
            begin();
        }
        return last;
    }
    std::string row(unsigned row) const {
        std::string out;
        for (unsigned column = 0; column < terminal.columns(); ++column) {
            out += lib::encode_utf8(terminal.cell({column, row}).code_point).view();
        }
        return out.substr(0, out.find_last_not_of(' ') + 1);
    }
    std::string here() const { return row(terminal.cursor().row); }
    unsigned column() const { return terminal.cursor().column; }
    std::string entered;
};

const std::string up = "\x1b[A", down = "\x1b[B", right = "\x1b[C", left = "\x1b[D";

} // namespace

TEST_CASE("plain typing echoes the characters and nothing else") {
    Session s;
    CHECK(s.output == "$ ");
    CHECK(s.type("ls -l\r") == Event::line);
    CHECK(s.entered == "ls -l");
    CHECK(s.output == "$ ls -l\r\n$ ");
    s.type("ab\x7f\b");
    CHECK(s.output == "$ ls -l\r\n$ ab\b \b\b \b");
    s.type("\x7f"); // nothing left
    CHECK(s.output == "$ ls -l\r\n$ ab\b \b\b \b");
}

TEST_CASE("line ends: CR, LF, and both together once") {
    Session s;
    CHECK(s.type("a\n") == Event::line);
    CHECK(s.type("b\r\n") == Event::line);
    CHECK(s.entered == "b");
    CHECK(s.output == "$ a\r\n$ b\r\n$ ");
    CHECK(s.type("\n") == Event::line);
    CHECK(s.entered.empty());
}

TEST_CASE("moving and editing in the middle") {
    Session s;
    s.type("held" + left + left + "l");
    CHECK(s.here() == "$ helld");
    CHECK(s.column() == 5);
    s.type("\x01X\x05Y");
    CHECK(s.here() == "$ XhelldY");
    s.type("\x1b[H\x1b[3~\x1b[F" + left + "\x7f");
    CHECK(s.here() == "$ hellY");
    s.type("\x02\x02\x06\x04");
    CHECK(s.here() == "$ helY");
    CHECK(s.type("\r") == Event::line);
    CHECK(s.entered == "helY");
    s.type("\x1b[1~\x1b[4~\x1b[7~\x1b[8~\x1bOD\x1bOC\x1b[5~\x1b[99~\x1b[Zok");
    CHECK(s.editor.line() == "ok");
}

TEST_CASE("words and kills") {
    Session s;
    s.type("one two  three\x17");
    CHECK(s.editor.line() == "one two  ");
    s.type("\x17");
    CHECK(s.editor.line() == "one ");
    s.type("two three\x1b"
           "bX\x1b[1;5D\x1b[1;5DY");
    CHECK(s.editor.line() == "one Ytwo Xthree");
    s.type("\x1b"
           "f\x1b[1;3CZ");
    CHECK(s.editor.line() == "one Ytwo XthreeZ");
    s.type("\x01\x1b"
           "d");
    CHECK(s.editor.line() == " Ytwo XthreeZ");
    s.type("\x06\x06\x0b");
    CHECK(s.editor.line() == " Y");
    s.type("\x15");
    CHECK(s.editor.line() == "");
    CHECK(s.here() == "$");
    s.type("abc\x02\x15");
    CHECK(s.editor.line() == "c");
    CHECK(s.column() == 2);
}

TEST_CASE("interrupt, end, clear") {
    Session s;
    CHECK(s.type("abc\x02\x03") == Event::interrupt);
    CHECK(s.entered.empty());
    CHECK(s.row(0) == "$ abc^C");
    CHECK(s.type("x\x02\x04") == Event::nothing); // deletes
    CHECK(s.editor.line().empty());
    CHECK(s.type("\x04") == Event::end);
    s.type("abc\x02\x0c");
    CHECK(s.row(0) == "$ abc");
    CHECK(s.column() == 4);
    CHECK(s.editor.history().count() == 0); // interrupted lines are not kept
}

TEST_CASE("UTF-8: whole characters, wrong bytes, marks without a cell") {
    Session s;
    s.type("a€é" + left + "\x7f");
    CHECK(s.editor.line() == "aé");
    CHECK(s.column() == 3);
    s.type("\x1b[3~\xFFz");
    CHECK(s.editor.line() == "a\uFFFDz");
    s.type("\xE2\x82\r");
    CHECK(s.entered == "a\uFFFDz\uFFFD");
    s.type("e\xCC\x81x");
    CHECK(s.column() == 4);
    s.type("\x7f\x7f\x7f");
    CHECK(s.here() == "$");
    CHECK(s.column() == 2);
}

TEST_CASE("history") {
    Session s;
    s.type("one\rtwo\rtwo\r\rthree\r");
    CHECK(s.editor.history().count() == 3);
    s.type("draft" + up);
    CHECK(s.here() == "$ three");
    s.type("\x10");
    CHECK(s.here() == "$ two");
    s.type(up + up + up);
    CHECK(s.here() == "$ one");
    s.type("x" + down);
    CHECK(s.here() == "$ two");
    s.type("\x0e\x0e");
    CHECK(s.here() == "$ draft");
    s.type(down + "s\r");
    CHECK(s.entered == "drafts");
    s.type(up + up + "\r"); // an old line again is the newest now
    CHECK(s.entered == "three");
    s.type(up);
    CHECK(s.here() == "$ three");
}

TEST_CASE("history is bounded by its memory") {
    Session s(40, 64, 16);
    s.type("aaaa\rbbbb\rcccc\rdddd\r"); // 5 bytes each: three fit
    CHECK(s.editor.history().count() == 3);
    CHECK(s.editor.history().at(2) == "bbbb");
    s.type("0123456789abcde\r"); // exactly all of it
    CHECK(s.editor.history().count() == 1);
    CHECK(s.editor.history().at(0) == "0123456789abcde");
    s.type("0123456789abcdef\r"); // too long to be kept
    CHECK(s.editor.history().at(0) == "0123456789abcde");
    Session none(40, 64, 0);
    none.type("a\rb\r" + up);
    CHECK(none.here() == "$");
}

TEST_CASE("a full line refuses more with a bell") {
    Session s(40, 4);
    s.type("abcde");
    CHECK(s.editor.line() == "abcd");
    CHECK(s.output.ends_with("\a"));
    s.type("\x7f€"); // three bytes don't fit into one
    CHECK(s.editor.line() == "abc");
    CHECK(s.type("\r") == Event::line);
    CHECK(s.entered == "abc");
}

TEST_CASE("lines longer than the terminal show the part around the cursor") {
    Session s(12, 64); // 9 cells of text
    s.type("0123456789abcdef");
    CHECK(s.here() == "$ 789abcdef");
    CHECK(s.column() == 11);
    s.type("\x01");
    CHECK(s.here() == "$ 012345678");
    CHECK(s.column() == 2);
    s.type("\x05\x17");
    CHECK(s.here() == "$");
    CHECK(s.terminal.cursor().row == 0);
}

TEST_CASE("a prompt that leaves no room is not shown; colours take no cells") {
    Session wide(12, 64, 64, "a long prompt> ");
    wide.type("text");
    CHECK(wide.here() == "text");
    Session coloured(40, 64, 64, "\x1b[32muser\x1b[0m $ ");
    coloured.type("ab\x01X");
    CHECK(coloured.here() == "user $ Xab");
    CHECK(coloured.column() == 8);
}

TEST_CASE("random keys: the screen shows the line around the cursor, whatever the width") {
    std::mt19937 random(3);
    const std::vector<std::string> keys = {"a",
                                           "b",
                                           " ",
                                           "€",
                                           "é",
                                           "\xFF",
                                           "\x01",
                                           "\x02",
                                           "\x04",
                                           "\x05",
                                           "\x06",
                                           "\x08",
                                           "\x0b",
                                           "\x15",
                                           "\x17",
                                           "\x7f",
                                           up,
                                           down,
                                           left,
                                           right,
                                           "\x1b[3~",
                                           "\x1b"
                                           "b",
                                           "\x1b"
                                           "f",
                                           "\x0c",
                                           "\r",
                                           "\x03",
                                           "c",
                                           "d",
                                           "e",
                                           "f",
                                           "g",
                                           "h",
                                           "\t"};
    for (const unsigned columns : {1U, 2U, 3U, 10U, 11U, 12U, 20U, 80U}) {
        for (unsigned seed = 0; seed < 20; ++seed) {
            Session s(columns, 30, 40);
            for (unsigned i = 0; i < 150; ++i) {
                s.type(keys[random() % keys.size()]);
                if (columns < 2) continue; // nothing can be right there but survival
                const bool prompt = columns > 10;
                std::string shown = s.here();
                if (prompt) {
                    shown.resize(std::max<std::size_t>(shown.size(), 2), ' ');
                    REQUIRE(shown.substr(0, 2) == "$ ");
                    shown.erase(0, 2);
                }
                // What is shown is part of the line, and the cursor stands where it says.
                std::string text(s.editor.line());
                const auto last = text.find_last_not_of(' ');
                REQUIRE(text.find(shown) <= (last == text.npos ? 0 : last));
                REQUIRE(s.column() >= (prompt ? 2U : 0U));
                REQUIRE(s.column() < columns);
            }
            // A mark typed at the cursor appears there.
            s.type("\x05\x15#");
            if (columns < 2) continue;
            const lib::CellPosition mark{s.column() - 1, s.terminal.cursor().row};
            REQUIRE(s.terminal.cell(mark).code_point == U'#');
        }
    }
}
