// SPDX-License-Identifier: MIT
// A user thread of a test's own that runs until its first exception other than a page fault.
#pragma once

#include "arch/trap/frame.hpp"
#include "lib/address.hpp"
#include "vm/space.hpp"

#include <optional>

namespace arch::ktest {

/// Runs user code at `entry` in `space`, interrupts off, until an exception, and gives its frame:
/// from user mode, or from the IRETQ that leads there. Nothing if there is no memory.
std::optional<TrapFrame> run_user_code(VirtAddr entry, vm::AddressSpace& space);

/// Asked by the trap dispatcher about such exceptions; returns unless the thread is a test's.
void catch_user_fault(const TrapFrame& frame);

} // namespace arch::ktest
