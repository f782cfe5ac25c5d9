// SPDX-License-Identifier: MIT
// The kernel's half of the address space. The user's half is 0 to 0x00007fffffffffff.
//
//   ffff800000000000  direct map: all memory, physical address 0 first      64 TiB   rw-
//   ffffc00000000000  dynamic: kernel stacks, heap, device windows         512 GiB   rw-
//   ffffe00000000000  frame records, one for each frame number             512 GiB   rw-
//   ffffffff80000000  the kernel image, at its physical address              2 GiB
//
// All top-level entries below are made at boot, so that every process shares them for ever.
#pragma once

#include "lib/address.hpp"

#include <cstdint>

namespace arch::layout {

/// Bytes that one top-level entry covers, with 4 levels.
inline constexpr std::uint64_t top_entry_bytes = 1ULL << 39;

inline constexpr VirtAddr direct_map{0xffff'8000'0000'0000};
inline constexpr std::uint64_t direct_map_bytes = 1ULL << 46;
inline constexpr VirtRange dynamic{{0xffff'c000'0000'0000}, {0xffff'c080'0000'0000}};
inline constexpr VirtAddr frame_records{0xffff'e000'0000'0000};
inline constexpr std::uint64_t frame_record_bytes = 1ULL << 39;
inline constexpr VirtAddr kernel_image{0xffff'ffff'8000'0000};

/// First address that a process can't have.
inline constexpr VirtAddr user_end{0x0000'8000'0000'0000};

/// `physical` in the direct map. Precondition: memory that the map covers (RAM, ACPI tables).
inline void* direct(PhysAddr physical) {
    return reinterpret_cast<void*>(direct_map.value + physical.value);
}

} // namespace arch::layout
