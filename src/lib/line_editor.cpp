// SPDX-License-Identifier: MIT
// Line editing: what keys do. (What the screen shows: line_editor_display.cpp.)
#include "lib/line_editor.hpp"

#include <algorithm>
#include <utility>

namespace lib {
namespace {

constexpr char32_t control(char letter) { return static_cast<char32_t>(letter) & 0x1F; }
constexpr char32_t del = 0x7F;
constexpr unsigned with_alt = 3; // xterm's modifier parameters
constexpr unsigned with_control = 5;

} // namespace

void LineEditor::begin(std::string_view prompt, Sink output) {
    prompt_ = prompt;
    prompt_cells_ = 0;
    EscapeParser parser;
    while (!prompt.empty()) {
        const char32_t c = take_code_point(prompt);
        if (parser.push(c) == EscapeParser::Event::print) prompt_cells_ += cells_of(c);
    }
    size_ = cursor_ = window_ = history_position_ = draft_size_ = 0;
    if (prompt_shown()) output(prompt_);
}

LineEditor::Event LineEditor::push(char byte, Sink output) {
    const Utf8Decoder::Step step = decoder_.push(static_cast<unsigned char>(byte));
    Event event = Event::nothing;
    for (std::size_t i = 0; i < step.count && event == Event::nothing; ++i) {
        event = accept(step.code_points[i], output);
    }
    return event;
}

LineEditor::Event LineEditor::accept(char32_t c, Sink output) {
    const bool continues_return = std::exchange(after_return_, false) && c == U'\n';
    if (continues_return) return Event::nothing;
    if (c == del && parser_.at_rest()) {
        erase_before(output);
        return Event::nothing;
    }
    switch (parser_.push(c)) {
    case EscapeParser::Event::nothing: break;
    case EscapeParser::Event::print:
        if (std::exchange(after_single_shift_, false)) {
            obey_key(c, false, output);
        } else {
            insert(c, output);
        }
        break;
    case EscapeParser::Event::control: return obey_control(c, output);
    case EscapeParser::Event::escape:
    case EscapeParser::Event::control_sequence: obey_sequence(parser_.sequence(), output); break;
    }
    return Event::nothing;
}

LineEditor::Event LineEditor::obey_control(char32_t c, Sink output) {
    switch (c) {
    case control('A'): move_to(0, output); break;
    case control('B'): move_to(before(cursor_), output); break;
    case control('C'): return finish(Event::interrupt, "^C\r\n", output);
    case control('D'):
        if (size_ == 0) return finish(Event::end, "\r\n", output);
        erase(cursor_, after(cursor_), output);
        break;
    case control('E'): move_to(size_, output); break;
    case control('F'): move_to(after(cursor_), output); break;
    case control('H'): erase_before(output); break;
    case control('I'): insert(U' ', output); break;
    case control('K'): erase(cursor_, size_, output); break;
    case control('L'):
        output("\x1b[H\x1b[2J");
        repaint(output);
        break;
    case control('M'): after_return_ = true; [[fallthrough]];
    case control('J'): history_.add(line()); return finish(Event::line, "\r\n", output);
    case control('N'): obey_key(U'B', false, output); break;
    case control('P'): obey_key(U'A', false, output); break;
    case control('U'): erase(0, cursor_, output); break;
    case control('W'): erase(word_before(cursor_), cursor_, output); break;
    default: break;
    }
    return Event::nothing;
}

/// Leaves the row with all of the line shown that fits.
LineEditor::Event LineEditor::finish(Event event, std::string_view echo, Sink output) {
    move_to(size_, output);
    output(echo);
    if (event != Event::line) size_ = 0;
    cursor_ = window_ = 0;
    return event;
}

void LineEditor::obey_sequence(const EscapeSequence& sequence, Sink output) {
    if (sequence.prefix != 0 || sequence.intermediate != 0) return;
    const unsigned modifiers = sequence.parameter(1, 1);
    const bool by_word = modifiers == with_alt || modifiers == with_control;
    switch (sequence.final) {
    case U'O': after_single_shift_ = true; break; // only after ESC, not after CSI
    case U'b': move_to(word_before(cursor_), output); break;
    case U'f': move_to(word_after(cursor_), output); break;
    case U'd': erase(cursor_, word_after(cursor_), output); break;
    case U'~':
        switch (sequence.parameter(0, 0)) {
        case 1:
        case 7: move_to(0, output); break;
        case 3: erase(cursor_, after(cursor_), output); break;
        case 4:
        case 8: move_to(size_, output); break;
        default: break;
        }
        break;
    default: obey_key(sequence.final, by_word, output); break;
    }
}

void LineEditor::obey_key(char32_t final, bool by_word, Sink output) {
    switch (final) {
    case U'A': show_history(history_position_ + 1, output); break;
    case U'B':
        if (history_position_ > 0) show_history(history_position_ - 1, output);
        break;
    case U'C': move_to(by_word ? word_after(cursor_) : after(cursor_), output); break;
    case U'D': move_to(by_word ? word_before(cursor_) : before(cursor_), output); break;
    case U'H': move_to(0, output); break;
    case U'F': move_to(size_, output); break;
    default: break;
    }
}

void LineEditor::show_history(std::size_t position, Sink output) {
    if (position > history_.count()) return;
    if (history_position_ == 0) { // leaving the line being written
        draft_size_ = std::min(size_, storage_.draft.size());
        std::copy_n(storage_.line.begin(), draft_size_, storage_.draft.begin());
    }
    history_position_ = position;
    replace_line(position == 0 ? std::string_view(storage_.draft.data(), draft_size_)
                               : history_.at(position - 1));
    repaint(output);
}

void LineEditor::replace_line(std::string_view text) {
    size_ = std::min(text.size(), storage_.line.size());
    std::copy_n(text.begin(), size_, storage_.line.begin());
    cursor_ = size_;
    window_ = 0;
}

std::size_t LineEditor::before(std::size_t position) const {
    if (position == 0) return 0;
    do --position;
    while (position > 0 && (static_cast<unsigned char>(storage_.line[position]) & 0xC0) == 0x80);
    return position;
}

std::size_t LineEditor::after(std::size_t position) const {
    if (position == size_) return size_;
    do ++position;
    while (position < size_ &&
           (static_cast<unsigned char>(storage_.line[position]) & 0xC0) == 0x80);
    return position;
}

std::size_t LineEditor::word_before(std::size_t position) const {
    while (position > 0 && storage_.line[position - 1] == ' ') --position;
    while (position > 0 && storage_.line[position - 1] != ' ') --position;
    return position;
}

std::size_t LineEditor::word_after(std::size_t position) const {
    while (position < size_ && storage_.line[position] == ' ') ++position;
    while (position < size_ && storage_.line[position] != ' ') ++position;
    return position;
}

} // namespace lib
