// SPDX-License-Identifier: MIT
// PS/2 scan codes of set 1, and the US layout with the sequences of xterm.
#include "lib/keyboard.hpp"

#include "lib/format.hpp"

namespace lib {
namespace {

constexpr unsigned released = 0x80;
constexpr unsigned extended_key = 0x80;

// By scan code; 0: not a character. Row by row of the keyboard.
constexpr std::string_view plain_keys("\0\0"
                                      "1234567890-=\0"
                                      "\0qwertyuiop[]\0"
                                      "\0asdfghjkl;'`"
                                      "\0\\zxcvbnm,./\0\0\0 ",
                                      0x3A);
constexpr std::string_view shifted_keys("\0\0"
                                        "!@#$%^&*()_+\0"
                                        "\0QWERTYUIOP{}\0"
                                        "\0ASDFGHJKL:\"~"
                                        "\0|ZXCVBNM<>?\0\0\0 ",
                                        0x3A);
constexpr unsigned extra_key = 0x56; // between left shift and Z on boards with 102 keys

constexpr bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

} // namespace

std::optional<KeyEvent> ScanCodeDecoder::push(std::uint8_t byte) {
    const bool pressed = (byte & released) == 0;
    const unsigned code = byte & 0x7FU;
    switch (state_) {
    case State::pause_first: // E1 1D 45 pressed, E1 9D C5 released
        state_ = State::pause_second;
        pause_pressed_ = pressed;
        return std::nullopt;
    case State::pause_second:
        state_ = State::plain;
        if (code != 0x45) return std::nullopt;
        return KeyEvent{Key::pause, pause_pressed_};
    case State::extended:
        state_ = State::plain;
        // Shifts that the keyboard pretends around arrows and print screen.
        if (code == 0x2A || code == 0x36 || code == 0) return std::nullopt;
        return KeyEvent{static_cast<Key>(extended_key + code), pressed};
    case State::plain: break;
    }
    switch (byte) {
    case 0xE0: state_ = State::extended; return std::nullopt;
    case 0xE1: state_ = State::pause_first; return std::nullopt;
    case 0x00: // errors, and answers to commands
    case 0xEE:
    case 0xFA:
    case 0xFC:
    case 0xFE:
    case 0xFF: return std::nullopt;
    // AA also ends a self-test; taken as the release of left shift it harms nobody.
    default: return KeyEvent{static_cast<Key>(code), pressed};
    }
}

std::string_view UsKeyboard::push(KeyEvent event) {
    if (modifier(event) || !event.pressed) return {};
    if (const std::string_view text = special(event.key); !text.empty()) return text;
    if (const std::string_view text = keypad(event.key); !text.empty()) return text;
    return character(event.key);
}

bool UsKeyboard::modifier(KeyEvent event) {
    auto hold = [&](std::uint8_t& state, unsigned bit) {
        state = static_cast<std::uint8_t>(event.pressed ? state | bit : state & ~bit);
    };
    switch (event.key) {
    case Key::left_shift: hold(shift_, 1); return true;
    case Key::right_shift: hold(shift_, 2); return true;
    case Key::left_control: hold(control_, 1); return true;
    case Key::right_control: hold(control_, 2); return true;
    case Key::left_alt: hold(alt_, 1); return true;
    case Key::right_alt: hold(alt_, 2); return true;
    case Key::caps_lock: caps_lock_ ^= event.pressed; return true;
    case Key::num_lock: num_lock_ ^= event.pressed; return true;
    default: return false;
    }
}

std::string_view UsKeyboard::special(Key key) {
    const auto code = static_cast<unsigned>(key);
    // F1–F4 are 11–14, F5 is 15; then xterm leaves gaps: 17–21, 23, 24.
    constexpr std::uint8_t function_numbers[] = {11, 12, 13, 14, 15, 17, 18, 19, 20, 21};
    if (key >= Key::f1 && key <= Key::f10) {
        return send_editing_key(function_numbers[code - static_cast<unsigned>(Key::f1)]);
    }
    switch (key) {
    case Key::f11: return send_editing_key(23);
    case Key::f12: return send_editing_key(24);
    case Key::up: return send_cursor_key('A');
    case Key::down: return send_cursor_key('B');
    case Key::right: return send_cursor_key('C');
    case Key::left: return send_cursor_key('D');
    case Key::home: return send_cursor_key('H');
    case Key::end: return send_cursor_key('F');
    case Key::insert: return send_editing_key(2);
    case Key::delete_key: return send_editing_key(3);
    case Key::page_up: return send_editing_key(5);
    case Key::page_down: return send_editing_key(6);
    case Key::escape: return send('\x1b');
    case Key::tab: return shift_ != 0 ? std::string_view("\x1b[Z") : send('\t');
    case Key::enter:
    case Key::keypad_enter: return send('\r');
    case Key::backspace: return send(control_ != 0 ? '\b' : '\x7f');
    default: return {};
    }
}

std::string_view UsKeyboard::keypad(Key key) {
    switch (key) {
    case Key::keypad_divide: return send('/');
    case Key::keypad_multiply: return send('*');
    case Key::keypad_minus: return send('-');
    case Key::keypad_plus: return send('+');
    default: break;
    }
    if (key < Key::keypad_7 || key > Key::keypad_dot) return {};
    const auto code = static_cast<unsigned>(key);
    if (num_lock_ != (shift_ != 0)) {
        return send("789-456+1230."[code - static_cast<unsigned>(Key::keypad_7)]);
    }
    if (key == Key::keypad_5) return {};
    return special(static_cast<Key>(extended_key + code)); // the arrows printed on them
}

std::string_view UsKeyboard::character(Key key) {
    const auto code = static_cast<unsigned>(key);
    char plain = 0;
    char shifted = 0;
    if (code < plain_keys.size()) {
        plain = plain_keys[code];
        shifted = shifted_keys[code];
    } else if (code == extra_key) {
        plain = '\\';
        shifted = '|';
    }
    if (plain == 0) return {};
    const bool upper = (shift_ != 0) != (caps_lock_ && is_letter(plain));
    char c = upper ? shifted : plain;
    if (control_ != 0) {
        // As on a terminal: the low five bits of @ A–Z [ \ ] ^ _, and ? for DEL.
        if (is_letter(plain)) {
            c = static_cast<char>(plain & 0x1F);
        } else if (c == '@' || c == '2' || c == ' ') {
            c = '\0';
        } else if (c == '[' || c == '\\' || c == ']' || c == '^' || c == '_') {
            c = static_cast<char>(c & 0x1F);
        } else if (c == '/' || c == '-') {
            c = '\x1f';
        } else if (c == '?') {
            c = '\x7f';
        }
    }
    return send(c);
}

/// Alt sends escape first.
std::string_view UsKeyboard::send(char c) {
    bytes_ = {'\x1b', c};
    return alt_ != 0 ? std::string_view(bytes_.data(), 2) : std::string_view(&bytes_[1], 1);
}

/// xterm's 1 + shift + 2 * alt + 4 * control.
unsigned UsKeyboard::modifier_parameter() const {
    return 1 + (shift_ != 0 ? 1U : 0) + (alt_ != 0 ? 2U : 0) + (control_ != 0 ? 4U : 0);
}

std::string_view UsKeyboard::send_cursor_key(char final) {
    TextWriter text(bytes_);
    const unsigned modifiers = modifier_parameter();
    if (modifiers == 1) {
        text.format("\x1b[{}", final);
    } else {
        text.format("\x1b[1;{}{}", modifiers, final);
    }
    return text.view();
}

std::string_view UsKeyboard::send_editing_key(unsigned number) {
    TextWriter text(bytes_);
    const unsigned modifiers = modifier_parameter();
    if (modifiers == 1) {
        text.format("\x1b[{}~", number);
    } else {
        text.format("\x1b[{};{}~", number, modifiers);
    }
    return text.view();
}

} // namespace lib
