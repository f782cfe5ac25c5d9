// SPDX-License-Identifier: MIT
// Flush obligations: flush first, free after.
#include "vm/transaction.hpp"

namespace vm {

void Obligations::flush(VirtRange range) {
    if (everything_) return;
    if (range_count_ != 0 && ranges_[range_count_ - 1].end == range.start) {
        ranges_[range_count_ - 1].end = range.end;
    } else if (range_count_ == range_limit) {
        everything_ = true;
    } else {
        ranges_[range_count_++] = range;
    }
}

void Obligations::own_frame(PhysAddr frame) {
    frame_record(frame).next = static_cast<std::uint32_t>(frames_.value >> page_bits);
    frames_ = frame;
}

void Obligations::own_table(TableDescriptor* table, VirtRange range) {
    flush(range);
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
        if (const auto frame = private_frame(entry, level)) {
            freed.anonymous += 1;
            release_frame(*frame);
        }
    }
    free_table(table);
}

} // namespace

Obligations::Freed Obligations::meet(const AddressSpace& space) {
    if (range_count_ != 0)
        port::flush({&space, {ranges_, range_count_}, everything_, tables_changed_});
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
