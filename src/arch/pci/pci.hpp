// SPDX-License-Identifier: MIT
// The machine's PCI functions.
#pragma once

#include "arch/trap/interrupts.hpp"
#include "lib/pci/config_space.hpp"

namespace arch::pci {

/// Finds out how configuration space is reached: by memory where the firmware says so (MCFG) and
/// means it, else by ports. Needs the ACPI tables and device windows. Called once.
void initialise();

/// Configuration space. Called by one CPU at a time.
const lib::pci::ConfigSpace& space();

/// Calls `visit` for each function behind the host bridges.
void for_each_function(void (*visit)(lib::pci::Function));

/// Lets the function interrupt the boot CPU at `vector` by MSI-X or MSI; the handler is set before.
/// Errors: unsupported: it can do neither; those of mapping.
Result<void> connect_message(lib::pci::Function function, unsigned vector);

} // namespace arch::pci
