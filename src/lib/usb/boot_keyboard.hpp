// SPDX-License-Identifier: MIT
// A USB keyboard in its boot protocol: reports of 8 bytes to key events (HID 1.11, appendix B.1),
// and the repetition of a held key, which such a keyboard leaves to its host.
#pragma once

#include "lib/bytes.hpp"
#include "lib/keyboard.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace lib::usb {

/// Where key events go: a function and its context.
struct KeySink {
    void (*take)(void* context, KeyEvent event) = nullptr;
    void* context = nullptr;
    void operator()(KeyEvent event) const { take(context, event); }
};

/// The key of a usage of page 7 (HID Usage Tables 1.12, §10); nothing for usages without one here.
std::optional<Key> key_of_usage(std::uint8_t usage);

/// One keyboard's held keys. Times are nanoseconds of any clock that does not go back.
class BootKeyboard {
public:
    static constexpr std::size_t report_bytes = 8;
    static constexpr std::uint64_t repeat_delay = 500'000'000;
    static constexpr std::uint64_t repeat_interval = 33'000'000;
    static constexpr std::uint64_t never = ~std::uint64_t{0};

    /// Takes a report that arrived at `now`: modifiers, then releases, then presses. Anything
    /// shorter than 8 bytes is no report. While too many keys are held to tell which (the usage
    /// "rollover error"), only the modifiers count.
    void take_report(Bytes report, std::uint64_t now, KeySink sink);

    /// When `repeat` is due, or `never`.
    std::uint64_t repeat_at() const { return repeat_at_; }
    /// Presses the last key again if its time has come.
    void repeat(std::uint64_t now, KeySink sink);

    /// Releases whatever is held: the keyboard is gone.
    void release_all(KeySink sink);

private:
    using Usages = std::array<std::uint8_t, 6>;

    void take_modifiers(std::uint8_t modifiers, KeySink sink);
    void press(std::uint8_t usage, std::uint64_t now, KeySink sink);

    std::uint8_t modifiers_ = 0;
    Usages held_{}; // 0: none
    std::uint8_t repeated_ = 0;
    std::uint64_t repeat_at_ = never;
};

/// The lights, as the output report's one byte has them (HID 1.11, appendix B.1).
constexpr std::uint8_t light_report(bool num_lock, bool caps_lock) {
    return static_cast<std::uint8_t>((num_lock ? 1U : 0U) | (caps_lock ? 2U : 0U));
}

} // namespace lib::usb
