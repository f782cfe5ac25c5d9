// SPDX-License-Identifier: MIT
// Transaction: the only way in which tables change.
//
//   lock       the lowest table that covers the range, and all tables below it within the range
//   look       `look(visitor)`: check every entry, add up what the change will cost
//   reserve    tables and charge, before the first change: from here on nothing can fail
//   apply      `apply(change)`: split what is covered in part, change what is covered whole
//   commit     flush once, unlock, then free what was replaced
//
// A transaction that is destroyed before `apply` leaves everything as it was.
#pragma once

#include "vm/charge.hpp"
#include "vm/idle.hpp"
#include "vm/obligations.hpp"
#include "vm/space.hpp"
#include "vm/table.hpp"

#include <algorithm>

namespace vm {

/// Which tables an operation may replace as a whole.
enum class Detach : bool { no, yes };

/// When what was replaced is freed.
enum class Freeing : bool {
    after_unlock, ///< the charge is given back afterwards
    under_locks,  ///< where its charge stays, and pays for what may be touched from then on
};

class Transaction {
public:
    /// Locks the tables of a page-aligned, not empty range inside the space's. With Detach::yes,
    /// wholly covered tables will be unlinked with all below them.
    Transaction(AddressSpace& space, VirtRange range, Detach detach = Detach::no);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    /// Calls visitor(Entry, const Spot&) -> Result<void> for every entry of the range that is no
    /// table, empty ones included, and for every table that will be unlinked; stops at an error.
    template <typename Visitor>
    Result<void> look(Visitor&& visitor) const {
        return look_in(top_, range_, visitor);
    }

    /// Whether an entry of a table at `level` maps nothing: empty, or a table of such.
    static bool is_hole(Entry entry, Level level);
    /// The entry that decides about a range of one page, and its level.
    AddressSpace::Located decisive() const {
        return {top_.slots[top_.index_of(range_.start)].load(), top_.level};
    }

    /// Takes the tables that `apply` will need, with their charge, and charges `charge` pages more:
    /// tables below entries covered in part, or standing above `leaf_level`, for which
    /// splits(Entry) holds. Where a limit is met, what `surplus()` gives pays instead: pages of
    /// charge that `commit` would give back. Errors: no_memory, limit_reached.
    template <typename Splits, typename Surplus>
    Result<void> reserve(std::uint64_t charge, Level leaf_level, Splits&& splits,
                         Surplus&& surplus) {
        leaf_level_ = leaf_level;
        Need need{};
        if (top_.level > 1) need_in(top_, range_, splits, need);
        if (const std::uint64_t pages = charge + need.charge() - need.prepaid; pages != 0) {
            if (const auto charged = space_.account_.charge({pages}); charged) {
                charged_ = pages;
            } else {
                const std::uint64_t spent = std::min<std::uint64_t>(pages, surplus());
                if (spent == 0) return charged;
                TRY(charge_beyond(spent, pages));
            }
        }
        return need.tables == 0 ? Result<void>{} : make_tables(need);
    }
    /// The same where nothing is given back.
    template <typename Splits>
    Result<void> reserve(std::uint64_t charge, Level leaf_level, Splits&& splits) {
        return reserve(charge, leaf_level, splits, [] { return 0U; });
    }
    /// The charge of what the range holds, entries left out for which leaves(Entry) does not hold:
    /// the surplus where all else leaves the map.
    template <typename Leaves>
    std::uint64_t charge_within(Leaves&& leaves) const {
        std::uint64_t charge = 0;
        const auto seen = look([&](Entry entry, const Spot& where) -> Result<void> {
            if (entry.is_table(where.level)) {
                charge += charge_of_table(entry.frame(), where.level - 1);
            } else if (leaves(entry)) {
                charge += charge_of(entry, where);
            }
            return {};
        });
        return seen ? charge : 0;
    }

    /// Changes the entries, after `reserve` with the same `splits`: change(Entry old, const Spot&)
    /// gives the new entry for each one that is wholly covered and no table (a detached table
    /// counts as one empty entry). If it empties any, nothing in the range is mapped afterwards.
    /// Entries covered in part are split first where `splits` holds,
    /// and left alone elsewhere. Private frames that leave the map are freed by `commit`.
    template <typename Splits, typename Change>
    void apply(Splits&& splits, Change&& change) {
        apply_in(top_, range_, splits, change);
        applied_ = true;
    }

    /// Puts what an idle table holds in its parent's entry, if the range is all that an idle table
    /// maps. Instead of `apply`.
    bool fold();

    /// Unlocks and gives back what was reserved, as if it had not been begun. Before `apply`.
    void leave();

    /// Flushes, unlocks, frees what was replaced, and gives back `released` pages of charge and
    /// those of detached tables and all below them.
    void commit(std::uint64_t released = 0, Freeing freeing = Freeing::after_unlock);

private:
    struct Need {
        std::uint64_t tables = 0;  ///< tables to make
        std::uint64_t upper = 0;   ///< of these, those above level 1
        std::uint64_t prepaid = 0; ///< pages of charge that split entries leave to their tables

