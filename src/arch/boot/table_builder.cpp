// SPDX-License-Identifier: MIT
// Walking down, making tables on the way, and writing leaves.
#include "arch/boot/table_builder.hpp"

#include "arch/cpu/measures.hpp"
#include "arch/layout.hpp"
#include "vm/port.hpp"

namespace arch {

namespace {

vm::Entry& entry_of(PhysAddr table, VirtAddr address, vm::Level level) {
    auto* entries = static_cast<vm::Entry*>(layout::direct(table));
    return entries[vm::level_index(address, level)];
}

/// The largest page that begins at both addresses and fits.
vm::Level leaf_level(VirtAddr address, PhysRange physical, vm::Level highest) {
    vm::Level level = highest;
    while (level > 1) {
        const std::uint64_t size = vm::level_size(level);
        if (address.value % size == 0 && physical.start.value % size == 0 &&
            physical.bytes() >= size) {
            break;
        }
        --level;
    }
    return level;
}

/// The root, and behind it user mode's where there is one (vm::port::mirrored_roots).
PhysAddr take_root(EarlyMemory& memory) {
    PhysAddr root = memory.take_frame();
    if (!measures().isolation) return root;
    if (root.value % (2 * page_size) != 0) root = memory.take_frame();
    const PhysAddr second = memory.take_frame();
    vm::require(second == root + page_size, "early frames follow each other");
    return root;
}

} // namespace

TableBuilder::TableBuilder(EarlyMemory& memory) : memory_(memory), root_(take_root(memory)) {}

vm::Entry& TableBuilder::entry(VirtAddr address, vm::Level level) {
    PhysAddr table = root_;
    for (vm::Level at = levels; at > level; --at) {
        vm::Entry& above = entry_of(table, address, at);
        if (above.empty()) above = vm::Entry::table(memory_.take_frame(), false);
        table = above.frame();
    }
    return entry_of(table, address, level);
}

void TableBuilder::map(VirtAddr address, PhysRange physical, vm::Access access, vm::Level highest) {
    while (physical.start < physical.end) {
        const vm::Level level = leaf_level(address, physical, highest);
        entry(address, level) =
            vm::Entry::leaf(physical.start, access, level, {.user = false, .global = true});
        address = address + vm::level_size(level);
        physical.start = physical.start + vm::level_size(level);
    }
}

bool TableBuilder::mapped(VirtAddr address) const {
    PhysAddr table = root_;
    for (vm::Level at = levels; at > 0; --at) {
        const vm::Entry found = entry_of(table, address, at);
        if (!found.is_table(at)) return found.present();
        table = found.frame();
    }
    return false;
}

void TableBuilder::make_top_entry(VirtAddr address) { (void)entry(address, levels - 1); }

} // namespace arch
