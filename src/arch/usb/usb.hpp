// SPDX-License-Identifier: MIT
// Keyboards on USB as a source of console input.
#pragma once

namespace arch::usb {

/// Finds the xHCI controllers and lets them begin; what takes time happens later, by interrupts and
/// the device alarm. A machine without any is fine. Needs interrupts, the clock and the keyboard.
void initialise();

} // namespace arch::usb
