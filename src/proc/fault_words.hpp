// SPDX-License-Identifier: MIT
// What a fault is called, for the report that ends a process.
#pragma once

#include "lib/format.hpp"
#include "proc/port.hpp"
#include "proc/upcall.hpp"

namespace proc {

/// Writes one line, its end included:
///
///   fault: NAME[PID]: WHAT at ADDRESS by INSTRUCTION, entry STATE[, limit N KiB][, upcall stack …]
///
/// ADDRESS is `no address` where the processor gave none. STATE is that of the entry which decides
/// about the address (about the instruction, where there is none), as `maps` names it, with its
/// rights; `kernel` outside the user half. `resolution` counts for page faults only; `memory_limit`
/// is told where it was in the way; `upcall` where there is a handler and it could not be reached.
void write_fault_report(lib::TextWriter& line, const Identity& who, const vm::AddressSpace& space,
                        const Fault& fault, vm::Resolution resolution, Delivery upcall,
                        PageCount memory_limit);

} // namespace proc
