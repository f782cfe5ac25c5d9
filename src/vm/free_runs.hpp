// SPDX-License-Identifier: MIT
// Free runs as bitmaps and entries tell them, whatever anybody promised. Lock-free: as of the time
// of the look.
#pragma once

#include "vm/table.hpp"

#include <bit>

namespace vm {

inline bool is_free(const TableDescriptor& table, unsigned index) {
    return (table.free_word(index / 64) >> (index % 64) & 1) != 0;
}
/// Number of slots from `first` on that are alike (empty or not), at most to the table's end.
unsigned alike_from(const TableDescriptor& table, unsigned first, bool empty);
/// The same downwards: slots that end before `end`.
unsigned alike_below(const TableDescriptor& table, unsigned end, bool empty);
/// For who looks at slot after slot, and is at an empty one: how many of those behind it (below: in
/// front of it) are known to be empty as well, a word of the bitmap at a time.
inline unsigned free_word_above(const TableDescriptor& table, unsigned index) {
    return index % 64 == 0 && table.free_word(index / 64) == ~0ULL ? 63 : 0;
}
inline unsigned free_word_below(const TableDescriptor& table, unsigned index) {
    return index % 64 == 63 && table.free_word(index / 64) == ~0ULL ? 63 : 0;
}
/// Number of slots of a table, from the first of `count` on, that are like `entry`, which stands in
/// that one and is no table (Entry::is_alike). Under the table's lock.
unsigned count_alike(const Slot* slots, unsigned count, Entry entry);
/// The first slot from `first` on (or, downwards, the last one that ends before `end`) of `count`
/// empty ones; table_entries if there is none. 1 to 64 slots; the first's number is a multiple of
/// `step`, a power of two up to 64.
unsigned find_empty(const TableDescriptor& table, unsigned first, unsigned count, unsigned step);
unsigned find_empty_below(const TableDescriptor& table, unsigned end, unsigned count,
                          unsigned step);
/// The most empty slots in a row.
unsigned longest_empty(const TableDescriptor& table);

/// Whether a page table promises the free run around slots [first, last], which are free, and so it
/// was promised further up, since the run ends inside of it. False where that takes a longer look.
inline bool run_is_promised(const TableDescriptor& table, unsigned first, unsigned last) {
    if (first / 64 != last / 64) return false;
    const std::uint64_t word = table.free_word(first / 64);
    const unsigned from = first % 64;
    const unsigned to = last % 64;
    const auto below = static_cast<unsigned>(std::countl_one(word << (63 - from)));
    const auto above = static_cast<unsigned>(std::countr_one(word >> to));
    return below <= from && to + above < 64 &&
           table.longest.stands(below + (to - from) + above - 1);
}

/// Pages free from `from` on, within the table's span, in which it lies. Emptied tables are as free
/// as empty slots.
std::uint64_t free_above(const TableRef& table, VirtAddr from);
/// Pages free right below `to`, which lies in the table's span or at its end.
std::uint64_t free_below(const TableRef& table, VirtAddr to);

inline std::uint64_t leading_pages(const TableRef& table) { return free_above(table, table.base); }
inline std::uint64_t trailing_pages(const TableRef& table) {
    return free_below(table, table.base + level_size(table.level + 1));
}

} // namespace vm
