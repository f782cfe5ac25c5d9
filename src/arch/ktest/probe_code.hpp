// SPDX-License-Identifier: MIT
// What probe_code.S provides.
#pragma once

#include "lib/address.hpp"

#include <cstdint>

namespace arch::ktest {

extern "C" {
/// Where a probe goes on after a fault, and with which stack; 0 while no probe runs.
extern std::uint64_t probe_resume;
extern std::uint64_t probe_stack;

/// A RET, in the kernel's code.
extern const char probe_code_return[];

void probe_code_read(VirtAddr address);
void probe_code_write(VirtAddr address);
void probe_code_execute(VirtAddr address);
void probe_code_read_as_copy(VirtAddr address);
/// The number of registers that changed.
std::uint64_t probe_code_registers(VirtAddr address);
/// The same around INT with vector `probe_interrupt_vector`.
std::uint64_t probe_code_interrupt();
/// Fills XMM0 to XMM15 with values made from `seed`; tells how many of them are so.
void probe_code_fill_vectors(std::uint64_t seed);
std::uint64_t probe_code_count_vectors(std::uint64_t seed);
}

/// A vector that no device uses.
inline constexpr unsigned probe_interrupt_vector = 0x70;

} // namespace arch::ktest
