// SPDX-License-Identifier: MIT
// Transaction: the only way in which tables change.
//
//   lock       the lowest table that covers the range, and all tables below it within the range
//   look       `look(visitor)`: check every entry, add up what the change will cost
//   reserve    tables and charge, before the first change: from here on nothing can fail
//   apply      `apply(change)`: split what is covered in part, change what is covered whole
//   commit     unlock, flush once, then free what was replaced
//
// A transaction that is destroyed before `apply` leaves everything as it was.
#pragma once

#include "vm/space.hpp"
#include "vm/table.hpp"

#include <algorithm>

namespace vm {

/// What a change of mapping owes before the frames and tables that it replaced may be reused. It
/// owns them until then, so they can't be freed early.
class Obligations {
public:
    /// Present translations in the range lost rights or changed target.
    void flush(VirtRange range);
    /// A frame (block) that was replaced; its reference is dropped after the flush.
    void own_frame(PhysAddr frame);
    /// A table that was unlinked, with all below it; it mapped `range`.
    void own_table(TableDescriptor* table, VirtRange range);
    bool any() const { return !hull_.empty() || frames_.value != 0; }
    /// Flushes, then frees.
    struct Freed {
        std::uint64_t charge = 0;    ///< of the dismantled tables and of what stood in them, pages
        std::uint64_t anonymous = 0; ///< private frames
        std::uint64_t tables = 0;
        std::uint64_t reclaimable = 0; ///< of the tables, those that were empty
    };
    Freed meet(const AddressSpace& space);

private:
    VirtRange hull_{}; ///< of all that must be flushed
    bool tables_changed_ = false;
    PhysAddr frames_{};                 ///< chained through Frame::next
    TableDescriptor* tables_ = nullptr; ///< chained through TableDescriptor::next
};

/// Where `look` and `apply` are.
struct Spot {
    Level level;
    VirtRange range; ///< what of the transaction's range this entry maps
    bool whole;      ///< the range covers all that the entry maps
};

/// The private frame that an entry of a table at `level` holds, 0 if none: a leaf's or a parked
/// one, neither shared ("don't free me") nor the frame of zeros.
inline PhysAddr private_frame(Entry entry, Level level) {
    if (!entry.present())
        return entry.is_parked() && !entry.is_shared() ? entry.parked_frame() : PhysAddr{};
    if (entry.is_shared() || entry.is_table(level) || entry.frame() == zero_frame())
        return PhysAddr{};
    return entry.frame();
}

/// Charge of a promised entry by level: its pages, and a table for each 512 entries below it.
inline constexpr std::uint64_t charge_by_level[level_max + 1] = {
    0,
    1,
    512 + 1,
    512 * 513 + 1,
    512ULL * (512 * 513 + 1) + 1,
    512ULL * (512ULL * (512 * 513 + 1) + 1) + 1};

/// Pages charged for an entry of a table at `level`. A promised large entry is charged for the
/// tables below it too, so that touching it never needs a charge: splitting changes no sum.
inline std::uint64_t charge_of(Entry entry, Level level) {
    const auto promise = [&] {
        return entry.access().writable() && !entry.intent().noreserve ? charge_by_level[level] : 0;
    };
    if (!entry.present()) {
        const EntryKind kind = entry.kind(level);
        if (kind == EntryKind::lazy) return promise();
        return kind == EntryKind::parked && !entry.is_shared() ? 1 : 0;
    }
    if (entry.is_shared() || entry.is_table(level)) return 0;
    return entry.frame() == zero_frame() ? promise() : level_pages(level);
}
/// The same for what `where` covers of the entry, in the largest blocks that fit.
std::uint64_t charge_of(Entry entry, const Spot& where);

/// Which tables an operation may replace as a whole.
enum class Detach : bool { no, yes };

class Transaction {
public:
    /// Locks the tables of a page-aligned, not empty range inside the space's. With Detach::yes,
    /// wholly covered tables will be unlinked with all below them.
    Transaction(AddressSpace& space, VirtRange range, Detach detach = Detach::no);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    /// Calls visitor(Entry, const Spot&) -> Result<void> for every entry of the range that is no
    /// table, empty ones included; stops at an error.
    template <typename Visitor>
    Result<void> look(Visitor&& visitor) const {
        return look_in(top_, range_, false, visitor);
    }
    /// The same, but a table that will be unlinked counts as one entry.
    template <typename Visitor>
    Result<void> look_at_spots(Visitor&& visitor) const {
        return look_in(top_, range_, true, visitor);
    }

