// SPDX-License-Identifier: MIT
// Raising what tables promise, after something became free.
#include "vm/promise.hpp"

#include "vm/free_runs.hpp"

namespace vm {

namespace {

/// The free run around `freed`, as far as `table` reaches.
VirtRange run_around(const TableRef& table, VirtRange freed) {
    const std::uint64_t below = freed.start == table.base ? 0 : free_below(table, freed.start);
    const VirtAddr end = table.base + level_size(table.level + 1);
    const std::uint64_t above = freed.end == end ? 0 : free_above(table, freed.end);
    return {freed.start - (below << page_bits), freed.end + (above << page_bits)};
}

/// Raises for the part of the range that `table` maps: tables below first, so that whatever stands
/// above them follows from what can be seen.
void raise_in(const TableRef& table, VirtRange freed, Summary* above, unsigned slot) {
    if (table.level > 1) {
        const auto raise_below = [&](unsigned index) {
            const Entry entry = table.slots[index].load();
            if (!entry.is_table(table.level)) return;
            const TableRef child = table.below(entry, index);
            const VirtAddr last_byte = child.base + (level_size(table.level) - 1);
            raise_in(child,
                     {std::max(freed.start, child.base), std::min(freed.end - 1, last_byte) + 1},
                     table.descriptor->summary, index);
        };
        // Those between the two ends were unlinked: they are empty slots now.
        const unsigned first = table.index_of(freed.start);
        const unsigned last = table.index_of(freed.end - 1);
        raise_below(first);
        if (last != first) raise_below(last);
    }
    // Nobody asks the root: a search begins there.
    if (above == nullptr) return;
    const bool whole = table.descriptor->longest.stands(level_pages(table.level + 1));
    if (whole && above->whole_stands(slot)) return;
    const VirtRange run = run_around(table, freed);
    table.descriptor->longest.raise(run.pages().value);
    if (above->whole_stands(slot)) return;
    const std::uint64_t pages = run.pages().value;
    const bool leading = run.start == table.base;
    const bool trailing = run.end == table.base + level_size(table.level + 1);
    above->raise(slot, table.level, pages, leading ? pages : 0, trailing ? pages : 0);
}

} // namespace

void raise_promises(const TableRef& root, const TableRef& lowest, VirtRange freed) {
    if (lowest.level == 1) {
        // A run that ends inside of the table, and was promised before: so it was further up.
        const unsigned first = lowest.index_of(freed.start);
        const unsigned last = lowest.index_of(freed.end - 1);
        const unsigned below = alike_below(*lowest.descriptor, first, true);
        const unsigned above = alike_from(*lowest.descriptor, last, true);
        if (below != first && last + above != table_entries &&
            lowest.descriptor->longest.stands(below + (last - first) + above))
            return;
    }
    raise_in(root, freed, nullptr, 0);
}

} // namespace vm
