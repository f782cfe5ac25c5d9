// SPDX-License-Identifier: MIT
// Tables of a paging structure, and the descriptor beside each: lock, counts and hole bitmap.
//
//    frame record ──► descriptor { lock, live, free bitmap, … }
//         ▲                            └► summary of the tables below (levels from 2 up)
//    parent entry ──► table frame: 512 slots
#pragma once

#include "vm/atomic.hpp"
#include "vm/entry.hpp"
#include "vm/frames.hpp"
#include "vm/lock.hpp"
#include "vm/promise.hpp"
#include "vm/published.hpp"

namespace vm {

/// One entry in memory, as the processor and other CPUs see it: whole values only.
class Slot {
public:
    Entry load() const { return Entry{word_.load(std::memory_order_acquire)}; }
    /// Stores into a table that no walker can reach yet, or over an entry that nothing caches
    /// (SDM 4.10.2.3: a processor doesn't cache what is not present).
    void store(Entry entry) { word_.store(entry.bits_, std::memory_order_release); }
    /// Replaces and gives what was there, accessed and dirty bits included.
    Entry exchange(Entry entry) {
        return Entry{word_.exchange(entry.bits_, std::memory_order_acq_rel)};
    }
    /// Replaces `expected`; false, and what stands there put into it, where that differs.
    bool compare_exchange(Entry& expected, Entry entry) {
        return word_.compare_exchange_strong(expected.bits_, entry.bits_,
                                             std::memory_order_acq_rel);
    }
    /// Says something else about the page that stands there: what the processor noted of its use
    /// until now stays. `old` is what the caller, who holds the table's lock, found there.
    void restate(Entry old, Entry entry) {
        while (!compare_exchange(old, entry.used_as(old))) {
        }
    }
    /// Takes the processor's right to write away; the dirty bit that was set until now is given.
    Entry narrow() { return Entry{word_.fetch_and(~Entry::bit_write, std::memory_order_acq_rel)}; }
    /// The same, and the dirty bit goes with it.
    Entry take_writes() {
        return Entry{
            word_.fetch_and(~(Entry::bit_write | Entry::bit_dirty), std::memory_order_acq_rel)};
    }
    /// Lets the processor write a frame that is this page's own.
    void widen() { word_.fetch_or(Entry::bit_write, std::memory_order_acq_rel); }
    /// Entry::with_users of a present page.
    void add_users() {
        narrow();
        word_.fetch_or(Entry::bit_cow, std::memory_order_acq_rel);
    }
    /// Takes rights away, and gives rights, of a page that stays: accessed and dirty bits as well.
    void narrow(RightsChange change) { word_.fetch_and(~change.gone_, std::memory_order_acq_rel); }
    void widen(RightsChange change) { word_.fetch_or(change.come_, std::memory_order_acq_rel); }
    /// As `load`, under the table's lock: only the processor changes it meanwhile. Without order,
    /// so that the compiler can join many.
    Entry peek() const { return Entry{load_alone(word_)}; }

private:
    Atomic<std::uint64_t> word_;
};
static_assert(sizeof(Slot) == sizeof(Entry));

/// Beside each table. Written under `lock`, but for promises; read without it by searches.
struct alignas(64) TableDescriptor {
    SpinLock<Rank::table> lock;
    Published<std::uint16_t> live; ///< entries that are not empty
    Plain<std::uint8_t> level = 0;
    Atomic<bool> stale{false}; ///< unlinked: whoever waited for the lock starts again
    /// One entry of the parent could say what all slots say: see `holds_only`, `holds_block`.
    Published<bool> idle;
    Plain<bool> unpromised = false;      ///< touched memory that is not promised was or is in it
    Plain<std::uint16_t> witness = 0;    ///< a slot that last told that the values are not all one
    Published<std::uint32_t> frames;     ///< private frames that its entries hold
    Atomic<std::uint16_t> references{1}; ///< parent entries: rises under `lock`
    Plain<std::uint16_t> charge = 0;    ///< of a page table: pages that its entries are charged for
    Plain<std::uint16_t> differing = 0; ///< slots that hold something else than `base` now
    Plain<std::uint16_t> kept_by = 0;   ///< for src/vm/idle.hpp
    Plain<Entry> base{};                ///< what all slots held once
    Plain<PhysAddr> frame{};
    Plain<TableDescriptor*> next =
        nullptr; ///< tables made in advance, or that wait for their flush
    Promise longest;
    /// Bit i: slot i is empty, so all that it maps is free.
    Published<std::uint64_t> free[table_entries / 64]{};

    /// Of the tables below this one; null at level 1, which has none. Set before it is linked.
    Plain<Summary*> summary = nullptr;

