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
#include "vm/free_runs.hpp"
#include "vm/idle.hpp"
#include "vm/obligations.hpp"
#include "vm/space.hpp"
#include "vm/table.hpp"

namespace vm {

/// Which tables an operation may replace as a whole.
enum class Detach : bool { no, yes };

/// What becomes of page tables in the range that other spaces have too.
enum class Sharing : std::uint8_t {
    ends,     ///< the space gets its own: takes them back when nobody else has them, else copies
    in_place, ///< of one page: what the change says means the same to all who have the table
    stays,    ///< they are looked at only
};

/// When what was replaced is freed.
enum class Freeing : bool {
    after_unlock, ///< the charge is given back afterwards
    under_locks,  ///< where its charge stays, and pays for what may be touched from then on
};

/// What is known of a transaction when its code is compiled, so that most operations, on a few
/// pages, get code of their own.
enum class Extent : bool {
    any,
    page_table, ///< all in one page table: see `in_page_table`
};

class Transaction {
    friend class Transfer;
    struct TopOnly {};

public:
    /// Locks the tables of a page-aligned, not empty range inside the space's. With Detach::yes,
    /// wholly covered tables will be unlinked with all below them.
    /// `page_table`: the one in which the range lies, if a walk found it, and this CPU did not wait
    /// since.
    Transaction(AddressSpace& space, VirtRange range, Detach detach = Detach::no,
                TableDescriptor* page_table = nullptr, Sharing sharing = Sharing::ends);
    /// Locks the lowest table alone that covers the range: for `Transfer`, which goes on.
    Transaction(AddressSpace& space, VirtRange range, TopOnly);
    ~Transaction() {
        if (applied_) [[likely]]
            return;
        if (in_page_table() && has_nothing())
            top_.descriptor->lock.unlock();
        else
            leave();
    }
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    /// Calls visitor(Entry, const Spot&) -> Result<void> for the entries of the range that are no
    /// tables, empty ones included, once for as many in a row as are alike (Entry::is_alike) and
    /// covered whole; and for every table that will be unlinked. Stops at an error.
    template <Extent extent = Extent::any, typename Visitor>
    [[gnu::always_inline]] Result<void> look(Visitor&& visitor) {
        seen_ = Seen::run_by_table;
        if constexpr (extent == Extent::page_table)
            return look_at_pages(top_, range_, visitor);
        else
            return look_in(top_, range_, visitor);
    }
    /// Whether it may go on as Extent::page_table.
    bool in_page_table() const { return top_.level == 1; }

    /// Whether an entry of a table at `level` maps nothing: empty, or a table of such.
    static bool is_hole(Entry entry, Level level);
    /// The entry that decides about a range of one page, and its level. A table: the space could
    /// not get its own, and `lacking` says why.
    AddressSpace::Located decisive() const {
        return {top_.slots[top_.index_of(range_.start)].load(), top_.level};
    }

    struct Copy;
    /// Makes the copy, which is empty and which nobody uses yet, the same as the range, which is
    /// all of the space: page tables are shared from then on, and only the pages of those with few.
    /// Instead of all below, and `commit` follows even on an error: no_memory, limit_reached; then
    /// the copy is a part of it.
    Result<void> copy_into(Copy& copy);

    Error lacking() const { return lacking_; }

    /// Takes the tables that `apply` will need, with their charge, and charges `charge` pages more:
    /// tables below entries covered in part, or standing above `leaf_level`, for which
    /// splits(Entry) holds. Where a limit is met, what `surplus()` gives pays instead: pages of
    /// charge that `commit` would give back. Errors: no_memory, limit_reached.
    template <Extent extent = Extent::any, typename Splits, typename Surplus>
    [[gnu::always_inline]] Result<void> reserve(std::uint64_t charge, Level leaf_level,
                                                Splits&& splits, Surplus&& surplus) {
        leaf_level_ = leaf_level;
        Need need{};
        if constexpr (extent == Extent::any) {
            if (lacks_tables_) return lacking_;
            need_in(top_, range_, splits, need);
        }
        return reserve_needed(need, charge, surplus);
    }
    /// The same where nothing is given back.
    template <Extent extent = Extent::any, typename Splits>
    [[gnu::always_inline]] Result<void> reserve(std::uint64_t charge, Level leaf_level,
                                                Splits&& splits) {
        return reserve<extent>(charge, leaf_level, splits, [] { return 0U; });
    }
    /// The charge of what the range holds, entries left out for which leaves(Entry) does not hold:
    /// the surplus where all else leaves the map.
    template <typename Leaves>
    [[gnu::noinline]] std::uint64_t charge_within(Leaves&& leaves) {
        std::uint64_t charge = 0;
        const auto seen = look([&](Entry entry, const Spot& where) -> Result<void> {
            if (entry.is_table(where.level)) {
                charge += charge_below(entry, where.level);
            } else if (leaves(entry)) {
                charge += charge_of(entry, where);
            }
            return {};
        });
        return seen ? charge : 0;
    }

