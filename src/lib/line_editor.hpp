// SPDX-License-Identifier: MIT
// Line editing for a terminal session: fed byte by byte, it answers with what to echo.
//
//   ^A Home   start       ^H Backspace  delete before   ^P Up    older line    ^C  interrupt
//   ^E End    end         ^D Delete     delete after    ^N Down  newer line    ^D  end, when empty
//   ^B Left   back        ^W            delete word     ^L       clear screen  ^M ^J  the line
//   ^F Right  forward     ^U ^K         delete to start, to end
//   Alt-B Alt-F, Control-Left Control-Right   back and forward by words
#pragma once

#include "lib/escape_parser.hpp"
#include "lib/format.hpp"
#include "lib/line_history.hpp"
#include "lib/utf8.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace lib {

/// The line stays in one row: when it is too long, the part around the cursor is shown. The prompt
/// is left out where it would leave fewer than min_text_columns.
class LineEditor {
public:
    static constexpr unsigned min_text_columns = 8;

    enum class Event : std::uint8_t {
        nothing,
        line,      // line() is complete
        interrupt, // ^C; the line is dropped
        end,       // ^D on an empty line
    };

    /// Memory: the line and the draft (kept while older lines are looked at) bound the length.
    struct Storage {
        std::span<char> line;
        std::span<char> draft;
        std::span<char> history;
    };

    LineEditor(const Storage& storage, unsigned columns)
        : storage_(storage), history_(storage.history), columns_(columns) {}

    /// Starts a line and prints the prompt, which must stay valid while the line is edited. It may
    /// hold escape sequences.
    void begin(std::string_view prompt, Sink output);
    /// Feeds a byte of input. After `line`, `interrupt` and `end` the cursor stands in a new row,
    /// and begin() comes next.
    [[nodiscard]] Event push(char byte, Sink output);
    /// Draws prompt and line anew, after something else was printed.
    void repaint(Sink output);

    /// The text; after Event::line valid until begin().
    std::string_view line() const { return {storage_.line.data(), size_}; }
    void set_columns(unsigned columns) { columns_ = columns; }
    const LineHistory& history() const { return history_; }

private:
    Event accept(char32_t c, Sink output);
    Event obey_control(char32_t c, Sink output);
    void obey_sequence(const EscapeSequence& sequence, Sink output);
    void obey_key(char32_t final, bool by_word, Sink output);
    Event finish(Event event, std::string_view echo, Sink output);

    void insert(char32_t c, Sink output);
    void erase(std::size_t first, std::size_t end, Sink output);
    void erase_before(Sink output);
    void move_to(std::size_t position, Sink output);
    void show_history(std::size_t position, Sink output);
    void replace_line(std::string_view text);

    std::size_t before(std::size_t position) const;
    std::size_t after(std::size_t position) const;
    std::size_t word_before(std::size_t position) const;
    std::size_t word_after(std::size_t position) const;
    std::string_view text(std::size_t first, std::size_t end) const {
        return {storage_.line.data() + first, end - first};
    }
    unsigned cells(std::size_t first, std::size_t end) const;
    unsigned text_columns() const;
    bool prompt_shown() const;
    void place_window();

    Storage storage_;
    LineHistory history_;
    unsigned columns_;
    std::string_view prompt_;
    unsigned prompt_cells_ = 0;
    std::size_t size_ = 0;
    std::size_t cursor_ = 0;           // byte offsets, always at a character's beginning
    std::size_t window_ = 0;           // the first character shown
    std::size_t history_position_ = 0; // 0: the line being written; n: the nth newest
    std::size_t draft_size_ = 0;
    Utf8Decoder decoder_;
    EscapeParser parser_;
    bool after_return_ = false;       // a line feed right behind belongs to it
    bool after_single_shift_ = false; // ESC O: the next character names a key
};

} // namespace lib
