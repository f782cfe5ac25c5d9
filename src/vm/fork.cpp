// SPDX-License-Identifier: MIT
// fork: a space that is made the same as another one. Only page tables are shared; upper tables are
// copied, without what is empty.
//
//            parent                      child
//            [PD] r-- ──┐         ┌── r-- [PD]
//                 rw- ──┼──► (PT) ◄───────┘         a table with many pages
//                       └──► [PT]   [PT] ◄── rw-    one with few: its pages are shared instead
#include "vm/transaction.hpp"

#include <bit>
#include <limits>
#include <utility>

namespace vm {

/// A copy in the making.
struct Transaction::Copy {
    AddressSpace& space;
    std::uint64_t charge = 0; ///< pages of what it has, but for `paid` and the root
    std::uint64_t paid = 0;   ///< pages of charge of tables, before they were made
    std::uint64_t left = 0;   ///< pages of the original's charge that become its quotas'
    /// Tables that stay locked until the flush, so that who found them before, as the original's
    /// own, finds out. Through `next`.
    TableDescriptor* just_shared = nullptr;

    Result<TableDescriptor*> make_table(Level level) {
        const std::uint64_t price = table_charge(level);
        TRY(space.account_.charge({price}));
        paid += price;
        return vm::make_table(level);
    }
    void give_table(TableDescriptor* table) {
        const std::uint64_t price = table_charge(table->level);
        free_table(table);
        paid -= price;
        space.account_.release({price});
    }
    /// Lets the copy have a page table as others do; gives the entry of all of them.
    Entry link(const TableDescriptor& table, const TableRef& to, unsigned index) {
        const Entry narrowed = Entry::table(table.frame, true, false);
        charge += charge_of_shared(table);
        put(to, index, narrowed);
        return narrowed;
    }
    /// Gives the copy a page table of its own, with the same pages as another one, `from`.
    Result<void> copy_at_once(const TableRef& from, const TableRef& to, unsigned index) {
        TableDescriptor* const made = TRY(make_table(1));
        copy_pages(from, *made);
        made->longest.reset(from.descriptor->longest.pages()); // no more than was promised above
        charge += from.descriptor->charge;
        put(to, index, Entry::table(made->frame, true));
        return {};
    }
    /// Lets it say what an entry says that holds no page of the original's own.
    void repeat(const TableRef& to, unsigned index, Entry entry) {
        charge += charge_of(entry, to.level);
        if (entry.is_graft(to.level)) [[unlikely]]
            frame_record(entry.frame()).references.fetch_add(1, std::memory_order_relaxed);
        if (!entry.empty()) put(to, index, entry);
    }
    static void put(const TableRef& to, unsigned index, Entry entry) {
        to.slots[index].store(entry);
        to.descriptor->count(index, Entry::absent(), entry);
    }
};

namespace {

/// Page tables with no more entries than this are copied at once: the first write to each, by
/// either space, would cost more.
constexpr unsigned few_entries = 16;
constexpr std::uint16_t references_limit = std::numeric_limits<std::uint16_t>::max();

} // namespace

Result<void> Transaction::copy_table(const TableRef& from, const TableRef& to, Copy& copy) {
    // From the top down, while searches lower from below: what stands above covers what is below,
    // and the longest of all slots what each has.
    to.descriptor->longest.reset(from.descriptor->longest.pages());
    to.descriptor->summary->assign(*from.descriptor->summary);
    const bool root = from.level == space_.levels_;
    const unsigned end = root ? from.index_of(range_.end - 1) + 1 : table_entries;
    for (unsigned word = 0; word * 64 < end; ++word) {
        for (std::uint64_t left = ~from.descriptor->free_word(word); left != 0; left &= left - 1) {
            const unsigned index = word * 64 + static_cast<unsigned>(std::countr_zero(left));
            if (index >= end) break;
            const Entry entry = from.slots[index].load();
            if (entry.is_table(from.level) || private_frame(entry, from.level).value != 0) {
                TRY(copy_below(from, to, index, copy));
            } else {
                copy.repeat(to, index, entry);
            }
        }
    }
    return {};
}

Result<void> Transaction::copy_below(const TableRef& from, const TableRef& to, unsigned index,
                                     Copy& copy) {
    Entry entry = from.slots[index].load();
    if (!entry.is_table(from.level)) {
        // A block has one count of users: by pages from here on, until it folds again.
        reserved_[0] = TRY(make_table(1)); // that is what the block was charged for
        split(from, index, entry);
        entry = from.slots[index].load();
    }
    const TableRef child = from.below(entry, index);
    if (child.level == 1) return copy_page_table(child, from, to, index, copy);
    if (child.descriptor->idle) {
        copy.repeat(to, index, child.slots[0].load());
        return {};
    }
    TableDescriptor* const made = TRY(copy.make_table(child.level));
    const Entry link = Entry::table(made->frame, true);
    const TableRef below = table_at(made->frame, child.level, child.base);
    Copy::put(to, index, link);
    TRY(copy_table(child, below, copy));
    // Without what was empty in it, or folded, one entry may say what it says.
    const Entry all = below.slots[0].load();
    if (all.has_page() || !made->holds_only(all, below.slots)) return {};
    to.slots[index].store(all);
    to.descriptor->count(index, link, all);
    copy.charge += charge_of(all, to.level) - table_entries * charge_of(all, below.level);
    copy.give_table(made);
    return {};
}

Result<void> Transaction::copy_page_table(const TableRef& child, const TableRef& from,
                                          const TableRef& to, unsigned index, Copy& copy) {
    TableDescriptor& table = *child.descriptor;
    const VirtRange span{child.base, child.base + level_size(from.level)};
    if (from.slots[index].load().is_narrowed()) return copy_shared(child, to, index, copy);
    if (table.idle) {
        const Entry all = child.slots[0].load();
        if (!all.has_page()) {
            copy.repeat(to, index, all);
            return {};
        }
        forget_idle(table, space_.translations_.number); // a block: it has other users soon
        table.idle = false;
    }
    if (table.live <= few_entries) {
        TRY(copy.copy_at_once(child, to, index));
        obligations_.owe(span);
        return {};
    }
    table.references.fetch_add(1, std::memory_order_relaxed);
    copy.left += unpromised_pages(table);
    from.slots[index].exchange(copy.link(table, to, index));
    obligations_.owe_tables(span);
    table.next = copy.just_shared;
    copy.just_shared = &table;
    return {};
}

Result<void> Transaction::copy_shared(const TableRef& child, const TableRef& to, unsigned index,
                                      Copy& copy) {
    TableDescriptor& table = *child.descriptor;
    const vm::Guard guard(table.lock);
    if (table.references.load(std::memory_order_relaxed) != references_limit) {
        table.references.fetch_add(1, std::memory_order_relaxed);
        copy.link(table, to, index);
        return {};
    }
    return copy.copy_at_once(child, to, index); // nobody can write its pages: no flush
}

Result<void> Transaction::copy_into(Copy& copy) {
    applied_ = true; // whatever happens: the space says what it said
    const AddressSpace& space = copy.space;
    const TableRef root = table_at(space.root_, space.levels_, space.top_base());
    const auto copied = copy_table(top_, root, copy);
    mirror(space, root, 0, root.index_of(range_.end - 1));
    if (copy.left != 0) space_.account_.leave_to_quotas({copy.left});
    if (obligations_.owes()) obligations_.flush(space_);
    while (copy.just_shared != nullptr) {
        TableDescriptor* const table = copy.just_shared;
        copy.just_shared = std::exchange(table->next, nullptr);
        table->lock.unlock();
    }
    return copied;
}

Result<void> AddressSpace::fork_into(AddressSpace& child) {
    child.account_.count_as(account_); // what both have and nobody was promised counts there
    TRY(child.create());
    Transaction::Copy copy{child};
    auto copied = [&]() -> Result<void> {
        TRY(share_ids(child)); // first: whoever adds an id from here on clones the table
        Transaction transaction(*this, range_, Detach::no, nullptr, Sharing::stays);
        const auto done = transaction.copy_into(copy);
        transaction.commit();
        return done;
    }();
    child.being_made_.store(false);
    if (copied) copied = child.account_.charge({copy.charge});
    if (copied) return {};
    child.take_apart();
    child.account_.release({root_charge() + copy.paid});
    child.account_.settle();
    return copied;
}

} // namespace vm
