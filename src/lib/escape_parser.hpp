// SPDX-License-Identifier: MIT
// Splits a terminal's input into characters, controls and escape sequences (ECMA-48 §5).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace lib {

/// `ESC` … final, or `ESC [` prefix parameters intermediate final.
struct EscapeSequence {
    static constexpr std::size_t max_parameters = 16;

    char32_t final = 0;
    char32_t prefix = 0;       // one of < = > ? or 0
    char32_t intermediate = 0; // the last of U+0020–U+002F, or 0
    std::array<std::uint16_t, max_parameters> parameters{};
    std::size_t count = 0;

    /// A parameter; `otherwise` when it is absent or 0.
    constexpr unsigned parameter(std::size_t index, unsigned otherwise) const {
        return index < count && parameters[index] != 0 ? parameters[index] : otherwise;
    }
};

class EscapeParser {
public:
    enum class Event : std::uint8_t {
        nothing,          // swallowed
        print,            // the code point itself
        control,          // a C0 control, to be obeyed even inside a sequence
        escape,           // sequence() is ESC intermediate final
        control_sequence, // sequence() is ESC [ …
    };

    Event push(char32_t c);
    const EscapeSequence& sequence() const { return sequence_; }
    /// Outside any sequence.
    bool at_rest() const { return state_ == State::ground; }

private:
    enum class State : std::uint8_t { ground, escape, control_sequence, ignore, text, text_escape };

    Event in_escape(char32_t c);
    Event in_control_sequence(char32_t c);
    void digit(unsigned value);

    State state_ = State::ground;
    EscapeSequence sequence_;
};

} // namespace lib
