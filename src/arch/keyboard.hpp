// SPDX-License-Identifier: MIT
// The PS/2 keyboard as a source of console input.
#pragma once

namespace arch::keyboard {

/// Sets the keyboard up and takes interrupt 1. A machine without one is fine.
/// Precondition: interrupts can be registered.
void initialise();

} // namespace arch::keyboard
