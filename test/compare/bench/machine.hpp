// SPDX-License-Identifier: MIT
// What src/vm runs on while it is measured: one CPU, memory without anything that watches it, and
// no MMU. A flush is counted as what it costs to ask for it.
#pragma once

#include <cstdint>

namespace compare {

inline constexpr std::uint64_t machine_memory = 4ULL << 30;

/// Gives src/vm its memory. Once, before all spaces.
void start_machine();
/// Bytes that the map takes beside the memory that it maps: tables, descriptors, kernel heap.
std::uint64_t machine_overhead();

} // namespace compare
