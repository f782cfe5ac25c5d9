// SPDX-License-Identifier: MIT
// Memory maps against a model, and the bounds of boot information.
#include "fuzz/memory_promises.hpp"

#include "fuzz/fuzz.hpp"
#include "lib/boot_info/low_memory.hpp"
#include "lib/boot_info/rsdp.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace {

using namespace lib::boot_info;

/// The type of the page at `page`: the strongest that touches it, usable only if it covers it.
std::optional<MemoryType> model(std::span<const MemoryRange> raw, std::uint64_t page) {
    std::optional<MemoryType> type;
    for (const auto& [range, kind] : raw) {
        const std::uint64_t start = range.start.value, end = range.end.value;
        const bool counts = kind == MemoryType::usable ? page >= start && page + page_size <= end
                                                       : page < end && page + page_size > start;
        if (counts && (!type || *type < kind)) type = kind;
    }
    return type;
}

std::optional<MemoryType> type_at(const MemoryMap& map, std::uint64_t page) {
    for (const MemoryRange& range : map.ranges()) {
        if (range.range.start.value <= page && page < range.range.end.value) return range.type;
    }
    return std::nullopt;
}

void check_order(const MemoryMap& map) {
    std::optional<MemoryRange> last;
    std::uint64_t usable = 0, ram_end = 0;
    for (const MemoryRange& range : map.ranges()) {
        PROMISE(range.range.start < range.range.end);
        PROMISE(range.range.start.page_aligned() && range.range.end.page_aligned());
        PROMISE(range.range.end.value <= physical_limit);
        if (last) {
            PROMISE(last->range.end <= range.range.start);
            PROMISE(last->range.end != range.range.start || last->type != range.type);
        }
        last = range;
        if (range.type == MemoryType::usable) usable += range.range.bytes();
        if (is_ram(range.type)) ram_end = range.range.end.value;
    }
    PROMISE(map.bytes(MemoryType::usable) == usable);
    PROMISE(map.ram_end().value == ram_end);
}

void check_framebuffer(const Framebuffer& framebuffer) {
    PROMISE(framebuffer.address.value != 0 && framebuffer.address.value < physical_limit);
    PROMISE(framebuffer.width != 0 && framebuffer.height != 0);
    const std::uint64_t line =
        std::uint64_t{framebuffer.width} * ((framebuffer.bits_per_pixel + 7U) / 8);
    PROMISE(line != 0 && line <= framebuffer.pitch);
    const std::uint64_t bytes = std::uint64_t{framebuffer.pitch} * framebuffer.height;
    PROMISE(bytes <= physical_limit - framebuffer.address.value);
    if (framebuffer.kind == Framebuffer::Kind::text) return;
    PROMISE(framebuffer.bits_per_pixel == 15 || framebuffer.bits_per_pixel == 16 ||
            framebuffer.bits_per_pixel == 24 || framebuffer.bits_per_pixel == 32);
    for (const ColourField colour : {framebuffer.red, framebuffer.green, framebuffer.blue}) {
        PROMISE(colour.bits != 0 && colour.bits <= 16);
        PROMISE(colour.position + colour.bits <= framebuffer.bits_per_pixel);
    }
}

/// No page of [start, end) is given out.
void check_kept(const MemoryMap& map, std::uint64_t start, std::uint64_t end) {
    for (const MemoryRange& range : map.ranges()) {
        if (range.type != MemoryType::usable || start >= end) continue;
        PROMISE(range.range.end.value <= start || end <= range.range.start.value);
    }
}

/// A place is free as a whole; of single pages it is the highest free one.
void check_low_memory(std::span<const MemoryRange> raw, std::uint64_t bytes, std::uint64_t end) {
    const auto found = find_low_memory(raw, bytes, PhysAddr{end});
    if (found) {
        PROMISE(found->page_aligned() && found->value >= page_size && found->value + bytes <= end);
        for (std::uint64_t page = found->value; page < found->value + bytes; page += page_size) {
            PROMISE(model(raw, page) == MemoryType::usable);
        }
    }
    if (bytes != page_size) return;
    std::uint64_t page = align_down(end, page_size);
    while (page > page_size && model(raw, page - page_size) != MemoryType::usable)
        page -= page_size;
    PROMISE(page > page_size ? found && found->value == page - page_size : !found);
}

} // namespace

namespace fuzz {

void check_memory_map(std::span<const MemoryRange> raw) {
    const MemoryMap map{raw};
    check_order(map);
    std::vector<std::uint64_t> edges{0};
    for (const MemoryRange& range : raw) {
        for (const std::uint64_t at : {range.range.start.value, range.range.end.value}) {
            edges.push_back(align_down(at, page_size));
            edges.push_back(align_up(at, page_size));
        }
    }
    for (const MemoryRange& range : map.ranges()) edges.push_back(range.range.start.value);
    std::ranges::sort(edges);
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    // From one edge to the next all pages are alike.
    for (const std::uint64_t page : edges) PROMISE(type_at(map, page) == model(raw, page));
    check_low_memory(raw, page_size, 0x2'0123);
    check_low_memory(raw, 3 * page_size, 0xA'0000);
}

void check_boot_information(const BootInformation& information, std::uint64_t start,
                            std::uint64_t bytes) {
    PROMISE(information.command_line_size <= information.command_line_bytes.size());
    PROMISE(information.command_line().find('\0') == std::string_view::npos);
    if (information.framebuffer) check_framebuffer(*information.framebuffer);
    if (information.rsdp) {
        PROMISE(information.rsdp->size == 20 || information.rsdp->size == 36);
        const lib::Bytes copy = lib::Bytes(information.rsdp->bytes).first(information.rsdp->size);
        PROMISE(read_rsdp(copy).ok());
    }
    const auto raw = information.memory.ranges();
    PROMISE(raw.size() <= RawMemoryMap::capacity);
    for (const MemoryRange& range : raw) {
        PROMISE(range.range.start < range.range.end && range.range.end.value <= physical_limit);
    }
    check_memory_map(raw);
    const MemoryMap map{raw};
    check_kept(map, start, start + bytes);
    if (!information.module) return;
    PROMISE(information.module->start <= information.module->end);
    PROMISE(information.module->end.value <= physical_limit);
    check_kept(map, information.module->start.value, information.module->end.value);
}

} // namespace fuzz
