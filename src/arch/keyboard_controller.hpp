// SPDX-License-Identifier: MIT
// The i8042, the PS/2 keyboard's controller.
#pragma once

#include <cstdint>
#include <optional>

namespace arch::keyboard_controller {

/// Finds the controller, tests it and lets the keyboard send scan codes of set 1 and raise
/// interrupt 1. False where there is no controller: its ports then read as ones, or it does not
/// answer in time. Never waits longer than a tenth of a second or so for anything.
[[nodiscard]] bool initialise();

/// The next byte that the keyboard sent; nothing when there is none. Bytes of a mouse are dropped.
std::optional<std::uint8_t> read_byte();

/// Asks the controller to pull the processor's reset line. Returns if it did not.
void pulse_reset();

} // namespace arch::keyboard_controller
