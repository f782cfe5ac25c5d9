// SPDX-License-Identifier: MIT
// Memory as the kernel finds it when it starts: the map of it, the kernel's own paging structure,
// the direct map and the frame records.
#pragma once

#include "lib/address.hpp"
#include "lib/boot_info/memory_map.hpp"

#include <cstdint>
#include <span>

namespace arch {

/// Puts the memory map in order, takes what is needed from it, builds the kernel's paging structure
/// (see layout.hpp) and loads it. Needs the boot information and the processor's features.
/// Afterwards nothing is mapped in the user's half. Called once.
void initialise_memory();

/// The ordered map, the kernel's image and what it took included.
const lib::boot_info::MemoryMap& memory_map();

/// What is left for the frame allocator: whole pages, disjoint, never the first MiB.
std::span<const PhysRange> usable_memory();

/// Frame records are backed, and zero, for all frames of RAM with numbers below this.
std::uint64_t frame_count();

/// The kernel's paging structure: its root, whose upper half every process shares, and levels.
PhysAddr kernel_root();
unsigned kernel_root_levels();

} // namespace arch
