// SPDX-License-Identifier: MIT
// PS/2 keyboard: scan codes of set 1 (what the i8042 translates to) to key events, and key events
// to what a terminal sends, in the US layout.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lib {

/// A key's place. Keys of the main block are their set-1 code; those with the prefix E0 are
/// 0x80 + code; pause, alone with E1, has a number of its own.
enum class Key : std::uint8_t {
    escape = 0x01,
    backspace = 0x0E,
    tab = 0x0F,
    enter = 0x1C,
    left_control = 0x1D,
    left_shift = 0x2A,
    right_shift = 0x36,
    keypad_multiply = 0x37,
    left_alt = 0x38,
    space = 0x39,
    caps_lock = 0x3A,
    f1 = 0x3B,
    f10 = 0x44,
    num_lock = 0x45,
    scroll_lock = 0x46,
    keypad_7 = 0x47,
    keypad_minus = 0x4A,
    keypad_5 = 0x4C,
    keypad_plus = 0x4E,
    keypad_dot = 0x53,
    f11 = 0x57,
    f12 = 0x58,
    keypad_enter = 0x80 + 0x1C,
    right_control = 0x80 + 0x1D,
    keypad_divide = 0x80 + 0x35,
    print_screen = 0x80 + 0x37,
    right_alt = 0x80 + 0x38,
    home = 0x80 + 0x47,
    up = 0x80 + 0x48,
    page_up = 0x80 + 0x49,
    left = 0x80 + 0x4B,
    right = 0x80 + 0x4D,
    end = 0x80 + 0x4F,
    down = 0x80 + 0x50,
    page_down = 0x80 + 0x51,
    insert = 0x80 + 0x52,
    delete_key = 0x80 + 0x53,
    pause = 0x7F,
};

struct KeyEvent {
    Key key{};
    bool pressed = false; // also sent again while the key is held
    constexpr bool operator==(const KeyEvent&) const = default;
};

/// Bytes from the controller to key events.
class ScanCodeDecoder {
public:
    /// Feeds a byte. Acknowledgements, errors and the false shifts around E0 keys give no event.
    std::optional<KeyEvent> push(std::uint8_t byte);

private:
    enum class State : std::uint8_t { plain, extended, pause_first, pause_second };
    State state_ = State::plain;
    bool pause_pressed_ = false;
};

/// Key events to UTF-8 and escape sequences; keeps the modifiers.
class UsKeyboard {
public:
    /// Longest answer in bytes.
    static constexpr std::size_t max_bytes = 8;

    /// What the key sends; empty for releases and modifiers. Valid until the next call.
    std::string_view push(KeyEvent event);

    bool caps_lock() const { return caps_lock_; }
    bool num_lock() const { return num_lock_; }
    /// Forgets which keys are held (after input was lost).
    void release_all() { shift_ = control_ = alt_ = 0; }

private:
    bool modifier(KeyEvent event);
    std::string_view special(Key key);
    std::string_view keypad(Key key);
    std::string_view character(Key key);
    std::string_view send(char c);
    std::string_view send_cursor_key(char final);
    std::string_view send_editing_key(unsigned number);
    unsigned modifier_parameter() const;

    std::uint8_t shift_ = 0; // bit 0: the left key is held, bit 1: the right one
    std::uint8_t control_ = 0;
    std::uint8_t alt_ = 0;
    bool caps_lock_ = false;
    bool num_lock_ = true;
    std::array<char, max_bytes> bytes_{};
};

} // namespace lib
