// SPDX-License-Identifier: MIT
// Free runs as bitmaps and entries tell them, whatever anybody promised. Lock-free: as of the time
// of the look.
#pragma once

#include "vm/table.hpp"

namespace vm {

inline bool is_free(const TableDescriptor& table, unsigned index) {
    return (table.free_word(index / 64) >> (index % 64) & 1) != 0;
}
/// Number of slots from `first` on that are alike (empty or not), at most to the table's end.
unsigned alike_from(const TableDescriptor& table, unsigned first, bool empty);
/// The same downwards: slots that end before `end`.
unsigned alike_below(const TableDescriptor& table, unsigned end, bool empty);
/// The first slot from `first` on (or, downwards, the last one that ends before `end`) of `count`
/// empty ones; table_entries if there is none. 1 to 64 slots; the first's number is a multiple of
/// `step`, a power of two up to 64.
unsigned find_empty(const TableDescriptor& table, unsigned first, unsigned count, unsigned step);
unsigned find_empty_below(const TableDescriptor& table, unsigned end, unsigned count,
                          unsigned step);
/// The most empty slots in a row.
unsigned longest_empty(const TableDescriptor& table);

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
