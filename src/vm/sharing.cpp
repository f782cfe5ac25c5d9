// SPDX-License-Identifier: MIT
// Page tables that several spaces have: how a space gets its own again.
//
//   parent entries   r-- each of them, so that nobody writes a page or an entry that others read
//   a write          the last one that has the table takes it back; else a copy, and then both
//                    tables' pages have a user more each
//
// The table's lock is the last table lock that is taken, whichever way one came to it.
#include "vm/free_runs.hpp"
#include "vm/transaction.hpp"

#include <bit>

namespace vm {

void Transaction::step_down() {
    const unsigned index = top_.index_of(range_.start);
    if (index != top_.index_of(range_.end - 1)) return;
    Entry link = top_.slots[index].load();
    if (!link.is_table(top_.level) || !link.is_narrowed()) [[likely]]
        return;
    if (sharing_ == Sharing::stays || detaches(spot(top_, index, range_))) return;
    if (sharing_ == Sharing::ends) {
        get_own(top_, index);
        if (lacks_tables_) return;
        link = top_.slots[index].load();
    }
    const TableRef child = top_.below(link, index);
    if (sharing_ != Sharing::ends) child.descriptor->lock.lock();
    // Its link does not change as long as this one is locked.
    top_.descriptor->lock.unlock();
    top_ = child;
}

Result<void> Transaction::make_own(const TableRef& directory, unsigned index) {
    const TableRef shared = directory.below(directory.slots[index].load(), index);
    const auto is_sole = [&] {
        return shared.descriptor->references.load(std::memory_order_acquire) == 1;
    };
    // Nobody but this space, whose directory is locked, could give it to others again.
    TableDescriptor* made = nullptr;
    unsigned unpromised = 0;
    if (!is_sole()) {
        unpromised = unpromised_pages(*shared.descriptor); // none comes or goes meanwhile
        TRY(space_.account_.charge({unpromised}));
        const auto table = make_table(1);
        if (!table) {
            space_.account_.release({unpromised});
            return table.error();
        }
        made = *table;
    }
    shared.descriptor->lock.lock();
    if (is_sole()) {
        if (made != nullptr && unpromised != 0) space_.account_.release({unpromised});
        unpromised = unpromised_pages(*shared.descriptor);
        if (unpromised != 0) space_.account_.take_from_quotas({unpromised});
        directory.slots[index].store(Entry::table(shared.descriptor->frame, !space_.kernel_));
        note_block(shared);
        if (const Entry first = shared.slots[0].load(); !first.has_page()) note_idle(shared, first);
        if (made != nullptr) free_table(made);
        return {};
    }
    copy_pages(shared, *made);
    // What the shared one promises may be more than is promised above it by now.
    made->longest.reset(longest_empty(*made));
    kept_ += table_charge(1) + made->charge - unpromised;
    made->lock.lock(); // until the flush: others find it by its entry
    directory.slots[index].exchange(Entry::table(made->frame, !space_.kernel_));
    shared.descriptor->lock.unlock();
    obligations_.owe_tables({shared.base, shared.base + level_size(directory.level)});
    drop_shared(shared.descriptor->frame);
    const TableRef own = table_at(made->frame, 1, shared.base);
    note_idle(own, own.slots[0].load());
    return {};
}

void Transaction::get_own(const TableRef& directory, unsigned index) {
    const auto made = make_own(directory, index);
    if (made) return;
    lacks_tables_ = true;
    lacking_ = made.error();
}

void Transaction::copy_pages(const TableRef& from, TableDescriptor& to) {
    TableDescriptor& original = *from.descriptor;
    auto* const slots = static_cast<Slot*>(direct(to.frame));
    for (unsigned word = 0; word < std::size(original.free); ++word) {
        to.free[word] = original.free[word];
        for (std::uint64_t left = ~original.free_word(word); left != 0; left &= left - 1) {
            const unsigned index = word * 64 + static_cast<unsigned>(std::countr_zero(left));
            Entry entry = from.slots[index].load();
            if (entry.is_sole_page()) [[likely]] {
                frame_record(entry.frame()).references.fetch_add(1, std::memory_order_relaxed);
                from.slots[index].add_users();
                entry = entry.with_users();
            } else if (const PhysAddr frame = held_frame(entry, 1); frame.value != 0) {
                frame_record(frame).references.fetch_add(1, std::memory_order_relaxed);
                // An object's page stays what it is, shared by all or copied when it is written.
                if (!entry.is_cow() && !entry.is_shared()) {
                    entry = entry.with_users();
                    from.slots[index].store(entry); // parked: the processor notes nothing here
                }
            }
            slots[index].store(entry);
        }
    }
    to.live = original.live;
    to.frames = original.frames;
    to.charge = original.charge;
    to.unpromised = original.unpromised;
    to.base = original.base;
    to.differing = original.differing;
}

} // namespace vm
