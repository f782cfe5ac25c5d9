// SPDX-License-Identifier: MIT
// Memory before there is a frame allocator: taken from one range, never given back.
#pragma once

#include "lib/address.hpp"
#include "lib/boot_info/memory_map.hpp"

#include <cstdint>
#include <span>

namespace arch {

/// Takes from the largest usable range below 4 GiB, which the first page tables show: frames from
/// its low end, 2 MiB blocks from its high end.
///
///   | frames taken ...  low |      remaining      | high  ... blocks taken | remaining |
class EarlyMemory {
public:
    /// Panics when there is no usable memory below 4 GiB.
    explicit EarlyMemory(const lib::boot_info::MemoryMap& map);

    /// A frame of zeros. Panics when there is no more.
    PhysAddr take_frame();
    /// A block of 2 MiB of zeros, aligned to its size; false when there is none.
    bool take_block(PhysAddr& block);
    std::uint64_t taken_bytes() const;

    /// Writes what is still usable of `map` into `ranges`; gives the number of ranges.
    std::size_t remaining(const lib::boot_info::MemoryMap& map, std::span<PhysRange> ranges) const;

private:
    PhysRange source_;
    std::uint64_t low_;
    std::uint64_t high_;
    std::uint64_t blocks_end_;
};

} // namespace arch
