// SPDX-License-Identifier: MIT
// The kernel's own paging structure, built once.
#include "arch/boot/paging.hpp"

#include "arch/boot/boot_information.hpp"
#include "arch/boot/early_memory.hpp"
#include "arch/boot/image.hpp"
#include "arch/boot/table_builder.hpp"
#include "arch/cpu_features.hpp"
#include "arch/layout.hpp"
#include "arch/log.hpp"
#include "arch/panic.hpp"
#include "vm/frames.hpp"

#include <algorithm>
#include <array>
#include <memory>

namespace arch {

using lib::boot_info::MemoryMap;
using lib::boot_info::MemoryRange;
using lib::boot_info::MemoryType;
using lib::boot_info::RawMemoryMap;

namespace {

constinit RawMemoryMap raw{};
constinit MemoryMap map{};
constinit std::array<PhysRange, MemoryMap::capacity> usable{};
constinit std::size_t usable_count = 0;
constinit std::uint64_t frames = 0;
constinit PhysAddr root{};

constexpr PhysAddr first_mib_end{1ULL << 20};

void add(PhysRange range, MemoryType type) {
    if (!raw.add(range.start.value, range.bytes(), type)) panic("too many ranges of memory");
}

/// Physical addresses that must not be used as memory: beyond the direct map and the frame records,
/// and where not-present entries point on processors that follow them speculatively.
PhysAddr memory_limit() {
    const CpuFeatures& cpu = cpu_features();
    std::uint64_t limit = std::min(layout::direct_map_bytes,
                                   layout::frame_record_bytes / sizeof(vm::Frame) * page_size);
    limit = std::min(limit, std::uint64_t{1} << cpu.physical_bits);
    if (cpu.l1tf)
        limit = std::min(limit, std::uint64_t{1} << (std::max(cpu.physical_bits, 44U) - 1));
    return {limit};
}

/// Adds to what the loader told what the kernel keeps for itself.
void make_map() {
    raw = boot_information().memory;
    for (const MemoryRange& range : boot_information().memory.ranges()) {
        // Firmware, loaders and starting processors all use the first MiB: it stays out of use.
        if (range.type == MemoryType::usable && range.range.start < first_mib_end) {
            add({range.range.start, std::min(range.range.end, first_mib_end)}, MemoryType::kernel);
        }
    }
    add(image::physical(), MemoryType::kernel);
    add({memory_limit(), {lib::boot_info::physical_limit}}, MemoryType::reserved);
    std::construct_at(&map, raw.ranges());
}

/// The image: code, constants, data, each with no more rights than it needs.
void map_image(TableBuilder& tables) {
    const auto map_part = [&](VirtRange part, vm::Access access) {
        const PhysAddr start{part.start - layout::kernel_image};
        tables.map(part.start, {start, start + part.bytes()}, access, 1);
    };
    map_part(image::text(), vm::Access::read_execute());
    map_part(image::rodata(), vm::Access::read());
    const VirtAddr guard = image::stack_guard();
    map_part({image::data().start, guard}, vm::Access::read_write());
    map_part({guard + page_size, image::data().end}, vm::Access::read_write());
}

/// Maps memory where the direct map shows it. The image's code and constants are read-only there
/// too, so that no second way leads to them.
void map_direct(TableBuilder& tables, PhysRange range) {
    const vm::Level highest = cpu_features().gbpages ? vm::leaf_level_max : 2;
    const auto map_part = [&](std::uint64_t start, std::uint64_t end, vm::Access access) {
        if (start >= end) return;
        tables.map(layout::direct_map + start, {{start}, {end}}, access, highest);
    };
    const std::uint64_t start = range.start.value;
    const std::uint64_t end = range.end.value;
    const std::uint64_t fixed_start = image::text().start - layout::kernel_image;
    const std::uint64_t fixed_end = image::rodata().end - layout::kernel_image;
    map_part(start, std::min(end, fixed_start), vm::Access::read_write());
    map_part(std::max(start, fixed_start), std::min(end, fixed_end), vm::Access::read());
    map_part(std::max(start, fixed_end), end, vm::Access::read_write());
}

/// All RAM, and reserved ranges that touch it: some firmware keeps its ACPI tables there. Other
/// reserved ranges are devices, which must not be mapped as memory.
void map_memory(TableBuilder& tables) {
    const std::span<const MemoryRange> ranges = map.ranges();
    const PhysAddr limit = memory_limit();
    PhysRange pending{};
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        const PhysRange range = ranges[i].range;
        const bool after_ram =
            i > 0 && is_ram(ranges[i - 1].type) && ranges[i - 1].range.end == range.start;
        const bool before_ram = i + 1 < ranges.size() && is_ram(ranges[i + 1].type) &&
                                ranges[i + 1].range.start == range.end;
        if (!is_ram(ranges[i].type) &&
            (ranges[i].type != MemoryType::reserved || !(after_ram || before_ram))) {
            continue;
        }
        if (range.start >= limit || range.end > limit) continue;
        // Neighbours are mapped together, in larger pages.
        if (pending.end == range.start) {
            pending.end = range.end;
            continue;
        }
        map_direct(tables, pending);
        pending = range;
    }
    map_direct(tables, pending);
}

/// Backs the records of the frames in `range`, in blocks of 2 MiB where a whole one is needed.
void back_records(TableBuilder& tables, EarlyMemory& memory, PhysRange range) {
    const std::uint64_t block = vm::level_size(2);
    const auto record = [](PhysAddr frame) {
        return layout::frame_records + frame.value / page_size * sizeof(vm::Frame);
    };
    VirtAddr at{align_down(record(range.start).value, page_size)};
    const VirtAddr end{align_up(record(range.end).value, page_size)};
    while (at < end) {
        PhysAddr backing{};
        if (at.value % block == 0 && end - at >= block && !tables.mapped(at) &&
            memory.take_block(backing)) {
            tables.map(at, {backing, backing + block}, vm::Access::read_write(), 2);
            at = at + block;
            continue;
        }
        if (!tables.mapped(at)) { // the range before may end in the same page of records
            backing = memory.take_frame();
            tables.map(at, {backing, backing + page_size}, vm::Access::read_write(), 1);
        }
        at = at + page_size;
    }
}

void back_all_records(TableBuilder& tables, EarlyMemory& memory) {
    for (const MemoryRange& range : map.ranges()) {
        if (is_ram(range.type)) back_records(tables, memory, range.range);
    }
    frames = map.ram_end().value / page_size;
}

} // namespace

void initialise_memory() {
    make_map();
    EarlyMemory memory(map);
    TableBuilder tables(memory);
    map_image(tables);
    map_memory(tables);
    back_all_records(tables, memory);
    tables.make_top_entry(layout::dynamic.start);
    root = tables.root();
    asm volatile("movq %0, %%cr3" : : "r"(root.value) : "memory");

    usable_count = memory.remaining(map, usable);
    log("memory: {} MiB usable, {} KiB taken for tables, up to {}",
        map.bytes(MemoryType::usable) >> 20, memory.taken_bytes() >> 10, map.ram_end());
    if (has_boot_word("verbose")) {
        for (const MemoryRange& range : map.ranges()) {
            log("memory: {:016x}-{:016x} {}", range.range.start.value, range.range.end.value,
                range.type);
        }
    }
}

const MemoryMap& memory_map() { return map; }
std::span<const PhysRange> usable_memory() { return {usable.data(), usable_count}; }
std::uint64_t frame_count() { return frames; }
PhysAddr kernel_root() { return root; }
unsigned kernel_root_levels() { return TableBuilder::levels; }

} // namespace arch
