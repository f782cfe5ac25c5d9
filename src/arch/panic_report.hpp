// SPDX-License-Identifier: MIT
// The parts of a panic's report. Each writes lines to the log, and reads nothing that it has not
// found to be mapped.
#pragma once

#include "arch/trap/frame.hpp"
#include "lib/address.hpp"

#include <optional>

namespace arch {

/// What the processor's control registers say.
struct ControlRegisters {
    std::uint64_t cr0, cr2, cr3, cr4;
    static ControlRegisters read();
};

/// The exception by name, its error code in words, and for a page fault the address.
void report_trap(const TrapFrame& frame, const ControlRegisters& control);
/// All general registers, and the processor's flags.
void report_registers(const TrapFrame& frame);
void report_control_registers(const ControlRegisters& control);
/// The entries that lead to `address` in the paging structure that CR3 names, level by level.
void report_entries(VirtAddr address);
/// Function names from `instruction` outwards, along the saved frame pointers from `frame_pointer`.
void report_backtrace(std::uint64_t instruction, std::uint64_t frame_pointer);

/// The 8 bytes at `address`, which must be a multiple of 8; nothing if it is not mapped. Looks at
/// the paging structure first, so it never faults while that is sound.
std::optional<std::uint64_t> peek(VirtAddr address);

} // namespace arch
