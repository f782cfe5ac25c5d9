// SPDX-License-Identifier: MIT
// Interrupt controllers and processors, as the firmware lists them.
#pragma once

#include "lib/processor_list.hpp"

#include <span>

namespace arch {

/// The processors that the MADT lists as usable and that can be reached, the boot CPU's first: it
/// alone without a MADT. At most vm::port::cpu_limit.
std::span<const lib::ListedProcessor> listed_processors();
/// What became of the MADT's other processors.
const lib::ProcessorCounts& processor_counts();

/// Takes the interrupt controllers into use: PICs silent, the boot CPU's local APIC, I/O APICs with
/// ISA lines in their places. Needs device windows. Panics when there is no local APIC.
void initialise_interrupt_controllers();

} // namespace arch