    /// Changes the entries, after `reserve` with the same `splits`: change(Entry old, const Spot&)
    /// gives the new entry for as many as `look` would show together (a detached table counts as
    /// one empty entry). Where each has its own page, it says what becomes of all by the first. If
    /// it empties any, nothing in the range is mapped afterwards.
    /// Entries covered in part are split first where `splits` holds,
    /// and left alone elsewhere. Private frames that leave the map are freed by `commit`.
    /// In a page table, `count_charge` has to follow.
    template <Extent extent = Extent::any, typename Splits, typename Change>
    [[gnu::always_inline]] void apply(Splits&& splits, Change&& change) {
        if constexpr (extent == Extent::page_table)
            apply_to_pages<Taken::together, extent>(top_, range_, change);
        else
            apply_in<Taken::together>(top_, range_, splits, change);
        applied_ = true;
    }
    /// By how many pages the charge of all that was applied rose: adds them up for the page table,
    /// if that is known to be the only one.
    template <Extent extent>
    void count_charge(std::uint64_t pages) {
        if constexpr (extent == Extent::page_table)
            top_.descriptor->charge += static_cast<std::uint16_t>(pages);
    }
    /// The same where new entries differ from one another: change() is called for each entry.
    template <typename Splits, typename Change>
    void apply_to_each(Splits&& splits, Change&& change) {
        apply_in<Taken::one_by_one>(top_, range_, splits, change);
        applied_ = true;
    }
    /// Instead of `apply` for a range of one page in a page table: its entry, which is neither
    /// empty nor parked, becomes `now`, which has a page, and is charged for `charge` pages more.
    [[gnu::always_inline]] void install(Entry old, Entry now, std::uint64_t charge) {
        const unsigned index = top_.index_of(range_.start);
        TableDescriptor& descriptor = *top_.descriptor;
        if (old.present()) {
            put(top_, index, old, now, {1, range_, true});
        } else {
            top_.slots[index].store(now);
            if (private_frame(now, 1).value != 0) descriptor.frames = descriptor.frames + 1;
            descriptor.count(index, old, now);
        }
        if (charge != 0) [[unlikely]] {
            descriptor.charge += 1;
            descriptor.unpromised |= now.intent().noreserve;
        }
        if (descriptor.idle) [[unlikely]]
            note_idle(top_, now);
        if (old.is_huge()) [[unlikely]]
            note_block(top_);
        applied_ = true;
    }

    /// The same for pages of an object, and around it, where entries are `old` too, for up to
    /// `before` and `behind` more: `model` says how the pages are mapped that `cached`, where the
    /// range's page stands in the object's cache, has there. Each has one user more then. Under the
    /// object's lock.
    [[gnu::always_inline]] void install_around(Entry old, Entry model, const Slot* cached,
                                               unsigned before, unsigned behind);

    /// Whether other spaces may have the page table in which the range lies.
    bool in_shared_table() const {
        return top_.descriptor->references.load(std::memory_order_acquire) != 1;
    }
    /// Takes the processor's right to write from pages for which wanted(Entry, VirtAddr) holds, of
    /// a page table and shared, and notes in their frames' records which were written. Instead of
    /// `apply`.
    template <typename Wanted>
    void take_writes(Wanted wanted) {
        for (VirtAddr at = range_.start; at < range_.end; at = at + page_size) {
            Slot& slot = top_.slots[top_.index_of(at)];
            const Entry entry = slot.load();
            if (!entry.present() || entry.is_cow() || !wanted(entry, at)) continue;
            const Entry last = slot.take_writes();
            if (last.dirty()) frame_record(last.frame()).written.store(true);
            if (last.dirty() || last.hardware_writable()) obligations_.owe({at, at + page_size});
        }
        applied_ = true;
    }

    /// Puts `now` in the place of the graft that is the decisive entry. Instead of `apply`.
    void forget_graft(Entry now);

    /// Puts what an idle table holds in its parent's entry, if the range is all that an idle table
    /// maps. Instead of `apply`.
    bool fold();

    /// Unlocks and gives back what was reserved, as if it had not been begun. Before `apply`.
    void leave();

