// SPDX-License-Identifier: MIT
// Splits a terminal's input into characters, controls and escape sequences.
#include "lib/escape_parser.hpp"

#include <algorithm>

namespace lib {
namespace {

constexpr char32_t bell = 0x07;
constexpr char32_t cancel = 0x18;
constexpr char32_t substitute = 0x1A;
constexpr char32_t escape = 0x1B;
constexpr char32_t del = 0x7F;

constexpr bool between(char32_t c, char32_t first, char32_t last) {
    return c >= first && c <= last;
}

} // namespace

EscapeParser::Event EscapeParser::push(char32_t c) {
    if (c == cancel || c == substitute) {
        state_ = State::ground;
        return Event::nothing;
    }
    if (state_ == State::text || state_ == State::text_escape) {
        // A string (title and the like) ends with BEL or ESC \; nothing in it is obeyed.
        const bool ends = c == bell || (state_ == State::text_escape && c == U'\\');
        state_ = ends ? State::ground : c == escape ? State::text_escape : State::text;
        return Event::nothing;
    }
    if (c == escape) {
        state_ = State::escape;
        sequence_ = {};
        return Event::nothing;
    }
    if (c < 0x20) return Event::control;
    if (c == del || between(c, 0x80, 0x9F)) return Event::nothing;
    switch (state_) {
    case State::escape: return in_escape(c);
    case State::control_sequence:
    case State::ignore: return in_control_sequence(c);
    default: return Event::print;
    }
}

EscapeParser::Event EscapeParser::in_escape(char32_t c) {
    if (between(c, 0x20, 0x2F)) {
        sequence_.intermediate = c;
        return Event::nothing;
    }
    state_ = State::ground;
    if (sequence_.intermediate == 0) {
        if (c == U'[') {
            state_ = State::control_sequence;
            return Event::nothing;
        }
        if (c == U']' || c == U'P' || c == U'X' || c == U'^' || c == U'_') {
            state_ = State::text;
            return Event::nothing;
        }
    }
    sequence_.final = c;
    return between(c, 0x30, 0x7E) ? Event::escape : Event::nothing;
}

EscapeParser::Event EscapeParser::in_control_sequence(char32_t c) {
    if (between(c, 0x40, 0x7E)) {
        const bool ignored = state_ == State::ignore;
        state_ = State::ground;
        sequence_.final = c;
        sequence_.count = std::min(sequence_.count, EscapeSequence::max_parameters);
        return ignored ? Event::nothing : Event::control_sequence;
    }
    if (between(c, U'0', U'9')) {
        digit(static_cast<unsigned>(c - U'0'));
    } else if (c == U';' || c == U':') {
        // The separator makes the parameter before it exist, and the one behind it.
        if (sequence_.count == 0) sequence_.count = 1;
        if (sequence_.count <= EscapeSequence::max_parameters) ++sequence_.count;
    } else if (between(c, U'<', U'?') && sequence_.count == 0 && sequence_.prefix == 0) {
        sequence_.prefix = c;
    } else if (between(c, 0x20, 0x2F)) {
        sequence_.intermediate = c;
    } else {
        state_ = State::ignore; // malformed: swallow up to its end
    }
    return Event::nothing;
}

void EscapeParser::digit(unsigned value) {
    if (sequence_.count == 0) sequence_.count = 1;
    if (sequence_.count > EscapeSequence::max_parameters) return;
    auto& parameter = sequence_.parameters[sequence_.count - 1];
    parameter = static_cast<std::uint16_t>(std::min(parameter * 10U + value, 0xFFFFU));
}

} // namespace lib
