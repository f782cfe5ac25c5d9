// SPDX-License-Identifier: MIT
// The walk of Intel SDM vol. 3A, 4.5, by hand.
#include "arch/table_walk.hpp"

#include "arch/boot/paging.hpp"
#include "arch/layout.hpp"

#include <bit>
#include <optional>

namespace arch {
namespace {

constexpr std::uint64_t cr3_frame_mask = 0x000f'ffff'ffff'f000;
constexpr std::uint64_t cr4_la57 = 1ULL << 12;
/// What the first page tables show, before there is a memory map.
constexpr PhysAddr first_tables_end{1ULL << 32};

std::uint64_t read_cr3() {
    std::uint64_t value = 0;
    asm volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}

vm::Level top_level() {
    std::uint64_t value = 0;
    asm volatile("mov %%cr4, %0" : "=r"(value));
    return (value & cr4_la57) != 0 ? 5 : 4;
}

bool is_canonical(VirtAddr address, vm::Level levels) {
    const unsigned unused = 64 - vm::level_shift(levels + 1);
    const auto shifted = static_cast<std::int64_t>(address.value << unused);
    return static_cast<std::uint64_t>(shifted >> unused) == address.value;
}

/// Whether the direct map shows the frame, because it is RAM.
bool is_ram(PhysAddr frame) {
    const auto ranges = memory_map().ranges();
    if (ranges.empty()) return frame < first_tables_end;
    for (const lib::boot_info::MemoryRange& range : ranges) {
        if (frame >= range.range.start && frame < range.range.end) return is_ram(range.type);
    }
    return false;
}

std::optional<vm::Entry> read_entry(PhysAddr table, unsigned index) {
    if (!is_ram(table)) return std::nullopt;
    const auto* words = static_cast<const volatile std::uint64_t*>(layout::direct(table));
    return std::bit_cast<vm::Entry>(words[index]);
}

} // namespace

TableWalk::TableWalk(VirtAddr address) {
    const vm::Level top = top_level();
    canonical_ = is_canonical(address, top);
    if (!canonical_) return;
    PhysAddr table{read_cr3() & cr3_frame_mask};
    for (vm::Level level = top; level > 0; --level) {
        const unsigned index = vm::level_index(address, level);
        const std::optional<vm::Entry> entry = read_entry(table, index);
        sound_ = entry.has_value();
        if (!sound_) return;
        steps_[count_++] = {*entry, level, index};
        if (!entry->is_table(level)) return;
        table = entry->frame();
    }
}

bool TableWalk::kernel_readable() const {
    if (!sound_ || count_ == 0) return false;
    const Step& last = steps_[count_ - 1];
    return last.entry.is_leaf(last.level) && !last.entry.user();
}

} // namespace arch
