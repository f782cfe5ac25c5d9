// SPDX-License-Identifier: MIT
// Interrupt controllers and processors, as the firmware lists them.
#pragma once

#include <cstdint>
#include <span>

namespace arch {

/// A processor that the MADT lists as usable.
struct Processor {
    std::uint32_t apic_id = 0;
    std::uint32_t acpi_id = 0;
};
/// All of them, the boot CPU's included; empty without a MADT.
std::span<const Processor> processors();

/// Takes the interrupt controllers into use: PICs silent, the boot CPU's local APIC, I/O APICs with
/// ISA lines in their places. Needs device windows. Panics when there is no local APIC.
void initialise_interrupt_controllers();

} // namespace arch
