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

/// What a table holds that nobody can reach any more, one entry after the other.
class Dismantling {
public:
    explicit Dismantling(Obligations::Freed& freed) : freed_(freed) {}

    /// A table with all below it.
    void table(TableDescriptor* table) {
        freed_.charge += 1;
        freed_.tables += 1;
        if (table->idle) freed_.reclaimable += 1;
        const auto* const slots = static_cast<const Slot*>(direct(table->frame));
        if (table->level == 1) {
            pages(slots, table->live);
        } else {
            entries(slots, table->live, table->level);
        }
        free_table(table);
    }

private:
    void entries(const Slot* slots, unsigned live, Level level) {
        for (; live != 0; ++slots) {
            const Entry entry = slots->load();
            if (entry.empty()) continue;
            --live;
            if (entry.is_table(level)) {
                table(frame_record(entry.frame()).table);
            } else {
                other(entry, level);
            }
        }
    }
    /// The same for a page table, where nearly all entries are private pages.
    void pages(const Slot* slots, unsigned live) {
        std::uint64_t frames = live;
        for (; live != 0; ++slots) {
            const Entry entry = slots->load();
            if (entry.is_own_page() && drop_.take(entry.frame())) [[likely]] {
                --live;
            } else if (!entry.empty()) {
                --live;
                --frames;
                other(entry, 1);
            }
        }
        freed_.charge += frames;
        freed_.anonymous += frames;
    }
    void other(Entry entry, Level level) {
        freed_.charge += charge_of(entry, level);
        const PhysAddr frame = private_frame(entry, level);
        if (frame.value == 0) return;
        freed_.anonymous += 1;
        if (!drop_.take(frame)) release_frame(frame);
    }

    Obligations::Freed& freed_;
    FrameDrop drop_;
};

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
    Dismantling dismantling(freed);
    while (tables_ != nullptr) {
        TableDescriptor* table = tables_;
        tables_ = table->next;
        dismantling.table(table);
    }
    return freed;
}

} // namespace vm