    /// Flushes, unlocks, frees what was replaced, and gives back `released` pages of charge and
    /// those of detached tables and all below them.
    template <Extent extent = Extent::any>
    [[gnu::always_inline]] void commit(std::uint64_t released = 0,
                                       Freeing freeing = Freeing::after_unlock) {
        const bool plain = extent == Extent::page_table && !obligations_.any() &&
                           !obligations_.owes() && kept_ == 0 && !keeps_too_many_;
        if (!plain) return commit_all(released, freeing);
        if (freed_) raise_promises(range_);
        top_.descriptor->lock.unlock();
        if (released != 0) space_.account_.release({released});
    }

private:
    struct Need {
        std::uint64_t tables = 0;  ///< tables to make
        std::uint64_t upper = 0;   ///< of these, those above level 1
        std::uint64_t prepaid = 0; ///< pages of charge that split entries leave to their tables

        std::uint64_t charge() const {
            return (tables - upper) * table_charge(1) + upper * table_charge(2);
        }
    };

    /// How entries that are alike are shown to a change.
    enum class Taken : bool { one_by_one, together };

    template <typename Visitor>
    Result<void> look_in(const TableRef& table, VirtRange range, Visitor& visitor);
    /// The same in a page table, where nothing is split and nothing lies below.
    template <typename Visitor>
    Result<void> look_at_pages(const TableRef& table, VirtRange range, Visitor& visitor);
    template <typename Splits>
    void need_in(const TableRef& table, VirtRange range, Splits& splits, Need& need) const;
    template <Taken taken, typename Splits, typename Change>
    void apply_in(const TableRef& table, VirtRange range, Splits& splits, Change& change);
    template <Taken taken, Extent extent, typename Change>
    void apply_to_pages(const TableRef& table, VirtRange range, Change& change);

