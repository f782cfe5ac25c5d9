// SPDX-License-Identifier: MIT
// Physical memory of the modelled machine: a sparse file in memory, mapped once at
// host base + physical address, and mapped again wherever the kernel's half has a page.
//
//   host   0x2000_0000_0000  direct map: base + physical address; holes are inaccessible
//          0x3000_0000_0000  the kernel's half, page by page as the tables say
//
// ThreadSanitizer wants all memory that it watches in places of its own: 0x10_0000_0000 and
// 0x30_0000_0000 there.
#pragma once

#include "lib/address.hpp"

#include <map>
#include <mutex>
#include <span>
#include <vector>

namespace shim {

/// Where the host sees physical address 0, and how far physical memory may reach.
#ifdef __SANITIZE_THREAD__
inline constexpr std::uint64_t direct_map_base = 0x10'0000'0000;
inline constexpr VirtAddr kernel_base{0x30'0000'0000};
#else
inline constexpr std::uint64_t direct_map_base = 0x2000'0000'0000;
inline constexpr VirtAddr kernel_base{0x3000'0000'0000};
#endif
inline constexpr std::uint64_t physical_limit = 64ULL << 30;
/// Addresses of the kernel's half, in a part of the host's address space that nothing uses
/// (sanitizers' shadows and heaps included). The hosted kernel is in the lower half of things.
inline constexpr VirtRange kernel_range{kernel_base, kernel_base + (1ULL << 30)};

class Arena {
public:
    /// The process's only arena.
    static Arena& the();

    /// Makes exactly these ranges accessible, filled with a pattern that is not zero.
    void set_memory(std::span<const PhysRange> ranges);
    /// Whether all of it is memory.
    bool contains(std::uint64_t physical, std::uint64_t bytes) const;
    void* host(PhysAddr physical) const;

    // What is shown may be changed by several CPUs at once, each with pages of its own.

    /// Shows a physical page at a host address of the kernel's half.
    void mirror(VirtAddr page, PhysAddr frame);
    /// What is shown in the range: page to frame.
    std::map<std::uint64_t, std::uint64_t> mirrored(VirtRange range) const;
    /// Makes a page inaccessible again.
    void unmirror(VirtAddr page);
    void unmirror_all();

    /// Zeroed memory for `bytes` of records, the same place at each call; untouched parts cost
    /// nothing.
    void* records(std::size_t bytes);

private:
    Arena();
    int file_ = -1;
    void* records_ = nullptr;
    std::vector<PhysRange> ranges_;
    mutable std::mutex mirrored_mutex_;
    std::map<std::uint64_t, std::uint64_t> mirrored_;
};

} // namespace shim