    std::uint64_t free_word(unsigned word) const { return free[word]; }
    /// Counts that slot `index` holds `now` instead of `old`.
    void count(unsigned index, Entry old, Entry now) {
        if (old.present() && now.present()) return; // what all slots held was never present
        differing = static_cast<std::uint16_t>(differing + (now != base) - (old != base));
        if (old.empty() == now.empty()) return;
        live = static_cast<std::uint16_t>(now.empty() ? live - 1 : live + 1);
        free[index / 64] = free[index / 64] ^ 1ULL << (index % 64);
    }
    /// The same for `number` slots from `index` on that all held `old`. Neither has a page.
    void count(unsigned index, unsigned number, Entry old, Entry now) {
        const unsigned differ = (now != base) - (old != base);
        differing = static_cast<std::uint16_t>(differing + differ * number);
        if (old.empty() == now.empty()) return;
        live = static_cast<std::uint16_t>(now.empty() ? live - number : live + number);
        for (unsigned end = index + number; index < end;) {
            const unsigned first = index % 64;
            const unsigned bits = std::min(64 - first, end - index);
            free[index / 64] = free[index / 64] ^ (~0ULL >> (64 - bits)) << first;
            index += bits;
        }
    }
    /// The same for so many slots, not empty, that held `old` and got pages.
    void count_installed(unsigned number, Entry old) {
        if (old == base) differing = static_cast<std::uint16_t>(differing + number);
    }
    /// Fills an empty table. Precondition: nothing reaches it; `entry` is not empty.
    void fill(Slot* slots, Entry entry) {
        for (unsigned index = 0; index < table_entries; ++index) slots[index].store(entry);
        base = entry;
        live = table_entries;
        for (Published<std::uint64_t>& word : free) word = 0;
    }
    /// The same with the pages of a leaf, or of a parked entry, of level 2.
    void fill_with_pages(Slot* slots, Entry block) {
        for (unsigned index = 0; index < table_entries; ++index)
            slots[index].store(block.page_of_block(index));
        live = table_entries;
        differing = table_entries;
        for (Published<std::uint64_t>& word : free) word = 0;
    }
    /// Whether all slots hold `value`, which one of them was just given. Reads no slot unless all
    /// differ from `base`, and then seldom more than one.
    bool holds_only(Entry value, const Slot* slots) {
        if (!may_hold_only(value)) return false;
        return value == base ? differing == 0 : all_became(value, slots);
    }
    /// Whether as many slots are empty as it takes.
    bool may_hold_only(Entry value) const { return live == (value.empty() ? 0 : table_entries); }
    /// Of a page table: whether its pages are those of one aligned block, in their order, which has
    /// no other user, and alike in all else. Reads few slots as long as they are not.
    bool holds_block(const Slot* slots);

private:
    bool all_became(Entry value, const Slot* slots);
};
static_assert(sizeof(TableDescriptor) == 128);

/// A table and where it stands: what a walk holds.
struct TableRef {
    Slot* slots;
    TableDescriptor* descriptor;
    Level level;
    VirtAddr base; ///< first address that the table maps

    VirtAddr address_of(unsigned index) const {
        return base + (std::uint64_t{index} << level_shift(level));
    }
    unsigned index_of(VirtAddr address) const { return level_index(address, level); }
    /// The table below slot `index`. Precondition: `entry`, its content, is a table.
    TableRef below(Entry entry, unsigned index) const;
};

/// The table at `frame` as one of `level` that begins at `base`.
inline TableRef table_at(PhysAddr frame, Level level, VirtAddr base) {
    return {static_cast<Slot*>(direct(frame)), frame_record(frame).table, level, base};
}
inline TableRef TableRef::below(Entry entry, unsigned index) const {
    return table_at(entry.frame(), level - 1, address_of(index));
}

/// Forgets all descriptors: a fresh machine begins. Called with `initialise_frames`.
void reset_tables();
/// Makes a zeroed table with a descriptor, reachable by nobody. Error: no_memory.
Result<TableDescriptor*> make_table(Level level);
/// Makes a root: of two pages where the port mirrors roots, the second one right behind the first.
/// Error: no_memory.
Result<TableDescriptor*> make_root(Level level);
/// Pages of a root.
inline std::uint64_t root_pages() { return port::mirrored_roots() ? 2 : 1; }
/// Makes a descriptor for a table that was built at boot, counting what it holds.
Result<TableDescriptor*> adopt_table(PhysAddr frame, Level level);
/// Gives a table's frame and descriptor back. Nothing can reach it any more.
void free_table(TableDescriptor* table);
void free_root(TableDescriptor* root);

} // namespace vm
