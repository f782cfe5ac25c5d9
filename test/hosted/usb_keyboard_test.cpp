// SPDX-License-Identifier: MIT
// Reports of a keyboard in its boot protocol to key events and, with the layout, to text.
#include "lib/usb/boot_keyboard.hpp"

#include <doctest/doctest.h>

#include <initializer_list>
#include <random>
#include <string>
#include <vector>

using lib::Key;
using lib::KeyEvent;
using lib::usb::BootKeyboard;

namespace {

constexpr std::uint64_t millisecond = 1'000'000;

/// A keyboard, its events and what a terminal gets of them.
struct Typist {
    BootKeyboard keyboard;
    lib::UsKeyboard layout;
    std::vector<KeyEvent> events;
    std::string text;
    std::uint64_t now = 1000 * millisecond;

    lib::usb::KeySink sink() {
        return {[](void* self, KeyEvent event) {
                    auto& typist = *static_cast<Typist*>(self);
                    typist.events.push_back(event);
                    typist.text += typist.layout.push(event);
                },
                this};
    }
    void report(std::uint8_t modifiers, std::initializer_list<std::uint8_t> usages) {
        std::vector<std::byte> bytes(8);
        bytes[0] = std::byte{modifiers};
        std::size_t at = 2;
        for (const std::uint8_t usage : usages) bytes[at++] = std::byte{usage};
        keyboard.take_report(bytes, now, sink());
    }
    /// One key, pressed and released.
    std::string tap(std::uint8_t usage, std::uint8_t modifiers = 0) {
        text.clear();
        report(modifiers, {usage});
        report(0, {});
        return text;
    }
    void pass(std::uint64_t milliseconds) {
        const std::uint64_t end = now + milliseconds * millisecond;
        while (keyboard.repeat_at() <= end) {
            now = keyboard.repeat_at();
            keyboard.repeat(now, sink());
        }
        now = end;
    }
};

constexpr std::uint8_t left_control = 1;
constexpr std::uint8_t left_shift = 2;
constexpr std::uint8_t left_alt = 4;
constexpr std::uint8_t right_shift = 0x20;
constexpr std::uint8_t a = 0x04;
constexpr std::uint8_t b = 0x05;
constexpr std::uint8_t caps_lock = 0x39;

} // namespace

TEST_CASE("usb keyboard: every usage of a board is the key that PS/2 has there") {
    Typist typist;
    std::string plain;
    for (std::uint8_t usage = 0x04; usage <= 0x38; ++usage) plain += typist.tap(usage);
    CHECK(plain == "abcdefghijklmnopqrstuvwxyz1234567890\r\x1b\x7f\t -=[]\\\\;'`,./");
    std::string shifted;
    for (std::uint8_t usage = 0x04; usage <= 0x38; ++usage)
        if (usage < 0x28 || usage > 0x2B) shifted += typist.tap(usage, left_shift);
    CHECK(shifted == "ABCDEFGHIJKLMNOPQRSTUVWXYZ!@#$%^&*() _+{}||:\"~<>?");
    std::string functions;
    for (std::uint8_t usage = 0x3A; usage <= 0x45; ++usage) functions += typist.tap(usage);
    CHECK(functions == "\x1b[11~\x1b[12~\x1b[13~\x1b[14~\x1b[15~\x1b[17~\x1b[18~\x1b[19~\x1b[20~"
                       "\x1b[21~\x1b[23~\x1b[24~");
    std::string editing;
    for (std::uint8_t usage = 0x49; usage <= 0x52; ++usage) editing += typist.tap(usage);
    CHECK(editing == "\x1b[2~\x1b[H\x1b[5~\x1b[3~\x1b[F\x1b[6~\x1b[C\x1b[D\x1b[B\x1b[A");
    CHECK(typist.tap(0x64) == "\\");
    for (std::uint8_t usage = 0x46; usage <= 0x48; ++usage) CHECK(typist.tap(usage).empty());
}

TEST_CASE("usb keyboard: the keypad follows num lock") {
    Typist typist;
    std::string digits;
    for (std::uint8_t usage = 0x54; usage <= 0x63; ++usage) digits += typist.tap(usage);
    CHECK(digits == "/*-+\r1234567890.");
    typist.tap(0x53);
    CHECK_FALSE(typist.layout.num_lock());
    std::string arrows;
    for (std::uint8_t usage = 0x59; usage <= 0x63; ++usage) arrows += typist.tap(usage);
    CHECK(arrows == "\x1b[F\x1b[B\x1b[6~\x1b[D\x1b[C\x1b[H\x1b[A\x1b[5~\x1b[2~\x1b[3~");
}

TEST_CASE("usb keyboard: all modifiers") {
    Typist typist;
    constexpr Key keys[] = {Key::left_control,  Key::left_shift,  Key::left_alt,  Key{0xDB},
                            Key::right_control, Key::right_shift, Key::right_alt, Key{0xDC}};
    for (unsigned bit = 0; bit < 8; ++bit) {
        typist.events.clear();
        typist.report(static_cast<std::uint8_t>(1U << bit), {});
        typist.report(0, {});
        CHECK(typist.events == std::vector<KeyEvent>{{keys[bit], true}, {keys[bit], false}});
    }
    CHECK(typist.tap(0x06, left_control) == "\x03");
    CHECK(typist.tap(a, left_alt) == "\x1b"
                                     "a");
    CHECK(typist.tap(a, right_shift) == "A");
}

