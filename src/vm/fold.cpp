// SPDX-License-Identifier: MIT
// Folding: a table whose entries all say the same becomes one entry of its parent again, so that a
// process which lives long keeps no more tables than its memory needs.
#include "vm/transaction.hpp"

namespace vm {

void AddressSpace::fold_above(VirtAddr address) {
    for (;;) {
        // The highest idle table on the way to the address; never the root.
        TableRef table = table_at(root_, levels_, top_base());
        VirtRange span{};
        while (table.level > 1 && span.empty()) {
            const unsigned index = table.index_of(address);
            const Entry entry = table.slots[index].load();
            if (!entry.is_table(table.level)) return;
            const VirtAddr start = table.address_of(index);
            table = table.below(entry, index);
            // The kernel's top tables stand in every user root: they stay.
            if (kernel_ && table.level + 1 == levels_) continue;
            if (table.descriptor->idle) span = {start, start + level_size(table.level + 1)};
        }
        if (span.empty()) return;
        // Begun with no lock held, it locks the parent first, and looks again.
        Transaction transaction(*this, span, Detach::yes);
        if (!transaction.fold()) return;
        transaction.commit();
    }
}

} // namespace vm
