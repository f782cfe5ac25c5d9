// SPDX-License-Identifier: MIT
// Switching the machine off, and starting it again.
#pragma once

namespace arch {

/// Switches off by ACPI's soft-off state, else by an emulator's own way. Returns if nothing helped.
void power_off();

/// Starts the machine again: ACPI's reset register, the keyboard controller, the chipset's reset
/// port, a triple fault, in this order.
[[noreturn]] void reboot();

} // namespace arch
