// SPDX-License-Identifier: MIT
// A pointer that goes up and one that goes down.
#include "arch/boot/early_memory.hpp"

#include "arch/layout.hpp"
#include "arch/panic.hpp"

#include <algorithm>

namespace arch {

using lib::boot_info::MemoryMap;
using lib::boot_info::MemoryRange;
using lib::boot_info::MemoryType;

namespace {

constexpr std::uint64_t block_bytes = 2ULL << 20;
/// The first page tables reach this far.
constexpr std::uint64_t reach = 1ULL << 32;

PhysRange largest_usable(const MemoryMap& map) {
    PhysRange largest{};
    for (const MemoryRange& range : map.ranges()) {
        if (range.type != MemoryType::usable || range.range.start.value >= reach) continue;
        const PhysRange seen{range.range.start, {std::min(range.range.end.value, reach)}};
        if (seen.bytes() > largest.bytes()) largest = seen;
    }
    return largest;
}

void zero(PhysAddr start, std::uint64_t bytes) {
    __builtin_memset(layout::direct(start), 0, bytes);
}

} // namespace

EarlyMemory::EarlyMemory(const MemoryMap& map)
    : source_(largest_usable(map)), low_(source_.start.value),
      high_(align_down(source_.end.value, block_bytes)), blocks_end_(high_) {
    if (source_.bytes() == 0) panic("no usable memory below 4 GiB");
    // A range without an aligned block in it serves frames alone.
    if (high_ <= low_) high_ = blocks_end_ = source_.end.value;
}

PhysAddr EarlyMemory::take_frame() {
    if (high_ - low_ < page_size) panic("no memory for the first page tables");
    const PhysAddr frame{low_};
    low_ += page_size;
    zero(frame, page_size);
    return frame;
}

bool EarlyMemory::take_block(PhysAddr& block) {
    if (high_ % block_bytes != 0 || high_ - low_ < block_bytes) return false;
    high_ -= block_bytes;
    block = {high_};
    zero(block, block_bytes);
    return true;
}

std::uint64_t EarlyMemory::taken_bytes() const {
    return low_ - source_.start.value + (blocks_end_ - high_);
}

std::size_t EarlyMemory::remaining(const MemoryMap& map, std::span<PhysRange> ranges) const {
    std::size_t count = 0;
    const auto add = [&](std::uint64_t start, std::uint64_t end) {
        if (start < end && count < ranges.size()) ranges[count++] = {{start}, {end}};
    };
    for (const MemoryRange& range : map.ranges()) {
        if (range.type != MemoryType::usable) continue;
        if (range.range.start == source_.start) {
            add(low_, high_);
            add(blocks_end_, range.range.end.value);
        } else {
            add(range.range.start.value, range.range.end.value);
        }
    }
    return count;
}

} // namespace arch