        std::uint64_t charge() const {
            return (tables - upper) * table_charge(1) + upper * table_charge(2);
        }
    };

    template <typename Visitor>
    Result<void> look_in(const TableRef& table, VirtRange range, Visitor& visitor) const;
    template <typename Splits>
    void need_in(const TableRef& table, VirtRange range, Splits& splits, Need& need) const;
    template <typename Splits, typename Change>
    void apply_in(const TableRef& table, VirtRange range, Splits& splits, Change& change);
    /// The same in a page table, where nothing is split and nothing lies below.
    template <typename Change>
    void apply_to_pages(const TableRef& table, VirtRange range, Change& change);

    /// The part of `range` that slot `index` of `table` maps.
    static Spot spot(const TableRef& table, unsigned index, VirtRange range);
    bool detaches(const Spot& where) const { return detach_ == Detach::yes && where.whole; }
    /// Tables needed below one entry of a table at `level` to give `range` entries of its own. Adds
    /// those above level 1 to `upper`.
    std::uint64_t tables_below(Level level, VirtRange range, std::uint64_t& upper) const;
    /// Charges what `spent` pages of the surplus leave of `pages`.
    Result<void> charge_beyond(std::uint64_t spent, std::uint64_t pages);
    Result<void> make_tables(const Need& need);
    /// The charge of a table and all below it.
    static std::uint64_t charge_of_table(PhysAddr frame, Level level);
    /// Links a reserved table, filled with copies of `entry` or its pages, in the entry's place.
    TableRef split(const TableRef& table, unsigned index, Entry entry);
    void unlink(const TableRef& table, unsigned index, Entry old, Entry now, const Spot& where);
    /// Whether the table below, which was just changed, is to be folded at once.
    bool folds(const TableRef& child, const Spot& where) const;
    /// Replaces the idle table below an entry by what it holds.
    void fold_below(const TableRef& table, unsigned index, Entry link, const Spot& where);
    /// The same for a table of a block's pages: they become one.
    void fold_block(const TableRef& table, unsigned index, Entry link);
    /// Takes a large leaf from the processors before its page size changes; gives it as they left
    /// it.
    Entry make_absent(const TableRef& table, unsigned index, Entry leaf);
    /// After changes in entries [first, last] of a table, or below them. `changed`: the one that
    /// was stored last in the table itself, table_entries if none was.
    void finish(const TableRef& table, unsigned first, unsigned last, unsigned changed);
    /// Marks an unlinked table and all below it stale, and unlocks them: whoever walked there
    /// without a lock and waits for one of theirs starts again.
    static void retire(const TableRef& table);
    void put(const TableRef& table, unsigned index, Entry old, Entry now, const Spot& where);
    /// Writes entries [first, last] of the root, which were changed, into user mode's too.
    void mirror(const TableRef& root, unsigned first, unsigned last) const;
    /// Notes whether the table is idle, and counts it.
    void note_idle(const TableRef& table, Entry latest);
    void set_idle(const TableRef& table, bool idle, bool huge);
    /// The same for a page table with huge memory, after any change: its pages may be one.
    void note_block(const TableRef& table);
    void lock_top();
    /// Calls visit(TableRef, VirtRange) for the tables right below `table` within the range.
    template <typename Visit>
    static void for_tables_below(const TableRef& table, VirtRange range, Visit&& visit);
    static void lock_below(const TableRef& table, VirtRange range);
    static void unlock_below(const TableRef& table, VirtRange range);