    /// Whether an entry of a table at `level` maps nothing: empty, or a table of such.
    static bool is_hole(Entry entry, Level level);
    /// The entry that decides about a range of one page, and its level.
    AddressSpace::Located decisive() const {
        return {top_.slots[top_.index_of(range_.start)].load(), top_.level};
    }

    /// Takes the tables that `apply` will need, with their charge, and charges `charge` pages more:
    /// tables below entries covered in part, or standing above `leaf_level`, for which
    /// splits(Entry) holds. Errors: no_memory, limit_reached.
    template <typename Splits>
    Result<void> reserve(std::uint64_t charge, Level leaf_level, Splits&& splits) {
        leaf_level_ = leaf_level;
        Need need{};
        if (top_.level > 1) need_in(top_, range_, splits, need);
        if (charge + need.tables == 0) return {};
        return take(need, charge);
    }

    /// Changes the entries, after `reserve` with the same `splits`: change(Entry old, const Spot&)
    /// gives the new entry for each one that is wholly covered and no table (a detached table
    /// counts as one empty entry). Entries covered in part are split first where `splits` holds,
    /// and left alone elsewhere. Private frames that leave the map are freed by `commit`.
    template <typename Splits, typename Change>
    void apply(Splits&& splits, Change&& change) {
        apply_in(top_, range_, splits, change);
        applied_ = true;
    }

    /// Unlocks, flushes, frees what was replaced, and gives back `released` pages of charge and
    /// those of detached tables and all below them.
    void commit(std::uint64_t released = 0);

private:
    struct Need {
        std::uint64_t tables = 0;  ///< tables to make
        std::uint64_t prepaid = 0; ///< of these, those that the split entry is charged for already
    };

    template <typename Visitor>
    Result<void> look_in(const TableRef& table, VirtRange range, bool spots,
                         Visitor& visitor) const;
    template <typename Splits>
    void need_in(const TableRef& table, VirtRange range, Splits& splits, Need& need) const;
    template <typename Splits, typename Change>
    void apply_in(const TableRef& table, VirtRange range, Splits& splits, Change& change);

    /// The part of `range` that slot `index` of `table` maps.
    static Spot spot(const TableRef& table, unsigned index, VirtRange range);
    bool detaches(const Spot& where) const { return detach_ == Detach::yes && where.whole; }
    /// Tables needed below one entry of a table at `level` to give `range` entries of its own.
    std::uint64_t tables_below(Level level, VirtRange range) const;
    Result<void> take(const Need& need, std::uint64_t charge);
    /// Links a reserved table, filled with copies of `entry`, in the entry's place.
    TableRef split(const TableRef& table, unsigned index, Entry entry);
    void unlink(const TableRef& table, unsigned index, Entry old, Entry now, const Spot& where);
    /// Marks an unlinked table and all below it stale, and unlocks them: whoever walked there
    /// without a lock and waits for one of theirs starts again.
    static void retire(const TableRef& table);
    void put(const TableRef& table, unsigned index, Entry old, Entry now, const Spot& where);
    /// Keeps the count of reclaimable tables, when a table became empty or ceased to be.
    void count_reclaimable(const TableRef& table, bool was_empty);
    void lock_top();
    void lock_below(const TableRef& table, VirtRange range);
    void unlock_below(const TableRef& table, VirtRange range);
    /// Lets a table promise its whole span again, since something in it became free.
    static void raise_promise(const TableRef& table) {
        const std::uint64_t whole = level_pages(table.level + 1);
        std::atomic<std::uint64_t>& longest = table.descriptor->longest;
        if (longest.load(std::memory_order_relaxed) != whole)
            longest.store(whole, std::memory_order_relaxed);
    }
    /// The same for all tables above the topmost locked one.
    void raise_promises();

