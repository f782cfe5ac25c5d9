// SPDX-License-Identifier: MIT
// Flush obligations: flush first, free after.
#include "vm/obligations.hpp"

#include "vm/charge.hpp"
#include "vm/idle.hpp"
#include "vm/space.hpp"

namespace vm {

namespace {
/// Frame numbers of what has other users: they can't be chained through the records, where the
/// others may do the same. A CPU has one transaction at a time that owes something.
struct alignas(64) SharedFrames {
    Plain<std::uint32_t> numbers[32];
};
constinit SharedFrames shared_frames[port::cpu_limit]{};
} // namespace

bool Obligations::own_shared(PhysAddr frame) {
    auto& numbers = shared_frames[port::cpu()].numbers;
    if (shared_count_ == std::size(numbers)) return false;
    numbers[shared_count_++] = static_cast<std::uint32_t>(frame.value >> page_bits);
    return true;
}

void Obligations::own_table(TableDescriptor* table, VirtRange range) {
    owe_tables(range);
    table->next = tables_;
    tables_ = table;
}

namespace {

/// What a table holds that nobody can reach any more, one entry after the other.
class Dismantling {
public:
    explicit Dismantling(const AddressSpace& space)
        : account_(space.account()), space_(space.translations().number),
          root_level_(space.levels()) {}

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
    /// A page table that others may have: its charge is this space's, the rest goes with the last.
    void shared_table(TableDescriptor* table) {
        const unsigned unpromised = unpromised_pages(*table);
        charge_ += table_charge(1) + table->charge - unpromised;
        if (table->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        if (unpromised != 0) account_.release_left({unpromised});
        pages(static_cast<const Slot*>(direct(table->frame)), table->live);
        free_table(table);
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
                TableDescriptor* const child = frame_record(entry.frame()).table;
                if (entry.is_narrowed()) [[unlikely]]
                    shared_table(child);
                else
                    table(child);
            } else {
                charge_ += charge_of(entry, level);
                if (entry.has_page()) drop(entry, level);
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
                if (entry.has_page()) drop(entry, 1);
            }
        }
    }
    /// The frame that an entry holds, which has one.
    [[gnu::noinline]] void drop(Entry entry, Level level) {
        const PhysAddr frame = held_frame(entry, level);
        if (entry.is_shared()) note_written(entry);
        if (frame.value != 0 && !drop_.take(frame)) release_frame(frame);
    }

    const Account& account_;
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
    if (shared_count_ != 0) [[unlikely]]
        return dismantling.charge() + drop_shared(space);
    return dismantling.charge();
}

std::uint64_t Obligations::drop_shared(const AddressSpace& space) {
    require(hull_.empty(), "dropped before the flush");
    Dismantling dismantling(space);
    const auto& numbers = shared_frames[port::cpu()].numbers;
    while (shared_count_ != 0) {
        const PhysAddr frame{std::uint64_t{numbers[--shared_count_]} << page_bits};
        if (frame_record(frame).kind == FrameKind::table)
            dismantling.shared_table(frame_record(frame).table);
        else
            release_frame(frame);
    }
    return dismantling.charge();
}

} // namespace vm
