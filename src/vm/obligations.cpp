// SPDX-License-Identifier: MIT
// Flush obligations: flush first, free after.
#include "vm/obligations.hpp"

#include "vm/charge.hpp"

namespace vm {

void Obligations::own_table(TableDescriptor* table, VirtRange range) {
    owe(range);
    tables_changed_ = true;
    table->next = tables_;
    tables_ = table;
}

namespace {

/// Frees a table that nobody can reach any more, with all that it holds.
void dismantle(TableDescriptor* table, Obligations::Freed& freed) {
    const Level level = table->level;
    freed.charge += 1;
    freed.tables += 1;
    if (table->live == 0) freed.reclaimable += 1;
    const auto* slots = static_cast<const Slot*>(direct(table->frame));
    for (unsigned index = 0, left = table->live; left != 0; ++index) {
        const Entry entry = slots[index].load();
        if (entry.empty()) continue;
        --left;
        if (entry.is_table(level)) {
            dismantle(frame_record(entry.frame()).table, freed);
            continue;
        }
        freed.charge += charge_of(entry, level);
        if (const PhysAddr frame = private_frame(entry, level); frame.value != 0) {
            freed.anonymous += 1;
            release_frame(frame);
        }
    }
    free_table(table);
}

} // namespace

void Obligations::flush(AddressSpace& space) {
    if (hull_.empty()) return;
    port::flush({&space, hull_, tables_changed_});
    hull_ = {};
}

Obligations::Freed Obligations::release() {
    require(hull_.empty(), "freed before the flush");
    while (frames_.value != 0) {
        const PhysAddr frame = frames_;
        frames_ = PhysAddr{std::uint64_t{frame_record(frame).next} << page_bits};
        release_frame(frame);
    }
    Freed freed{};
    while (tables_ != nullptr) {
        TableDescriptor* table = tables_;
        tables_ = table->next;
        dismantle(table, freed);
    }
    return freed;
}

} // namespace vm
