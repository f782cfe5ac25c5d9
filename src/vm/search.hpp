// SPDX-License-Identifier: MIT
// Hole search: the lowest (or highest) free range of a size and alignment within bounds.
//
//   visit(table)    goes through the slots that its summary can't rule out, in order:
//                     an empty slot, or a table that holds nothing   the run goes on
//                     a table whose promise is large enough          visit it
//                     two neighbours that are free at their border   the run may span it
//   what it steps over needs one word of a bitmap for 32 slots. Only where the run left off, at the
//   end of what was stepped over, is read from the table there.
//
// Promises that it finds wrong it lowers, by the protocol of promise.hpp, those of tables below
// first. It makes no table, and reads no absent one.
#pragma once

#include "abi/types.hpp"
#include "vm/table.hpp"

namespace vm {

/// The lowest (up) or highest (down) free range of `pages` (not 0) within `within` (not empty,
/// inside of what `root` maps), aligned to a power of two of at least a page. Called in a Visit, or
/// by a CPU that runs the space. Error: no_space.
Result<VirtAddr> find_hole(const TableRef& root, std::uint64_t pages, std::uint64_t alignment,
                           VirtRange within, abi::Direction direction);

/// A hole, and the page table in which it lies; null if the quick way did not find it.
struct FoundPages {
    VirtAddr start{};
    TableDescriptor* table = nullptr;
};
/// The lowest hole of 1 to 64 pages at or above `from`, where it is told by the page directory of
/// `from` and its promises hold. Otherwise it may still be there: see `find_hole`. Changes nothing.
FoundPages find_pages(PhysAddr root, unsigned levels, VirtAddr from, unsigned pages);

/// After a search for runs of `pages` in vain: makes the table promise fewer, as far as bitmaps and
/// what tables below promise allow.
void lower_promise(const TableRef& table, std::uint64_t pages);
/// Takes out of the table's summary what the table below `slot` doesn't promise any more.
void lower_slot(const TableRef& table, unsigned slot);

} // namespace vm
