// SPDX-License-Identifier: MIT
// The quick way to a hole of a few pages: by what one page directory's summary says, straight to
// the page table that has it.
#include "vm/free_runs.hpp"
#include "vm/search.hpp"

namespace vm {

namespace {

/// The slots of a page directory, 32 at a time, that may have a run of a few pages in them, or the
/// end of one that begins before.
class Candidates {
public:
    Candidates(const TableDescriptor& directory, unsigned pages)
        : table_(directory), summary_(*directory.summary),
          inside_(summary_.inside[Summary::inside_class(pages, 1)]), ends_(pages > 1) {}

    /// The first one from `slot` on; table_entries if there is none.
    unsigned next(unsigned slot) const {
        constexpr unsigned bits = PromisedSlots::word_slots;
        std::uint32_t mask = ~0U << (slot % bits);
        for (unsigned at = slot / bits; at < PromisedSlots::word_count; ++at, mask = ~0U) {
            port::searched_word();
            const std::uint32_t found = word(at) & mask;
            if (found != 0) return at * bits + static_cast<unsigned>(std::countr_zero(found));
        }
        return table_entries;
    }

private:
    std::uint32_t word(unsigned at) const {
        const auto empty = static_cast<std::uint32_t>(table_.free_word(at / 2) >> (at % 2 * 32));
        const std::uint32_t bits = empty | summary_.word(inside_, at);
        return ends_ ? bits | summary_.leading[0].word(at) : bits;
    }

    const TableDescriptor& table_;
    const Summary& summary_;
    const PromisedSlots& inside_;
    const bool ends_;
};

/// Whether a run that reaches the end of a slot may go on in the next one.
bool may_go_on(const Slot* slots, unsigned slot) {
    if (slot + 1 == table_entries) return true;
    const Entry next = slots[slot + 1].load();
    if (!next.is_table(2)) return next.empty();
    return is_free(*frame_record(next.frame()).table, 0);
}

} // namespace

FoundPages find_pages(PhysAddr root, unsigned levels, VirtAddr from, unsigned pages) {
    PhysAddr frame = root;
    const auto descend = [&](Level level) {
        const Entry entry =
            static_cast<const Slot*>(direct(frame))[level_index(from, level)].load();
        frame = entry.frame();
        return entry.is_table(level);
    };
    if ((levels == 5 && !descend(5)) || !descend(4) || !descend(3)) return {};
    const auto* const slots = static_cast<const Slot*>(direct(frame));
    // The first run that lies in the page table below a slot.
    const auto found_in = [&](unsigned slot, TableDescriptor& table, unsigned first) -> FoundPages {
        const unsigned page = pages == 1 ? first + alike_from(table, first, false)
                                         : find_empty(table, first, pages, 1);
        if (page == table_entries) return {};
        const std::uint64_t base = align_down(from.value, level_size(3));
        return {VirtAddr{base + (((std::uint64_t{slot} * table_entries) + page) << page_bits)},
                &table};
    };
    // The page table where the search begins, and the next one that promises enough.
    const unsigned begin = level_index(from, 2);
    if (const Entry entry = slots[begin].load(); entry.is_own_table()) [[likely]] {
        TableDescriptor& table = *frame_record(entry.frame()).table;
        port::searched_table();
        if (table.longest.pages() >= pages) {
            const FoundPages found = found_in(begin, table, level_index(from, 1));
            if (found.table != nullptr) return found;
        }
        if (pages > 1 && is_free(table, table_entries - 1) && may_go_on(slots, begin)) return {};
    } else if (entry.empty() || entry.is_table(2)) {
        return {};
    }
    if (begin + 1 == table_entries) return {};
    const unsigned slot = Candidates(*frame_record(frame).table, pages).next(begin + 1);
    if (slot == table_entries) return {};
    const Entry entry = slots[slot].load();
    if (!entry.is_own_table()) return {};
    TableDescriptor& table = *frame_record(entry.frame()).table;
    port::searched_table();
    // A run that reaches its beginning may have begun before.
    if (table.longest.pages() < pages || (pages > 1 && is_free(table, 0))) return {};
    return found_in(slot, table, 0);
}

} // namespace vm
