// SPDX-License-Identifier: MIT
// Lowering what a summary promises, after a search was disappointed.
#include "vm/free_runs.hpp"
#include "vm/search.hpp"

namespace vm {

namespace {

/// What bitmaps and promises say about the table below a slot, in pages, as of each call. Empty
/// slots keep their promises: a table may come there any time, wholly free.
class Below {
public:
    Below(const TableRef& table, unsigned slot) : table_(table), slot_(slot) {}
    std::uint64_t longest() const {
        return of([](const TableRef& child) { return child.descriptor->longest.pages(); });
    }
    std::uint64_t leading() const { return of(leading_pages); }
    std::uint64_t trailing() const { return of(trailing_pages); }

private:
    template <typename Pages>
    std::uint64_t of(Pages pages) const {
        const Entry entry = table_.slots[slot_].load();
        if (entry.empty()) return level_pages(table_.level);
        if (!entry.is_table(table_.level)) return 0;
        return pages(table_.below(entry, slot_));
    }
    const TableRef& table_;
    const unsigned slot_;
};

/// Takes a slot out of the set as long as pages() are fewer than `least`; asked again while the
/// mark stands. `before` is called in between. False if it stays in.
template <typename Pages, typename Before>
bool lower(PromisedSlots& set, unsigned slot, std::uint64_t least, Pages pages, Before before) {
    if (!set.promised(slot)) return true;
    if (pages() >= least) return false;
    const std::uint64_t marked = set.mark(slot);
    if (pages() >= least) {
        set.keep(slot, marked);
        return false;
    }
    before();
    return set.lower(slot, marked);
}

} // namespace

void lower_slot(const TableRef& table, unsigned slot) {
    Summary& summary = *table.descriptor->summary;
    const Level level = table.level - 1;
    const Below below(table, slot);
    const auto longest = [&] { return below.longest(); };
    const auto nothing = [] {};
    // Who leaves the last class is no longer in all: so first into those where it belongs.
    const auto classify = [&] {
        summary.raise(slot, level, below.longest(), below.leading(), below.trailing());
    };
    const bool counts = lower(summary.inside[Summary::whole], slot,
                              Summary::inside_pages(Summary::whole, level), longest, classify);
    if (!counts) return;
    for (unsigned at = Summary::whole; at-- > 0;)
        if (!lower(summary.inside[at], slot, Summary::inside_pages(at, level), longest, nothing))
            break;
    for (unsigned at = Summary::edge_classes; at-- > 0;)
        if (!lower(
                summary.leading[at], slot, Summary::edge_pages(at, level),
                [&] { return below.leading(); }, nothing))
            break;
    for (unsigned at = Summary::edge_classes; at-- > 0;)
        if (!lower(
                summary.trailing[at], slot, Summary::edge_pages(at, level),
                [&] { return below.trailing(); }, nothing))
            break;
}

} // namespace vm
