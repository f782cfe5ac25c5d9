// SPDX-License-Identifier: MIT
// Differences between reports.
#include "lib/usb/boot_keyboard.hpp"

#include <algorithm>

namespace lib::usb {
namespace {

constexpr std::uint8_t first_usage = 0x04; // below: errors
constexpr std::uint8_t extended = 0x80;    // of a Key

// By usage from 0x04 on, as numbers of lib::Key; 0: no such key here.
constexpr std::uint8_t keys[] = {
    // 04: letters
    0x1E, 0x30, 0x2E, 0x20, 0x12, 0x21, 0x22, 0x23, 0x17, 0x24, 0x25, 0x26, 0x32, 0x31, 0x18, 0x19,
    0x10, 0x13, 0x1F, 0x14, 0x16, 0x2F, 0x11, 0x2D, 0x15, 0x2C,
    // 1E: 1 to 9, 0
    0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B,
    // 28: enter, escape, backspace, tab, space
    0x1C, 0x01, 0x0E, 0x0F, 0x39,
    // 2D: - = [ ] \ and the same where boards of other countries have #
    0x0C, 0x0D, 0x1A, 0x1B, 0x2B, 0x2B,
    // 33: ; ' ` , . /
    0x27, 0x28, 0x29, 0x33, 0x34, 0x35,
    // 39: caps lock, F1 to F12
    0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F, 0x40, 0x41, 0x42, 0x43, 0x44, 0x57, 0x58,
    // 46: print screen, scroll lock, pause
    extended + 0x37, 0x46, 0x7F,
    // 49: insert, home, page up, delete, end, page down
    extended + 0x52, extended + 0x47, extended + 0x49, extended + 0x53, extended + 0x4F,
    extended + 0x51,
    // 4F: right, left, down, up
    extended + 0x4D, extended + 0x4B, extended + 0x50, extended + 0x48,
    // 53: num lock and the keypad: / * - + enter, 1 to 9, 0, dot
    0x45, extended + 0x35, 0x37, 0x4A, 0x4E, extended + 0x1C, 0x4F, 0x50, 0x51, 0x4B, 0x4C, 0x4D,
    0x47, 0x48, 0x49, 0x52, 0x53,
    // 64: the key between left shift and Z on boards with 102 keys
    0x56};
static_assert(sizeof(keys) == 0x65 - first_usage);

constexpr Key modifier_keys[] = {Key::left_control,  Key::left_shift,
                                 Key::left_alt,      Key{extended + 0x5B}, // left and right logo
                                 Key::right_control, Key::right_shift,
                                 Key::right_alt,     Key{extended + 0x5C}};

bool contains(std::span<const std::uint8_t> usages, std::uint8_t usage) {
    return std::find(usages.begin(), usages.end(), usage) != usages.end();
}

/// Held, these would change their state over and over.
bool repeats(Key key) {
    return key != Key::caps_lock && key != Key::num_lock && key != Key::scroll_lock &&
           key != Key::pause && key != Key::print_screen;
}

} // namespace

std::optional<Key> key_of_usage(std::uint8_t usage) {
    if (usage < first_usage || usage - first_usage >= int{sizeof(keys)}) return std::nullopt;
    const std::uint8_t key = keys[usage - first_usage];
    return static_cast<Key>(key);
}

void BootKeyboard::take_report(Bytes report, std::uint64_t now, KeySink sink) {
    if (report.size() < report_bytes) return;
    take_modifiers(std::to_integer<std::uint8_t>(report[0]), sink);

    Usages now_held{};
    for (std::size_t i = 0; i < now_held.size(); ++i) {
        const auto usage = std::to_integer<std::uint8_t>(report[2 + i]);
        if (!contains(now_held, usage)) now_held[i] = usage; // twice is once
    }
    const auto is_error = [](std::uint8_t usage) { return usage != 0 && usage < first_usage; };
    if (std::any_of(now_held.begin(), now_held.end(), is_error)) return;

    const Usages before = held_;
    held_ = now_held;
    for (const std::uint8_t usage : before) {
        if (usage == 0 || contains(held_, usage)) continue;
        if (usage == repeated_) repeat_at_ = never;
        if (const auto key = key_of_usage(usage)) sink({*key, false});
    }
    for (const std::uint8_t usage : held_) {
        if (usage != 0 && !contains(before, usage)) press(usage, now, sink);
    }
}

void BootKeyboard::take_modifiers(std::uint8_t modifiers, KeySink sink) {
    const unsigned changed = modifiers ^ modifiers_;
    modifiers_ = modifiers;
    for (unsigned bit = 0; bit < 8; ++bit) {
        if ((changed >> bit & 1) != 0) sink({modifier_keys[bit], (modifiers >> bit & 1) != 0});
    }
}

void BootKeyboard::press(std::uint8_t usage, std::uint64_t now, KeySink sink) {
    const auto key = key_of_usage(usage);
    if (!key) return;
    sink({*key, true});
    repeated_ = usage;
    repeat_at_ = repeats(*key) ? now + repeat_delay : never;
}

void BootKeyboard::repeat(std::uint64_t now, KeySink sink) {
    if (now < repeat_at_) return;
    if (const auto key = key_of_usage(repeated_)) sink({*key, true});
    // From now, not from when it was due: after a pause no burst comes.
    repeat_at_ = now + repeat_interval;
}

void BootKeyboard::release_all(KeySink sink) {
    constexpr std::array<std::byte, report_bytes> nothing_held{};
    take_report(nothing_held, 0, sink);
    repeat_at_ = never;
}

} // namespace lib::usb
