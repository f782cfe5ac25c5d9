// SPDX-License-Identifier: MIT
// Putting ranges of memory in order.
#include "lib/boot_info/memory_map.hpp"

#include <algorithm>
#include <optional>

namespace lib::boot_info {

namespace {

/// The range in whole pages: inwards for what may be used, outwards for what may not.
PhysRange whole_pages(const MemoryRange& range) {
    const std::uint64_t start = range.range.start.value;
    const std::uint64_t end = range.range.end.value;
    if (range.type == MemoryType::usable) {
        const std::uint64_t first = align_up(start, page_size);
        return {{first}, {std::max(first, align_down(end, page_size))}};
    }
    return {{align_down(start, page_size)}, {align_up(end, page_size)}};
}

/// The least address above `position` at which a range starts or ends.
std::optional<std::uint64_t> next_boundary(std::span<const MemoryRange> raw,
                                           std::optional<std::uint64_t> position) {
    std::optional<std::uint64_t> next;
    for (const MemoryRange& range : raw) {
        const PhysRange pages = whole_pages(range);
        for (const std::uint64_t edge : {pages.start.value, pages.end.value}) {
            if (position && edge <= *position) continue;
            if (!next || edge < *next) next = edge;
        }
    }
    return next;
}

/// The strongest type that covers [start, end), which no boundary divides.
std::optional<MemoryType> type_of(std::span<const MemoryRange> raw, std::uint64_t start,
                                  std::uint64_t end) {
    std::optional<MemoryType> type;
    for (const MemoryRange& range : raw) {
        const PhysRange pages = whole_pages(range);
        if (pages.start.value > start || pages.end.value < end) continue;
        if (!type || *type < range.type) type = range.type;
    }
    return type;
}

} // namespace

Result<void> RawMemoryMap::add(std::uint64_t start, std::uint64_t bytes, MemoryType type) {
    if (start >= physical_limit) return {};
    bytes = std::min(bytes, physical_limit - start);
    if (bytes == 0) return {};
    if (count_ == capacity) {
        if (type == MemoryType::usable) return {};
        return Error::limit_reached;
    }
    ranges_[count_++] = {{{start}, {start + bytes}}, type};
    return {};
}

MemoryMap::MemoryMap(std::span<const MemoryRange> raw) {
    std::optional<std::uint64_t> start = next_boundary(raw, std::nullopt);
    while (start) {
        const std::optional<std::uint64_t> end = next_boundary(raw, start);
        if (!end) return;
        if (const std::optional<MemoryType> type = type_of(raw, *start, *end)) {
            append(*start, *end, *type);
        }
        start = end;
    }
}

void MemoryMap::append(std::uint64_t start, std::uint64_t end, MemoryType type) {
    if (count_ != 0) {
        MemoryRange& last = ranges_[count_ - 1];
        if (last.type == type && last.range.end.value == start) {
            last.range.end.value = end;
            return;
        }
    }
    // n ranges have at most 2n boundaries, and so fewer than 2n pieces.
    if (count_ < capacity) ranges_[count_++] = {{{start}, {end}}, type};
}

std::uint64_t MemoryMap::bytes(MemoryType type) const {
    std::uint64_t sum = 0;
    for (const MemoryRange& range : ranges()) {
        if (range.type == type) sum += range.range.bytes();
    }
    return sum;
}

PhysAddr MemoryMap::ram_end() const {
    PhysAddr end;
    for (const MemoryRange& range : ranges()) {
        if (is_ram(range.type)) end = range.range.end;
    }
    return end;
}

} // namespace lib::boot_info