    AddressSpace& space_;
    const VirtRange range_;
    const Detach detach_;
    TableRef top_{};
    Level leaf_level_ = level_max;
    bool applied_ = false;
    bool freed_ = false;                  ///< an entry became empty
    std::int64_t anonymous_ = 0;          ///< private frames gained or lost
    TableDescriptor* reserved_ = nullptr; ///< chained through `next`
    std::uint64_t charged_ = 0;           ///< to be given back if nothing is applied
    Obligations obligations_;
};

inline Spot Transaction::spot(const TableRef& table, unsigned index, VirtRange range) {
    const VirtAddr start = table.address_of(index);
    const VirtAddr end = start + level_size(table.level);
    const VirtRange covered{std::max(start, range.start), std::min(end, range.end)};
    return {table.level, covered, covered.start == start && covered.end == end};
}

inline void Obligations::flush(VirtRange range) {
    if (hull_.empty()) {
        hull_ = range;
    } else {
        hull_ = {std::min(hull_.start, range.start), std::max(hull_.end, range.end)};
    }
}

inline void Obligations::own_frame(PhysAddr frame) {
    frame_record(frame).next = static_cast<std::uint32_t>(frames_.value >> page_bits);
    frames_ = frame;
}

inline void Transaction::put(const TableRef& table, unsigned index, Entry old, Entry now,
                             const Spot& where) {
    Slot& slot = table.slots[index];
    if (old.present()) {
        slot.exchange(now);
        if (!now.present() || now.frame() != old.frame() || !now.allows_all_of(old))
            obligations_.flush(where.range);
    } else {
        slot.store(now);
    }
    const PhysAddr before = private_frame(old, table.level);
    const PhysAddr after = private_frame(now, table.level);
    if (before != after) {
        if (before.value != 0) {
            obligations_.own_frame(before);
            --anonymous_;
        }
        if (after.value != 0) ++anonymous_;
    }
    if (old.empty() != now.empty()) {
        table.descriptor->mark(index, now.empty());
        freed_ = freed_ || now.empty();
    }
}

template <typename Visitor>
Result<void> Transaction::look_in(const TableRef& table, VirtRange range, bool spots,
                                  Visitor& visitor) const {
    const unsigned last = table.index_of(range.end - 1);
    for (unsigned index = table.index_of(range.start); index <= last; ++index) {
        const Entry entry = table.slots[index].load();
        const Spot where = spot(table, index, range);
        if (!entry.is_table(table.level)) {
            TRY(visitor(entry, where));
        } else if (spots && detaches(where)) {
            TRY(visitor(entry, where));
        } else {
            TRY(look_in(table.below(entry, index), where.range, spots, visitor));
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
            const std::uint64_t tables = tables_below(table.level, where.range);
            need.tables += tables;
            if (charge_of(entry, table.level) != 0) need.prepaid += tables;
        }
    }
}

template <typename Splits, typename Change>
void Transaction::apply_in(const TableRef& table, VirtRange range, Splits& splits, Change& change) {
    const unsigned last = table.index_of(range.end - 1);
    const bool was_empty = table.descriptor->live == 0;
    for (unsigned index = table.index_of(range.start); index <= last; ++index) {
        const Entry entry = table.slots[index].load();
        const Spot where = spot(table, index, range);
        if (entry.is_table(table.level)) {
            if (detaches(where)) {
                unlink(table, index, entry, change(Entry::absent(), where), where);
            } else {
                apply_in(table.below(entry, index), where.range, splits, change);
            }
        } else if (where.whole && table.level <= leaf_level_) {
            const Entry now = change(entry, where);
            if (now != entry) put(table, index, entry, now, where);
        } else if (splits(entry)) {
            apply_in(split(table, index, entry), where.range, splits, change);
        }
    }
    if (freed_) raise_promise(table);
    count_reclaimable(table, was_empty);
}

} // namespace vm
