// SPDX-License-Identifier: MIT
// Keyboards as a source of console input: the PS/2 one, and the keys of others.
#pragma once

#include "lib/keyboard.hpp"

#include <cstdint>

namespace arch::keyboard {

/// Sets the keyboard up and takes interrupt 1. A machine without one is fine.
/// Precondition: interrupts can be registered.
void initialise();

/// Whether there is a PS/2 controller.
bool has_controller();

/// A key of any keyboard: they share one layout, its modifiers and locks. Boot CPU, interrupts off.
void add_event(lib::KeyEvent event);

/// The lights of num lock and caps lock, as lib::usb::light_report has them.
std::uint8_t lights();
/// Calls `changed` when a key changed them. It must not add events.
using LightsChanged = void (*)();
void on_lights_change(LightsChanged changed);

} // namespace arch::keyboard
