// SPDX-License-Identifier: MIT
// Switching off and resetting by ACPI's fixed hardware (ACPI 6.5, 4.8.3 and 16.1), over any access
// to registers.
#pragma once

#include "lib/acpi_tables.hpp"

namespace lib {

/// How registers are reached: functions and their context. Memory and ports, and for `reset` the
/// configuration space of bus 0.
struct AcpiAccess {
    /// `bits` is 8 or 16. All ones where nothing can be read.
    std::uint32_t (*read)(void* context, const AcpiRegister& from, unsigned bits) = nullptr;
    void (*write)(void* context, const AcpiRegister& to, unsigned bits,
                  std::uint32_t value) = nullptr;
    void (*wait)(void* context, unsigned milliseconds) = nullptr;
    void* context = nullptr;
};

/// Orders the soft-off state: by the sleep control register where the hardware is reduced, else by
/// PM1 control, taken over from the firmware before if it still has it. Returns only if the machine
/// is still on: unsupported: there is no such register; would_block: it was told, and stays on.
Error order_soft_off(const AcpiFixed& fixed, const AcpiSoftOff& types, const AcpiAccess& access);

/// Writes the reset register. Returns only if the machine goes on: unsupported: there is none;
/// would_block: it was written.
Error order_reset(const AcpiFixed& fixed, const AcpiAccess& access);

/// Where in configuration space of bus 0 a register is (table 5.1); valid says whether it can be.
struct AcpiConfigurationPlace {
    bool valid = false;
    std::uint8_t device = 0;
    std::uint8_t function = 0;
    std::uint8_t offset = 0;
};
AcpiConfigurationPlace configuration_place(const AcpiRegister& place);

} // namespace lib
