// SPDX-License-Identifier: MIT
// Flush obligations: flush first, free after.
#include "vm/obligations.hpp"

#include "vm/charge.hpp"
#include "vm/idle.hpp"
#include "vm/space.hpp"

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
    explicit Dismantling(const AddressSpace& space)
        : space_(space.translations().number), root_level_(space.levels()) {}

    /// A table with all below it.
    void table(TableDescriptor* table) {
        charge_ += table_charge(table->level) + table->charge;
        forget_idle(*table, space_);
        const auto* const slots = static_cast<const Slot*>(direct(table->frame));
        if (table->level == 1) {
            pages(slots, table->live);
        } else {
            entries(slots, table->live, table->level);
        }
        if (table->level == root_level_) {
            free_root(table);
        } else {
            free_table(table);
        }
    }
    /// Of all of them, in pages.
    std::uint64_t charge() const { return charge_; }

private:
    void entries(const Slot* slots, unsigned live, Level level) {
        for (; live != 0; ++slots) {
            const Entry entry = slots->load();
            if (entry.empty()) continue;
            --live;
            if (entry.is_table(level)) {
                table(frame_record(entry.frame()).table);
            } else {
                charge_ += charge_of(entry, level);
                drop(entry, level);
            }
        }
    }
    /// The same for a page table, where nearly all entries are private pages.
    [[gnu::noinline]] void pages(const Slot* slots, unsigned live) {
        for (; live != 0; ++slots) {
            const Entry entry = slots->load();
            if (entry.is_own_page() && drop_.take(entry.frame())) [[likely]] {
                --live;
            } else if (!entry.empty()) {
                --live;
                drop(entry, 1);
            }
        }
    }
    /// The frame that an entry holds.
    [[gnu::noinline]] void drop(Entry entry, Level level) {
        const PhysAddr frame = private_frame(entry, level);
        if (frame.value != 0 && !drop_.take(frame)) release_frame(frame);
    }

    const std::uint64_t space_;
    const Level root_level_;
    std::uint64_t charge_ = 0;
    FrameDrop drop_;
};

} // namespace

void Obligations::flush(AddressSpace& space) {
    port::flush({&space, hull_, tables_changed_});
    hull_ = {};
}

std::uint64_t Obligations::release(const AddressSpace& space) {
    require(hull_.empty(), "freed before the flush");
    while (frames_.value != 0) {
        const PhysAddr frame = frames_;
        frames_ = PhysAddr{std::uint64_t{frame_record(frame).next} << page_bits};
        release_frame(frame);
    }
    Dismantling dismantling(space);
    while (tables_ != nullptr) {
        TableDescriptor* table = tables_;
        tables_ = table->next;
        dismantling.table(table);
    }
    return dismantling.charge();
}

} // namespace vm
