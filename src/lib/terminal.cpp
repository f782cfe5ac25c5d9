// SPDX-License-Identifier: MIT
// A terminal: characters, controls, cursor movement and erasing. (Colours: terminal_colours.cpp.)
#include "lib/terminal.hpp"

#include <algorithm>

namespace lib {

void Terminal::attach(std::span<Cell> storage, unsigned columns, unsigned rows) {
    rendition_ = {};
    grid_.attach(storage, columns, rows, blank());
    reset();
}

void Terminal::reset() {
    rendition_ = {};
    cursor_ = {};
    wrap_ = true;
    wrap_pending_ = false;
    cursor_visible_ = true;
    region_top_ = 0;
    region_end_ = rows();
    save();
    erase_in_display(2);
}

void Terminal::restore() {
    cursor_ = saved_.cursor;
    rendition_ = saved_.rendition;
    wrap_pending_ = saved_.wrap_pending;
}

void Terminal::write(std::string_view bytes) {
    if (rows() == 0) return;
    for (const char byte : bytes) {
        const Utf8Decoder::Step step = decoder_.push(static_cast<unsigned char>(byte));
        for (std::size_t i = 0; i < step.count; ++i) accept(step.code_points[i]);
    }
}

void Terminal::accept(char32_t c) {
    switch (parser_.push(c)) {
    case EscapeParser::Event::nothing: break;
    case EscapeParser::Event::print: print(c); break;
    case EscapeParser::Event::control: obey_control(c); break;
    case EscapeParser::Event::escape: obey_escape(parser_.sequence()); break;
    case EscapeParser::Event::control_sequence: obey_sequence(parser_.sequence()); break;
    }
}

void Terminal::print(char32_t c) {
    if (cells_of(c) == 0) return;
    if (wrap_pending_) {
        move_to(0, cursor_.row);
        index();
    }
    grid_.set(cursor_, make_cell(c));
    if (cursor_.column + 1 < columns()) {
        ++cursor_.column;
    } else {
        wrap_pending_ = wrap_;
    }
}

void Terminal::obey_control(char32_t c) {
    switch (c) {
    case U'\b': move_to(cursor_.column - (cursor_.column > 0 ? 1 : 0), cursor_.row); break;
    case U'\t': move_to((cursor_.column / 8 + 1) * 8, cursor_.row); break;
    case U'\n':
    case U'\v':
    case U'\f':
        move_to(0, cursor_.row);
        index();
        break;
    case U'\r': move_to(0, cursor_.row); break;
    default: break;
    }
}

void Terminal::obey_escape(const EscapeSequence& sequence) {
    if (sequence.intermediate != 0) return; // character sets: everything is Unicode
    switch (sequence.final) {
    case U'7': save(); break;
    case U'8': restore(); break;
    case U'c': reset(); break;
    case U'D': index(); break;
    case U'E':
        move_to(0, cursor_.row);
        index();
        break;
    case U'M': reverse_index(); break;
    default: break;
    }
}

void Terminal::obey_sequence(const EscapeSequence& sequence) {
    if (sequence.intermediate != 0) return;
    if (sequence.prefix != 0) {
        if (sequence.final == U'h' || sequence.final == U'l') {
            set_mode(sequence, sequence.final == U'h');
        }
        return;
    }
    switch (sequence.final) {
    case U'm': set_rendition(sequence); break;
    case U'r': set_scroll_region(sequence); break;
    case U'J': erase_in_display(sequence.parameter(0, 0)); break;
    case U'K': erase_in_line(sequence.parameter(0, 0)); break;
    case U's': save(); break;
    case U'u': restore(); break;
    default: move_or_edit(sequence); break;
    }
}

void Terminal::move_or_edit(const EscapeSequence& sequence) {
    const unsigned count = sequence.parameter(0, 1);
    const unsigned column = cursor_.column;
    const unsigned row = cursor_.row;
    // Up and down stop at the scroll region's edge when they start inside it.
    const unsigned top = row >= region_top_ ? region_top_ : 0;
    const unsigned last = (row < region_end_ ? region_end_ : rows()) - 1;
    const unsigned up = row - std::min(count, row - top);
    const unsigned down = row + std::min(count, last - row);
    const bool in_region = row >= region_top_ && row < region_end_;
    switch (sequence.final) {
    case U'A': move_to(column, up); break;
    case U'B':
    case U'e': move_to(column, down); break;
    case U'C':
    case U'a': move_to(column + count, row); break;
    case U'D': move_to(column - std::min(count, column), row); break;
    case U'E': move_to(0, down); break;
    case U'F': move_to(0, up); break;
    case U'G':
    case U'`': move_to(count - 1, row); break;
    case U'd': move_to(column, count - 1); break;
    case U'H':
    case U'f': move_to(sequence.parameter(1, 1) - 1, count - 1); break;
    case U'@': grid_.insert_cells(cursor_, count, blank()); break;
    case U'P': grid_.delete_cells(cursor_, count, blank()); break;
    case U'X': grid_.fill(row, column, column + count, blank()); break;
    case U'L':
        if (in_region) grid_.scroll_down(row, region_end_, count, blank());
        break;
    case U'M':
        if (in_region) grid_.scroll_up(row, region_end_, count, blank());
        break;
    case U'S': grid_.scroll_up(region_top_, region_end_, count, blank()); break;
    case U'T': grid_.scroll_down(region_top_, region_end_, count, blank()); break;
    default: break;
    }
}

void Terminal::set_mode(const EscapeSequence& sequence, bool on) {
    if (sequence.prefix != U'?') return;
    for (std::size_t i = 0; i < sequence.count; ++i) {
        if (sequence.parameters[i] == 7) {
            wrap_ = on;
            wrap_pending_ = wrap_pending_ && on;
        } else if (sequence.parameters[i] == 25) {
            cursor_visible_ = on;
        }
    }
}

void Terminal::set_scroll_region(const EscapeSequence& sequence) {
    const unsigned top = sequence.parameter(0, 1) - 1;
    const unsigned end = std::min(sequence.parameter(1, rows()), rows());
    if (top + 1 >= end) return; // at least two rows
    region_top_ = top;
    region_end_ = end;
    move_to(0, 0);
}

void Terminal::erase_in_display(unsigned what) {
    if (what > 3 || rows() == 0) return;
    const unsigned first = what == 0 ? cursor_.row + 1 : 0;
    const unsigned end = what == 1 ? cursor_.row : rows();
    for (unsigned row = first; row < end; ++row) grid_.fill(row, 0, columns(), blank());
    if (what < 2) erase_in_line(what);
}

void Terminal::erase_in_line(unsigned what) {
    if (what > 2) return;
    const unsigned first = what == 0 ? cursor_.column : 0;
    const unsigned end = what == 1 ? cursor_.column + 1 : columns();
    grid_.fill(cursor_.row, first, end, blank());
    wrap_pending_ = false;
}

/// A row down; at the region's end the region scrolls.
void Terminal::index() {
    wrap_pending_ = false;
    if (cursor_.row + 1 == region_end_) {
        grid_.scroll_up(region_top_, region_end_, 1, blank());
    } else if (cursor_.row + 1 < rows()) {
        ++cursor_.row;
    }
}

void Terminal::reverse_index() {
    wrap_pending_ = false;
    if (cursor_.row == region_top_) {
        grid_.scroll_down(region_top_, region_end_, 1, blank());
    } else if (cursor_.row > 0) {
        --cursor_.row;
    }
}

/// Places the cursor, within the screen.
void Terminal::move_to(unsigned column, unsigned row) {
    cursor_ = {std::min(column, columns() - 1), std::min(row, rows() - 1)};
    wrap_pending_ = false;
}

} // namespace lib
