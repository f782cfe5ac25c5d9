// SPDX-License-Identifier: MIT
// first_fit: the lowest hole that is large enough. Walks hole bitmaps, skips tables whose promise
// is too small, makes no table and reads no absent one.
#include "vm/space.hpp"
#include "vm/table.hpp"

#include <algorithm>
#include <bit>

namespace vm {

namespace {

bool is_free(const TableDescriptor& table, unsigned index) {
    return (table.free_word(index / 64) >> (index % 64) & 1) != 0;
}

/// Number of slots from `first` on that are alike (empty or not), at most to the table's end.
unsigned alike_from(const TableDescriptor& table, unsigned first, bool empty) {
    unsigned at = first;
    while (at < table_entries) {
        const std::uint64_t word = empty ? ~table.free_word(at / 64) : table.free_word(at / 64);
        const std::uint64_t rest = word >> (at % 64);
        if (rest != 0) return at + static_cast<unsigned>(std::countr_zero(rest)) - first;
        at = (at / 64 + 1) * 64;
    }
    return table_entries - first;
}

/// The same downwards: empty slots that end before `end`.
unsigned empty_below(const TableDescriptor& table, unsigned end) {
    unsigned at = end;
    while (at != 0) {
        const unsigned word = (at - 1) / 64;
        const unsigned bits = at - word * 64;
        const auto ones =
            static_cast<unsigned>(std::countl_one(table.free_word(word) << (64 - bits)));
        if (ones < bits) return end - at + ones;
        at = word * 64;
    }
    return end;
}

/// The first slot, from `first` on, of `count` (1 to 64) that are all empty; table_entries if none.
unsigned find_empty(const TableDescriptor& table, unsigned first, unsigned count) {
    constexpr unsigned words = table_entries / 64;
    for (unsigned word = first / 64; word < words; ++word) {
        std::uint64_t low = table.free_word(word);
        std::uint64_t high = word + 1 < words ? table.free_word(word + 1) : 0;
        if (word == first / 64) low &= ~0ULL << (first % 64);
        // After each step a bit says that this slot and the next `have` - 1 are empty.
        for (unsigned have = 1; have < count && low != 0;) {
            const unsigned step = std::min({have, count - have, 63U});
            low &= low >> step | high << (64 - step);
            high &= high >> step;
            have += step;
        }
        if (low != 0) return word * 64 + static_cast<unsigned>(std::countr_zero(low));
    }
    return table_entries;
}

/// Pages free at the start of a table's span. Emptied tables in it are as free as empty slots.
std::uint64_t leading_pages(const TableRef& table) {
    if (table.level == 1 && ~table.descriptor->free_word(0) != 0)
        return static_cast<std::uint64_t>(std::countr_one(table.descriptor->free_word(0)));
    std::uint64_t pages = 0;
    for (unsigned index = 0; index < table_entries; ++index) {
        const unsigned empty = alike_from(*table.descriptor, index, true);
        pages += empty * level_pages(table.level);
        index += empty;
        if (index == table_entries || table.level == 1) return pages;
        const Entry next = table.slots[index].load();
        if (!next.is_table(table.level)) return pages;
        const std::uint64_t below = leading_pages(table.below(next, index));
        pages += below;
        if (below != level_pages(table.level)) return pages;
    }
    return pages;
}

/// Pages free at the end of a table's span.
std::uint64_t trailing_pages(const TableRef& table) {
    constexpr unsigned last_word = table_entries / 64 - 1;
    if (table.level == 1 && ~table.descriptor->free_word(last_word) != 0)
        return static_cast<std::uint64_t>(std::countl_one(table.descriptor->free_word(last_word)));
    std::uint64_t pages = 0;
    for (unsigned end = table_entries; end != 0; --end) {
        const unsigned empty = empty_below(*table.descriptor, end);
        pages += empty * level_pages(table.level);
        end -= empty;
        if (end == 0 || table.level == 1) return pages;
        const Entry next = table.slots[end - 1].load();
        if (!next.is_table(table.level)) return pages;
        const std::uint64_t below = trailing_pages(table.below(next, end - 1));
        pages += below;
        if (below != level_pages(table.level)) return pages;
    }
    return pages;
}

class Search {
public:
    Search(std::uint64_t bytes, std::uint64_t alignment, VirtRange within, bool lowers = true)
        : bytes_(bytes), alignment_(alignment), within_(within), lowers_(lowers),
          run_(within.start) {}