    /// The part of `range` that slot `index` of `table` maps.
    static Spot spot(const TableRef& table, unsigned index, VirtRange range);
    /// The same with all slots behind it that are alike and covered whole. `entry`, the slot's, is
    /// no table.
    static Spot alike_spot(const TableRef& table, unsigned index, Entry entry, VirtRange range);
    /// How many of the slots from `index` on, and before `end`, are alike. At least 1.
    static unsigned alike_slots(const TableRef& table, unsigned index, unsigned end, Entry entry);
    bool detaches(const Spot& where) const { return detach_ == Detach::yes && where.whole; }
    /// Tables needed below one entry of a table at `level` to give `range` entries of its own. Adds
    /// those above level 1 to `upper`.
    std::uint64_t tables_below(Level level, VirtRange range, std::uint64_t& upper) const;
    /// Charges what `spent` pages of the surplus leave of `pages`.
    Result<void> charge_beyond(std::uint64_t spent, std::uint64_t pages);
    Result<void> make_tables(const Need& need);
    /// `reserve`, once it is known what is needed.
    template <typename Surplus>
    [[gnu::always_inline]] Result<void> reserve_needed(const Need& need, std::uint64_t charge,
                                                       Surplus&& surplus);
    /// Gives back what was reserved and not used.
    void give_back();
    /// Meets what is owed until now, and lets go of what has other users: another transaction of
    /// this CPU may owe something then. Under the locks.
    void settle();
    /// The charge of the table that an entry at `level` leads to, and of all below it.
    static std::uint64_t charge_below(Entry link, Level level);
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
    /// After an object's page left an entry: its reference is dropped after the flush.
    void drop_object_page(Entry old, Entry now, const Spot& where);
    /// Replaces the entries of a spot, which are alike: `now` is what the first becomes.
    void put_all(const TableRef& table, unsigned index, Entry old, Entry now, const Spot& where);
    void put_many(const TableRef& table, unsigned index, Entry old, Entry now, const Spot& where);
    /// The same where their pages stay, and only rights change.
    void change_rights(const TableRef& table, unsigned index, Entry old, Entry now,
                       const Spot& where);
    static void change_many(Slot* slots, unsigned count, RightsChange change, Entry now);
    /// Writes entries [first, last] of a root, which were changed, into user mode's too.
    static void mirror(const AddressSpace& space, const TableRef& root, unsigned first,
                       unsigned last);
    /// Notes whether the table is idle, and counts it.
    void note_idle(const TableRef& table, Entry latest);
    void set_idle(const TableRef& table, bool idle, bool huge);
    /// The same for a page table with huge memory, after any change: its pages may be one.
    void note_block(const TableRef& table);
    /// The page table at an address; null if there is none.
    static TableDescriptor* find_page_table(const AddressSpace& space, VirtAddr address);
    /// Locks a page table, if there is one and that can be done at once, as the top.
    bool lock_page_table(TableDescriptor* table);
    void lock_top();
    void lock_all();
    /// Where the range lies in one table below the top that other spaces have: locks that, or the
    /// space's own copy, as the top instead.
    void step_down();
    /// Gives the space a page table of its own, locked, in the place of one that others may have.
    /// Under the lock of `directory`. Errors: no_memory, limit_reached (for memory that is not
    /// promised).
    Result<void> make_own(const TableRef& directory, unsigned index);
    /// The same, and notes why it could not.
    void get_own(const TableRef& directory, unsigned index);
    /// Fills a fresh page table with what another has. Their pages have one user more. Under the
    /// lock of `from`, whose range must be flushed then.
    static void copy_pages(const TableRef& from, TableDescriptor& to);
    /// Of `copy_into`: one upper table.
    Result<void> copy_table(const TableRef& from, const TableRef& to, Copy& copy);
    /// An entry of it with a table, or pages, below; with a page table, `child`; with one that
    /// others have already.
    Result<void> copy_below(const TableRef& from, const TableRef& to, unsigned index, Copy& copy);
    Result<void> copy_page_table(const TableRef& child, const TableRef& from, const TableRef& to,
                                 unsigned index, Copy& copy);
    static Result<void> copy_shared(const TableRef& child, const TableRef& to, unsigned index,
                                    Copy& copy);
    /// Whether it has locks only.
    bool has_nothing() const {
        return charged_ == 0 && reserved_[0] == nullptr && reserved_[1] == nullptr &&
               !obligations_.any() && !keeps_too_many_;
    }
    /// Of `leave`: what is left of the tables in whose place the space got its own.
    void leave_tables();
    /// Drops a reference to a frame or a table that has other users, after the flush.
    void drop_shared(PhysAddr frame);
    /// For what became free, after it can be seen: see promise.hpp.
    [[gnu::always_inline]] void raise_promises(VirtRange freed) {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (in_page_table() && run_is_promised(*top_.descriptor, top_.index_of(freed.start),
                                               top_.index_of(freed.end - 1))) [[likely]]
            return;
        vm::raise_promises(table_at(space_.root_, space_.levels_, space_.top_base()), top_, freed);
    }
    void commit_all(std::uint64_t released, Freeing freeing);
    /// Its parts: before and after the tables are unlocked. Both give the charge to be released.
    std::uint64_t finish_locked(std::uint64_t released, Freeing freeing);
    void finish_unlocked(std::uint64_t released);
    /// Calls visit(TableRef, VirtRange) for the space's own tables right below `table` within the
    /// range.
    template <typename Visit>
    static void for_tables_below(const TableRef& table, VirtRange range, Visit&& visit);
    /// Locks the space's own tables below `table` within the range, and has those made its own that
    /// others have too; unlocks them. `but`: the part of the space whose tables are locked already,
    /// or stay locked.
    void lock_below(const TableRef& table, VirtRange range) { lock_part<false>(table, range, {}); }
    static void unlock_below(const TableRef& table, VirtRange range) {
        unlock_part<false>(table, range, {});
    }
    template <bool but_some>
    void lock_part(const TableRef& table, VirtRange range, VirtRange but);
    template <bool but_some>
    static void unlock_part(const TableRef& table, VirtRange range, VirtRange but);

    AddressSpace& space_;
    const VirtRange range_;
    TableRef top_; ///< set by locking
    Level leaf_level_ = level_max;
    const Detach detach_;
    const Sharing sharing_;
    /// What `look` found, which nobody but the processor changes until `apply`.
    enum class Seen : bool {
        nothing,
        run_by_table, ///< all that the range covers of a page table is alike, in each of them
    };
    Seen seen_ = Seen::nothing;
    bool applied_ = false;
    bool freed_ = false;        ///< an entry became empty
    bool lacks_tables_ = false; ///< the space could not get a table of its own
    Error lacking_;             ///< why, then
    /// A table became idle, and this CPU has left a few already, or large pages come of it.
    bool keeps_too_many_ = false;
    /// Chained through `next`: [0] for level 1, [1] for those above, which have summaries.
    TableDescriptor* reserved_[2] = {};
    std::uint64_t charged_ = 0; ///< to be given back if nothing is applied
    std::uint64_t kept_ = 0;    ///< of the charge of what leaves: stays for what comes
    std::uint64_t spent_;       ///< of that, what was reserved, if `freeing_` is under_locks
    Freeing freeing_ = Freeing::after_unlock;
    Obligations obligations_;
};

} // namespace vm

#include "vm/transaction_steps.hpp"
