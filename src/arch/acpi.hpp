// SPDX-License-Identifier: MIT
// The firmware's tables, and what they say about processors and interrupt controllers.
#pragma once

#include "lib/acpi_tables.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace arch {

/// Finds the tables by the root pointer that the loader handed over. Needs the kernel's paging
/// structure. Called once.
void initialise_acpi();

/// The tables, or null where there are none.
const lib::AcpiTables* acpi_tables();

/// A processor that the MADT lists as usable.
struct Processor {
    std::uint32_t apic_id = 0;
    std::uint32_t acpi_id = 0;
};
/// All of them, the boot CPU's included; empty without a MADT.
std::span<const Processor> processors();

/// Takes the interrupt controllers into use, as the MADT describes them: PICs silent, the boot
/// CPU's local APIC, I/O APICs with ISA lines in their places. Needs device windows. Panics when
/// there is no local APIC.
void initialise_interrupt_controllers();

} // namespace arch