    AddressSpace& space_;
    const VirtRange range_;
    const Detach detach_;
    TableRef top_{};
    Level leaf_level_ = level_max;
    bool applied_ = false;
    bool freed_ = false; ///< an entry became empty
    /// A table became idle, and this CPU has left a few already, or large pages come of it.
    bool keeps_too_many_ = false;
    /// Chained through `next`: [0] for level 1, [1] for those above, which have summaries.
    TableDescriptor* reserved_[2] = {};
    std::uint64_t charged_ = 0; ///< to be given back if nothing is applied
    std::uint64_t kept_ = 0;    ///< of the charge of what leaves: stays for what comes
    Freeing freeing_ = Freeing::after_unlock;
    Obligations obligations_;
};

inline Spot Transaction::spot(const TableRef& table, unsigned index, VirtRange range) {
    const VirtAddr start = table.address_of(index);
    const VirtAddr end = start + level_size(table.level);
    const VirtRange covered{std::max(start, range.start), std::min(end, range.end)};
    return {table.level, covered, covered.start == start && covered.end == end};
}

inline void Transaction::put(const TableRef& table, unsigned index, Entry old, Entry now,
                             const Spot& where) {
    Slot& slot = table.slots[index];
    if (old.present()) {
        if (now.has_page_of(old)) {
            slot.restate(old, now);
        } else {
            slot.exchange(now);
        }
        if (!now.present() || now.frame() != old.frame() || !now.allows_all_of(old))
            obligations_.owe(where.range);
    } else {
        slot.store(now);
    }
    const PhysAddr before = private_frame(old, where.level);
    const PhysAddr after = private_frame(now, where.level);
    if (before != after) {
        std::uint32_t frames = table.descriptor->frames;
        const auto pages = static_cast<std::uint32_t>(level_pages(where.level));
        if (before.value != 0) {
            obligations_.own_frame(before);
            frames -= pages;
        }
        if (after.value != 0) frames += pages;
        table.descriptor->frames = frames;
    }
    table.descriptor->count(index, old, now);
    freed_ = freed_ || now.empty();
}

inline void Transaction::note_idle(const TableRef& table, Entry latest) {
    TableDescriptor& descriptor = *table.descriptor;
    const bool idle =
        !latest.present() && !latest.is_parked() && descriptor.holds_only(latest, table.slots);
    if (idle != descriptor.idle) set_idle(table, idle, latest.is_huge());
}

inline void Transaction::finish(const TableRef& table, unsigned first, unsigned last,
                                unsigned changed) {
    if (table.level == space_.levels_) {
        mirror(table, first, last);
    } else if (changed < table_entries) {
        note_idle(table, table.slots[changed].load());
    }
}

template <typename Visitor>
Result<void> Transaction::look_in(const TableRef& table, VirtRange range, Visitor& visitor) const {
    if (table.level == 1) {
        const Slot* slot = table.slots + table.index_of(range.start);
        for (VirtAddr page = range.start; page < range.end; page = page + page_size)
            TRY(visitor((slot++)->load(), Spot{1, {page, page + page_size}, true}));
        return {};
    }
    const unsigned last = table.index_of(range.end - 1);
    for (unsigned index = table.index_of(range.start); index <= last; ++index) {
        const Entry entry = table.slots[index].load();
        const Spot where = spot(table, index, range);
        if (!entry.is_table(table.level) || detaches(where)) {
            TRY(visitor(entry, where));
        } else {
            TRY(look_in(table.below(entry, index), where.range, visitor));
        }
    }
    return {};
}

template <typename Splits>
void Transaction::need_in(const TableRef& table, VirtRange range, Splits& splits,
                          Need& need) const {
    const unsigned last = table.index_of(range.end - 1);
    if (table.level == 1) return;
    for (unsigned index = table.index_of(range.start); index <= last; ++index) {
        const Entry entry = table.slots[index].load();
        const Spot where = spot(table, index, range);
        if (entry.is_table(table.level)) {
            if (!detaches(where)) need_in(table.below(entry, index), where.range, splits, need);
        } else if ((!where.whole || table.level > leaf_level_) && splits(entry)) {
            const std::uint64_t before = need.charge();
            need.tables += tables_below(table.level, where.range, need.upper);
            if (charge_of(entry, table.level) != 0) need.prepaid += need.charge() - before;
        }
    }
}

template <typename Change>
void Transaction::apply_to_pages(const TableRef& table, VirtRange range, Change& change) {
    unsigned index = table.index_of(range.start);
    Entry entry;
    unsigned changed = table_entries;
    VirtRange narrowed{range.start, range.start};
    for (VirtAddr page = range.start; page < range.end; page = page + page_size, ++index) {
        const Spot where{1, {page, page + page_size}, true};
        entry = table.slots[index].load();
        const Entry now = change(entry, where);
        if (now == entry) continue;
        if (entry.has_page_of(now)) { // other rights: nothing to count
            table.slots[index].restate(entry, now);
            if (!now.allows_all_of(entry)) {
                if (narrowed.empty()) narrowed.start = page;
                narrowed.end = page + page_size;
            }
            continue;
        }
        put(table, index, entry, now, where);
        changed = index;
    }
    if (!narrowed.empty()) obligations_.owe(narrowed);
    if (changed < table_entries) note_idle(table, table.slots[changed].load());
    // The pages of a block were all huge before, whatever the change was.
    if (entry.is_huge()) [[unlikely]]
        note_block(table);
}

template <typename Splits, typename Change>
void Transaction::apply_in(const TableRef& table, VirtRange range, Splits& splits, Change& change) {
    if (table.level == 1) return apply_to_pages(table, range, change);
    const unsigned first = table.index_of(range.start);
    const unsigned last = table.index_of(range.end - 1);
    unsigned changed = table_entries; // the slot of the latest change
    for (unsigned index = first; index <= last; ++index) {
        const Entry entry = table.slots[index].load();
        const Spot where = spot(table, index, range);
        if (entry.is_table(table.level)) {
            if (detaches(where)) {
                unlink(table, index, entry, change(Entry::absent(), where), where);
                changed = index;
                continue;
            }
            const TableRef child = table.below(entry, index);
            apply_in(child, where.range, splits, change);
            if (folds(child, where)) {
                fold_below(table, index, entry, where);
                changed = index;
            }
        } else if (where.whole && table.level <= leaf_level_) {
            const Entry now = change(entry, where);
            if (now == entry) continue;
            put(table, index, entry, now, where);
            changed = index;
        } else if (splits(entry)) {
            const TableRef child = split(table, index, entry);
            changed = index;
            apply_in(child, where.range, splits, change);
        }
    }
    finish(table, first, last, changed);
}

} // namespace vm
