// SPDX-License-Identifier: MIT
// The first serial port as a source of console input.
#pragma once

namespace arch::console {

/// Takes interrupt 4 and lets the port raise it. A machine without a port is fine.
/// Precondition: serial::initialise() was called, and interrupts can be registered.
void initialise_serial_input();

} // namespace arch::console
