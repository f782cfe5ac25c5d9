// SPDX-License-Identifier: MIT
// The charge of a part of a large entry.
#include "vm/charge.hpp"

#include <algorithm>

namespace vm {

std::uint64_t charge_of_part(Entry entry, const Spot& where) {
    if (charge_of(entry, where.level) == 0) return 0;
    std::uint64_t charge = 0;
    for (VirtAddr at = where.range.start; at < where.range.end;) {
        Level level = where.level - 1;
        while (at.value % level_size(level) != 0 || where.range.end - at < level_size(level))
            --level;
        const std::uint64_t until =
            std::min(where.range.end.value,
                     align_down(at.value, level_size(level + 1)) + level_size(level + 1));
        const std::uint64_t blocks = (until - at.value) / level_size(level);
        charge += blocks * charge_by_level[level];
        at = at + blocks * level_size(level);
    }
    return charge;
}

unsigned unpromised_pages(const TableDescriptor& table) {
    if (!table.unpromised) return 0;
    const auto* const slots = static_cast<const Slot*>(direct(table.frame));
    unsigned pages = 0;
    for (unsigned index = 0; index < table_entries; ++index) {
        const Entry entry = slots[index].load();
        if (entry.intent().noreserve && private_frame(entry, 1).value != 0) ++pages;
    }
    return pages;
}

std::uint64_t charge_of_shared(const TableDescriptor& table) {
    return table_charge(1) + table.charge - unpromised_pages(table);
}

} // namespace vm
