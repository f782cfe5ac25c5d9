// SPDX-License-Identifier: MIT
// Scan codes to bytes: the whole US layout, modifiers, locks, keypad, noise from the controller.
#include "lib/keyboard.hpp"

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>

using lib::Key;
using lib::KeyEvent;

namespace {

struct Keyboard {
    lib::ScanCodeDecoder decoder;
    lib::UsKeyboard layout;

    std::string operator()(std::initializer_list<unsigned> bytes) {
        std::string out;
        for (const unsigned byte : bytes) {
            const auto event = decoder.push(static_cast<std::uint8_t>(byte));
            if (event) out += layout.push(*event);
        }
        return out;
    }
};

constexpr unsigned shift = 0x2A, right_shift = 0x36, control = 0x1D, alt = 0x38, up = 0x80;

} // namespace

TEST_CASE("every character key, plain and shifted") {
    Keyboard k;
    std::string plain, shifted;
    for (unsigned code = 2; code <= 0x35; ++code) {
        if (code == 0x0E || code == 0x0F || code == 0x1C || code == control || code == shift)
            continue;
        plain += k({code, code | up});
        shifted += k({shift, code, code | up, shift | up});
    }
    CHECK(plain == "1234567890-=qwertyuiop[]asdfghjkl;'`\\zxcvbnm,./");
    CHECK(shifted == "!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:\"~|ZXCVBNM<>?");
    CHECK(k({0x39}) == " ");
    CHECK(k({0x56}) == "\\");
    CHECK(k({shift, 0x56, shift | up}) == "|");
    CHECK(k({0x1E, 0x1E, 0x1E, 0x9E}) == "aaa"); // held
    CHECK(k({0x01, 0x0E, 0x0F, 0x1C}) == "\x1b\x7f\t\r");
}

TEST_CASE("shifts are counted apart, caps lock touches letters only") {
    Keyboard k;
    CHECK(k({shift, right_shift, shift | up, 0x1E, right_shift | up, 0x1E}) == "Aa");
    CHECK(k({0x3A, 0x3A | up, 0x1E, 0x02, shift, 0x1E, 0x02, shift | up}) == "A1a!");
    CHECK(k.layout.caps_lock());
    CHECK(k({0x3A, 0xBA, 0x1E}) == "a");
    CHECK(k({shift}) == "");
    k.layout.release_all();
    CHECK(k({0x1E}) == "a");
}

TEST_CASE("control and alt") {
    Keyboard k;
    CHECK(k({control, 0x2E, control | up}) == "\x03");             // C
    CHECK(k({0xE0, control, 0x20, 0xE0, control | up}) == "\x04"); // right control, D
    CHECK(k({control, shift, 0x1E, shift | up, control | up}) == "\x01");
    CHECK(k({control, 0x1A, 0x2B, 0x1B, 0x35, control | up}) == "\x1b\x1c\x1d\x1f");
    CHECK(k({control, 0x39, control | up}) == std::string(1, '\0'));
    CHECK(k({control, 0x0E, control | up}) == "\b");
    CHECK(k({control, 0x03, control | up}) == std::string(1, '\0'));
    CHECK(k({alt, 0x30, alt | up}) == "\x1b"
                                      "b");
    CHECK(k({0x1E}) == "a");
}

TEST_CASE("cursor, editing and function keys") {
    Keyboard k;
    CHECK(k({0xE0, 0x48, 0xE0, 0xC8}) == "\x1b[A");
    CHECK(k({0xE0, 0x50}) == "\x1b[B");
    CHECK(k({0xE0, 0x4D}) == "\x1b[C");
    CHECK(k({0xE0, 0x4B}) == "\x1b[D");
    CHECK(k({0xE0, 0x47}) == "\x1b[H");
    CHECK(k({0xE0, 0x4F}) == "\x1b[F");
    CHECK(k({0xE0, 0x52, 0xE0, 0x53, 0xE0, 0x49, 0xE0, 0x51}) == "\x1b[2~\x1b[3~\x1b[5~\x1b[6~");
    CHECK(k({control, 0xE0, 0x4D, control | up}) == "\x1b[1;5C");
    CHECK(k({control, shift, alt, 0xE0, 0x53}) == "\x1b[3;8~");
    CHECK(k({0x44}) == "\x1b[21;8~"); // the longest
    k.layout.release_all();
    CHECK(k({0x3B, 0x3F, 0x40, 0x44, 0x57, 0x58}) ==
          "\x1b[11~\x1b[15~\x1b[17~\x1b[21~\x1b[23~\x1b[24~");
    CHECK(k({shift, 0x0F, shift | up}) == "\x1b[Z");
    // The false shifts that keyboards send around arrows with num lock on.
    CHECK(k({0xE0, 0x2A, 0xE0, 0x4B, 0xE0, 0xCB, 0xE0, 0xAA, 0x1E}) == "\x1b[Da");
}

TEST_CASE("keypad") {
    Keyboard k;
    CHECK(k({0x47, 0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F, 0x50, 0x51, 0x52, 0x53}) ==
          "789-456+1230.");
    CHECK(k({0x37, 0xE0, 0x35, 0xE0, 0x1C}) == "*/\r");
    CHECK(k({shift, 0x48, shift | up}) == "\x1b[1;2A");
    CHECK(k({0x45, 0xC5, 0x48, 0x4C, 0x53, 0x4A}) == "\x1b[A\x1b[3~-");
    CHECK_FALSE(k.layout.num_lock());
}

TEST_CASE("events, pause, and noise") {
    lib::ScanCodeDecoder d;
    CHECK(d.push(0x1E) == KeyEvent{static_cast<Key>(0x1E), true});
    CHECK(d.push(0x9E) == KeyEvent{static_cast<Key>(0x1E), false});
    CHECK_FALSE(d.push(0xE0));
    CHECK(d.push(0xD0) == KeyEvent{Key::down, false});
    CHECK_FALSE(d.push(0xE1));
    CHECK_FALSE(d.push(0x1D));
    CHECK(d.push(0x45) == KeyEvent{Key::pause, true});
    CHECK_FALSE(d.push(0xE1));
    CHECK_FALSE(d.push(0x9D));
    CHECK(d.push(0xC5) == KeyEvent{Key::pause, false});
    for (const unsigned noise : {0x00U, 0xEEU, 0xFAU, 0xFCU, 0xFEU, 0xFFU}) {
        CHECK_FALSE(d.push(static_cast<std::uint8_t>(noise)));
    }
    CHECK(d.push(0xAA) == KeyEvent{Key::left_shift, false});
}

TEST_CASE("every pair of bytes is survived, with answers of bounded length") {
    for (unsigned a = 0; a < 256; ++a) {
        Keyboard k;
        for (unsigned b = 0; b < 256; ++b) {
            REQUIRE(k({a, b}).size() <= 2 * lib::UsKeyboard::max_bytes);
        }
    }
}