    /// Looks through what `table` maps at or above where the search stands. True when found.
    bool visit(const TableRef& table) {
        const VirtAddr from = std::max(table.base, within_.start);
        const unsigned first = table.index_of(from);
        if (table.level == 1 && bytes_ <= 64 * page_size && alignment_ == page_size)
            return visit_leaf(table, first);
        for (unsigned index = first; index < table_entries;) {
            const VirtAddr at = table.address_of(index);
            if (within_.end <= at) return false;
            if (is_free(*table.descriptor, index)) {
                const unsigned empty = alike_from(*table.descriptor, index, true);
                index += empty;
                if (extend(at + empty * level_size(table.level))) return true;
                continue;
            }
            if (table.level == 1) {
                const unsigned used = alike_from(*table.descriptor, index, false);
                index += used;
                restart(at + used * page_size);
                continue;
            }
            if (visit_slot(table, index)) return true;
            ++index;
        }
        if (first == 0) lower_promise(table);
        return false;
    }
    VirtAddr found() const { return run_; }

private:
    /// The same for a page table and few pages: a word of the bitmap at a time.
    bool visit_leaf(const TableRef& table, unsigned first) {
        const unsigned leading = alike_from(*table.descriptor, first, true);
        if (extend(table.address_of(first + leading))) return true;
        const auto pages = static_cast<unsigned>(bytes_ >> page_bits);
        const unsigned found = find_empty(*table.descriptor, first, pages);
        if (found != table_entries) {
            run_ = table.address_of(found);
            return extend(run_ + bytes_);
        }
        restart(table.address_of(table_entries) - (trailing_pages(table) << page_bits));
        if (first == 0) lower_promise(table);
        return false;
    }

    bool visit_slot(const TableRef& table, unsigned index) {
        const Entry entry = table.slots[index].load();
        const VirtAddr end = table.address_of(index) + level_size(table.level);
        if (!entry.is_table(table.level)) {
            restart(end);
            return false;
        }
        const TableRef child = table.below(entry, index);
        if (child.descriptor->live == 0) return extend(end);
        const std::uint64_t most = child.descriptor->longest.pages();
        if (most >= bytes_ >> page_bits) return visit(child);
        // Too small inside; what is free at its two ends may still join its neighbours.
        if (most == 0) {
            restart(end);
            return false;
        }
        if (child.base < within_.start) { // begins inside: only its end can join
            restart(end - (trailing_pages(child) << page_bits));
            return false;
        }
        const std::uint64_t leading = leading_pages(child);
        if (extend(child.base + (leading << page_bits))) return true;
        if (leading == level_pages(table.level)) return false; // nothing but emptied tables
        restart(end - (trailing_pages(child) << page_bits));
        return false;
    }

    /// The run goes on to `end`: does it fit now? Then run_ is the aligned start.
    bool extend(VirtAddr end) {
        const std::uint64_t start = align_up(run_.value, alignment_);
        const std::uint64_t limit = std::min(end.value, within_.end.value);
        if (start < run_.value || start > limit || limit - start < bytes_) return false;
        run_ = VirtAddr{start};
        return true;
    }
    void restart(VirtAddr at) { run_ = std::max(at, within_.start); }

    /// Nothing fitted in all of the table: it promises less from now on, if that is still so.
    void lower_promise(const TableRef& table) const {
        if (!lowers_ || table.base < within_.start) return;
        const std::uint64_t wanted = (bytes_ + alignment_ - page_size) >> page_bits;
        Promise& longest = table.descriptor->longest;
        if (longest.pages() < wanted) return;
        const std::uint64_t marked = longest.mark();
        Search again(bytes_, alignment_, {table.base, table.base + level_size(table.level + 1)},
                     false);
        if (!again.visit(table)) longest.lower(marked, wanted - 1);
    }

    const std::uint64_t bytes_;
    const std::uint64_t alignment_;
    const VirtRange within_;
    const bool lowers_;
    VirtAddr run_; ///< start of the free run that reaches where the search stands
};

} // namespace

Result<VirtAddr> AddressSpace::first_fit(PageCount pages, std::uint64_t alignment,
                                         VirtAddr from) const {
    if (alignment < page_size || !is_power_of_two(alignment)) return Error::invalid_argument;
    if (pages.value == 0 || pages > range_.pages()) return Error::invalid_argument;
    const VirtAddr start{std::max(align_up(from.value, page_size), range_.start.value)};
    if (start.value < from.value || range_.end <= start) return Error::no_space;
    Search search(pages.bytes(), alignment, {start, range_.end});
    if (search.visit(table_at(root_, levels_, top_base()))) return search.found();
    return Error::no_space;
}

} // namespace vm