TEST_CASE("usb keyboard: caps lock, and what the lights show") {
    Typist typist;
    CHECK(lib::usb::light_report(typist.layout.num_lock(), typist.layout.caps_lock()) == 1);
    typist.tap(caps_lock);
    CHECK(typist.tap(a) == "A");
    CHECK(typist.tap(a, left_shift) == "a");
    CHECK(lib::usb::light_report(typist.layout.num_lock(), typist.layout.caps_lock()) == 3);
    CHECK(lib::usb::light_report(false, false) == 0);
}

TEST_CASE("usb keyboard: only differences between reports are events") {
    Typist typist;
    typist.report(0, {a});
    typist.report(0, {a, b});
    typist.report(0, {b}); // moved to another place
    typist.report(0, {b});
    typist.report(left_shift, {b, 0x06});
    CHECK(typist.text == "abC");
    typist.report(0, {});
    CHECK(typist.events.back() == KeyEvent{Key{0x2E}, false});
}

TEST_CASE("usb keyboard: too many keys held change nothing but the modifiers") {
    Typist typist;
    typist.report(0, {a});
    typist.report(left_shift, {1, 1, 1, 1, 1, 1});
    typist.report(left_shift, {a, b});
    CHECK(typist.text == "aB");
    for (const std::uint8_t error : std::to_array<std::uint8_t>({1, 2, 3})) {
        typist.events.clear();
        typist.report(left_shift, {error});
        CHECK(typist.events.empty());
    }
}

TEST_CASE("usb keyboard: reports that are none, usages that are no keys, the same key twice") {
    Typist typist;
    typist.report(0, {a, a, a, a, a, a});
    CHECK(typist.text == "a");
    typist.keyboard.take_report({}, 0, typist.sink());
    const std::vector<std::byte> short_report(7, std::byte{0x05});
    typist.keyboard.take_report(short_report, 0, typist.sink());
    CHECK(typist.text == "a");
    typist.report(0, {0x65, 0x66, 0xA5, 0xE0, 0xFF, 0x00});
    CHECK(typist.text == "a");
    CHECK_FALSE(lib::usb::key_of_usage(0).has_value());
    CHECK_FALSE(lib::usb::key_of_usage(0x65).has_value());
}

TEST_CASE("usb keyboard: a held key repeats, the last one pressed, until it is released") {
    Typist typist;
    CHECK(typist.keyboard.repeat_at() == BootKeyboard::never);
    typist.report(0, {a});
    typist.pass(499);
    CHECK(typist.text == "a");
    typist.pass(1);
    CHECK(typist.text == "aa");
    typist.pass(99);
    CHECK(typist.text == "aaaaa");
    typist.report(0, {a, b});
    typist.pass(533);
    CHECK(typist.text == "aaaaabbb");
    typist.report(0, {b}); // another one's release is no matter
    typist.pass(33);
    CHECK(typist.text == "aaaaabbbb");
    typist.report(0, {});
    CHECK(typist.keyboard.repeat_at() == BootKeyboard::never);
    // A long pause brings no burst.
    typist.report(0, {a});
    typist.text.clear();
    typist.now += 100'000 * millisecond;
    typist.keyboard.repeat(typist.now, typist.sink());
    typist.keyboard.repeat(typist.now, typist.sink());
    CHECK(typist.text == "a");
}

TEST_CASE("usb keyboard: locks do not repeat") {
    Typist typist;
    for (const std::uint8_t usage : {caps_lock, std::uint8_t{0x53}, std::uint8_t{0x47}}) {
        typist.report(0, {a});
        typist.report(0, {a, usage});
        CHECK(typist.keyboard.repeat_at() == BootKeyboard::never);
        typist.report(0, {});
    }
}

TEST_CASE("usb keyboard: what is held when it is unplugged is released") {
    Typist typist;
    typist.report(left_shift | left_control, {a, b});
    typist.events.clear();
    typist.keyboard.release_all(typist.sink());
    CHECK(typist.events.size() == 4);
    for (const KeyEvent event : typist.events) CHECK_FALSE(event.pressed);
    CHECK(typist.keyboard.repeat_at() == BootKeyboard::never);
    CHECK(typist.tap(a) == "a");
}

TEST_CASE("usb keyboard: random reports leave every key as the last one says") {
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
        Typist typist;
        for (int i = 0; i < 50; ++i) {
            std::vector<std::byte> bytes(8);
            for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() % 0x70);
            typist.keyboard.take_report(bytes, typist.now, typist.sink());
        }
        typist.report(0, {});
        std::vector<int> held(256);
        for (const KeyEvent event : typist.events) {
            int& state = held[static_cast<std::size_t>(event.key)];
            state += event.pressed ? 1 : -1;
            // Two usages share the key of the backslash.
            CHECK((state >= 0 && state <= (event.key == Key{0x2B} ? 2 : 1)));
        }
        for (const int state : held) CHECK(state == 0);
    }
}
