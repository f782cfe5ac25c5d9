// SPDX-License-Identifier: MIT
// Trying an access that may fault, and going on after it.
#pragma once

#include "arch/trap/frame.hpp"
#include "lib/address.hpp"

#include <cstdint>

namespace arch::ktest {

/// What an access met.
struct Fault {
    bool happened = false;
    std::uint64_t vector = 0;
    std::uint64_t error = 0;
    VirtAddr address{}; ///< CR2

    /// Whether it was a page fault with exactly this error code.
    bool is_page_fault(std::uint64_t code) const {
        return happened && vector == static_cast<std::uint64_t>(Vector::page_fault) &&
               error == code;
    }
};

/// Reads or writes a byte, or calls the code at `address` (which must be a RET), in kernel mode.
Fault probe_read(VirtAddr address);
Fault probe_write(VirtAddr address);
Fault probe_execute(VirtAddr address);
/// Reads a byte with EFLAGS.AC set, as the user-memory routines do. Needs SMAP.
Fault probe_read_as_copy(VirtAddr address);
/// Fills every general register, lets a read of `address` fault (or not), and tells whether every
/// register kept its value.
bool probe_keeps_registers(VirtAddr address);

/// Asked by the trap dispatcher about each exception in kernel mode, first of all: true if it was a
/// probe's, and `frame` was changed to go on behind it; or if a test answered it as a process
/// would.
bool catch_fault(TrapFrame& frame);

} // namespace arch::ktest
