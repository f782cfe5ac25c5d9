// SPDX-License-Identifier: MIT
// From the top down, page by page: there are 256 at most.
#include "lib/boot_info/low_memory.hpp"

#include <algorithm>

namespace lib::boot_info {

namespace {

/// Whether `range` is free: a usable range holds all of it, and no other kind has a part in it.
bool is_free(std::span<const MemoryRange> raw, PhysRange range) {
    const auto holds = [&](const MemoryRange& told) {
        return told.type == MemoryType::usable && told.range.start <= range.start &&
               range.end <= told.range.end;
    };
    const auto spoils = [&](const MemoryRange& told) {
        return told.type != MemoryType::usable && told.range.start < range.end &&
               range.start < told.range.end;
    };
    return std::ranges::any_of(raw, holds) && std::ranges::none_of(raw, spoils);
}

} // namespace

std::optional<PhysAddr> find_low_memory(std::span<const MemoryRange> raw, std::uint64_t bytes,
                                        PhysAddr end) {
    const std::uint64_t top = align_down(end.value, page_size);
    if (top < bytes) return std::nullopt;
    for (PhysAddr start{top - bytes}; start.value >= page_size; start.value -= page_size) {
        if (is_free(raw, {start, start + bytes})) return start;
    }
    return std::nullopt;
}

} // namespace lib::boot_info
