// SPDX-License-Identifier: MIT
// Hole search, upwards and downwards.
#include "vm/search.hpp"

#include "vm/free_runs.hpp"

#include <algorithm>
#include <bit>

namespace vm {

namespace {

template <abi::Direction direction>
class Search {
public:
    /// `pages` is not 0; `alignment` a power of two of bytes, at least a page; `within` is not
    /// empty. A dry search takes a promise as a find: it visits no table below the one that it is
    /// given.
    Search(std::uint64_t pages, std::uint64_t alignment, VirtRange within, bool dry = false)
        : pages_(pages), alignment_(alignment), within_(within), dry_(dry),
          run_(up ? within.start : within.end) {}

    /// Begins where the bounds do in `root`'s span. True when found.
    bool run(const TableRef& root);
    /// Looks through what `table` maps within the bounds. True when found.
    bool visit(const TableRef& table);
    /// Start of what was found.
    VirtAddr found() const { return run_; }

private:
    static constexpr bool up = direction == abi::Direction::up;

    /// The slots of an upper table that a search can't rule out, 32 at a time.
    struct Filter {
        const TableDescriptor& table;
        const PromisedSlots& fits; ///< large enough inside, or at its aligned beginning
        bool borders;              ///< runs over borders of slots count too
        unsigned half;             ///< edge class that one side of such a border has at least
        std::uint32_t empty(unsigned word) const;
        std::uint32_t word(unsigned at) const;
    };
    Filter filter(const TableRef& table) const;
    /// The next slot from `at` up to (down to) `last` that can't be ruled out; if none, the one
    /// beyond `last`.
    static int next(const Filter& filter, int at, int last);

    bool visit_leaf(const TableRef& table, unsigned first, unsigned last);
    /// The same for any number of pages and alignment, run by run.
    bool visit_runs(const TableRef& table, unsigned first, unsigned last);
    bool visit_upper(const TableRef& table, unsigned first, unsigned last);
    bool visit_slot(const TableRef& table, unsigned slot);
    /// Slots up to this one were ruled out: only where it ends a run may go on from.
    void step_over(const TableRef& table, const Filter& filter, unsigned slot);

    /// The run goes on to `limit`: does it fit now? Then run_ is where.
    bool extend(VirtAddr limit);
    /// Nothing before `at` counts any more.
    void restart(VirtAddr at) {
        run_ = up ? std::max(at, within_.start) : std::min(at, within_.end);
    }
    VirtAddr near_end(const TableRef& table, unsigned slot) const {
        return table.address_of(slot) + (up ? 0 : level_size(table.level));
    }
    VirtAddr far_end(const TableRef& table, unsigned slot) const {
        return table.address_of(slot) + (up ? level_size(table.level) : 0);
    }
    static VirtAddr further(VirtAddr from, std::uint64_t pages) {
        return up ? from + (pages << page_bits) : from - (pages << page_bits);
    }
    static std::uint64_t near_pages(const TableRef& table) {
        return up ? leading_pages(table) : trailing_pages(table);
    }
    static std::uint64_t far_pages(const TableRef& table) {
        return up ? trailing_pages(table) : leading_pages(table);
    }
    static VirtAddr last_byte(const TableRef& table) {
        return table.base + (level_size(table.level + 1) - 1);
    }
    /// The last slot of `table` to look at; the bounds don't end before the table begins.
    unsigned last_slot(const TableRef& table) const {
        return table.index_of(up ? std::min(last_byte(table), within_.end - 1)
                                 : std::max(table.base, within_.start));
    }
    /// A free run of so many pages would have been found.
    std::uint64_t wanted() const { return pages_ + (alignment_ >> page_bits) - 1; }
    /// All that `table` maps lies within the bounds.
    bool covers(const TableRef& table) const {
        return within_.start <= table.base &&
               level_size(table.level + 1) <= within_.end - table.base;
    }

    const std::uint64_t pages_;
    const std::uint64_t alignment_;
    const VirtRange within_;
    const bool dry_;
    VirtAddr run_; ///< where the free run begins that reaches where the search stands
};

template <abi::Direction direction>
bool Search<direction>::extend(VirtAddr limit) {
    const std::uint64_t bytes = pages_ << page_bits;
    if constexpr (up) {
        const std::uint64_t start = align_up(run_.value, alignment_);
        const std::uint64_t end = std::min(limit.value, within_.end.value);
        if (start < run_.value || start > end || end - start < bytes) return false;
        run_ = VirtAddr{start};
    } else {
        const std::uint64_t floor = std::max(limit.value, within_.start.value);
        if (run_.value < floor || run_.value - floor < bytes) return false;
        const std::uint64_t start = align_down(run_.value - bytes, alignment_);
        if (start < floor) return false;
        run_ = VirtAddr{start};
    }
    return true;
}

template <abi::Direction direction>
bool Search<direction>::visit(const TableRef& table) {
    const VirtAddr begin =
        up ? std::max(table.base, within_.start) : std::min(last_byte(table), within_.end - 1);
    const unsigned first = table.index_of(begin);
    const unsigned last = last_slot(table);
    if (table.level > 1) {
        if (visit_upper(table, first, last)) return true;
    } else if (pages_ <= 64 && alignment_ <= 64 * page_size) {
        if (visit_leaf(table, first, last)) return true;
    } else if (visit_runs(table, first, last)) {
        return true;
    }
    if (!dry_ && covers(table)) lower_promise(table, wanted());
    return false;
}

template <abi::Direction direction>
bool Search<direction>::run(const TableRef& root) {
    // Straight down to where it begins, as long as promises allow; what lies beside on the way
    // back.
    [[gnu::uninitialized]] TableRef path[level_max + 1];
    const VirtAddr begin = up ? within_.start : within_.end - 1;
    TableRef table = root;
    while (table.level > 1) {
        const unsigned slot = table.index_of(begin);
        const Entry entry = table.slots[slot].load();
        if (!entry.is_table(table.level)) break;
        const TableRef child = table.below(entry, slot);
        port::searched_table();
        if (child.descriptor->longest.pages() < pages_ || child.descriptor->live == 0) break;
        // Aligned to its beginning, which lies before: nothing inside.
        if (alignment_ >= level_size(table.level)) break;
        path[table.level] = table;
        table = child;
    }
    if (visit(table)) return true;
    for (; table.level < root.level; table = path[table.level + 1]) {
        const TableRef& upper = path[table.level + 1];
        const unsigned slot = upper.index_of(begin);
        if (covers(table)) lower_slot(upper, slot);
        if (slot == (up ? table_entries - 1 : 0)) continue;
        if (visit_upper(upper, up ? slot + 1 : slot - 1, last_slot(upper))) return true;
        if (covers(upper)) lower_promise(upper, wanted());
    }
    return false;
}

template <abi::Direction direction>
bool Search<direction>::visit_leaf(const TableRef& table, unsigned first, unsigned last) {
    const TableDescriptor& descriptor = *table.descriptor;
    const auto pages = static_cast<unsigned>(pages_);
    const auto step = static_cast<unsigned>(alignment_ >> page_bits);
    if constexpr (up) {
        if (extend(table.address_of(first + alike_from(descriptor, first, true)))) return true;
        const unsigned found = find_empty(descriptor, first, pages, step);
        if (found <= last) {
            run_ = table.address_of(found);
            return extend(further(run_, pages));
        }
        restart(table.address_of(table_entries - alike_below(descriptor, table_entries, true)));
    } else {
        const unsigned end = first + 1;
        if (extend(table.address_of(end - alike_below(descriptor, end, true)))) return true;
        const unsigned found = find_empty_below(descriptor, end, pages, step);
        if (found != table_entries && found >= last) {
            run_ = table.address_of(found + pages);
            return extend(table.address_of(found));
        }
        restart(table.address_of(alike_from(descriptor, 0, true)));
    }
    return false;
}

template <abi::Direction direction>
bool Search<direction>::visit_runs(const TableRef& table, unsigned first, unsigned last) {
    const TableDescriptor& descriptor = *table.descriptor;
    if constexpr (up) {
        for (unsigned at = first; at <= last;) {
            const bool empty = is_free(descriptor, at);
            at += alike_from(descriptor, at, empty);
            if (!empty)
                restart(table.address_of(at));
            else if (extend(table.address_of(at)))
                return true;
        }
    } else {
        for (unsigned end = first + 1; end > last;) {
            const bool empty = is_free(descriptor, end - 1);
            end -= alike_below(descriptor, end, empty);
            if (!empty)
                restart(table.address_of(end));
            else if (extend(table.address_of(end)))
                return true;
        }
    }
    return false;
}

template <abi::Direction direction>
std::uint32_t Search<direction>::Filter::empty(unsigned word) const {
    return static_cast<std::uint32_t>(table.free_word(word / 2) >> (word % 2 * 32));
}

template <abi::Direction direction>
std::uint32_t Search<direction>::Filter::word(unsigned at) const {
    port::searched_word();
    const Summary& summary = *table.summary;
    const std::uint32_t bits = empty(at) | summary.word(fits, at);
    if (!borders) return bits;
    const auto& near = up ? summary.leading : summary.trailing;
    const auto& far = up ? summary.trailing : summary.leading;
    const std::uint32_t joined = summary.word(near[0], at);
    if (joined == 0) return bits;
    // Bit i: the neighbour of slot i, where the search comes from, ends free. Outside of the table
    // it may.
    const auto neighbours = [&](const PromisedSlots& ends) {
        const auto free = [&](unsigned other) { return summary.word(ends, other) | empty(other); };
        constexpr unsigned last_word = PromisedSlots::word_count - 1;
        if constexpr (up)
            return free(at) << 1 | (at == 0 ? 1 : free(at - 1) >> 31);
        else
            return free(at) >> 1 | (at == last_word ? 1 : free(at + 1) & 1) << 31;
    };
    const std::uint32_t border = joined & neighbours(far[0]);
    if (half == 0 || border == 0) return bits | border;
    return bits | (border & (summary.word(near[half], at) | neighbours(far[half])));
}

template <abi::Direction direction>
typename Search<direction>::Filter Search<direction>::filter(const TableRef& table) const {
    const Summary& summary = *table.descriptor->summary;
    const Level below = table.level - 1;
    const std::uint64_t span = level_pages(table.level);
    if (pages_ <= span && alignment_ >= level_size(table.level))
        return {*table.descriptor, summary.leading[Summary::edge_class(pages_, below)], false, 0};
    const auto class_of = Summary::inside_class(std::min(pages_, span), below);
    return {*table.descriptor, summary.inside[class_of], pages_ > 1,
            Summary::edge_class(std::min((pages_ + 1) / 2, span), below)};
}

template <abi::Direction direction>
int Search<direction>::next(const Filter& filter, int at, int last) {
    constexpr int word_slots = PromisedSlots::word_slots;
    if constexpr (up) {
        std::uint32_t mask = ~0U << (at % word_slots);
        for (int word = at / word_slots; word <= last / word_slots; ++word, mask = ~0U) {
            const std::uint32_t bits = filter.word(static_cast<unsigned>(word)) & mask;
            if (bits != 0) return std::min(word * word_slots + std::countr_zero(bits), last + 1);
        }
        return last + 1;
    } else {
        std::uint32_t mask = ~0U >> (word_slots - 1 - at % word_slots);
        for (int word = at / word_slots; word >= last / word_slots; --word, mask = ~0U) {
            const std::uint32_t bits = filter.word(static_cast<unsigned>(word)) & mask;
            if (bits != 0)
                return std::max(word * word_slots + 31 - std::countl_zero(bits), last - 1);
        }
        return last - 1;
    }
}

template <abi::Direction direction>
bool Search<direction>::visit_upper(const TableRef& table, unsigned first, unsigned last) {
    const Filter filter = this->filter(table);
    const int bound = static_cast<int>(last);
    for (int at = static_cast<int>(first); up ? at <= bound : at >= bound;) {
        const int slot = next(filter, at, bound);
        if (slot != at) step_over(table, filter, static_cast<unsigned>(up ? slot - 1 : slot + 1));
        if (up ? slot > bound : slot < bound) return false;
        const auto index = static_cast<unsigned>(slot);
        if (!is_free(*table.descriptor, index)) {
            if (visit_slot(table, index)) return true;
            at = up ? slot + 1 : slot - 1;
            continue;
        }
        const unsigned empty = up ? alike_from(*table.descriptor, index, true)
                                  : alike_below(*table.descriptor, index + 1, true);
        if (extend(further(near_end(table, index), empty * level_pages(table.level)))) return true;
        at = up ? slot + static_cast<int>(empty) : slot - static_cast<int>(empty);
    }
    return false;
}

template <abi::Direction direction>
void Search<direction>::step_over(const TableRef& table, const Filter& filter, unsigned slot) {
    const VirtAddr end = far_end(table, slot);
    restart(end);
    if (!filter.borders) return;
    const Summary& summary = *table.descriptor->summary;
    if (!summary.promised((up ? summary.trailing : summary.leading)[0], slot)) return;
    const Entry entry = table.slots[slot].load();
    if (!entry.is_table(table.level)) return;
    const std::uint64_t pages = far_pages(table.below(entry, slot));
    restart(up ? end - (pages << page_bits) : end + (pages << page_bits));
}

template <abi::Direction direction>
bool Search<direction>::visit_slot(const TableRef& table, unsigned slot) {
    const Entry entry = table.slots[slot].load();
    const VirtAddr end = far_end(table, slot);
    if (!entry.is_table(table.level)) {
        if (entry.empty()) return extend(end); // emptied since its bit was read
        restart(end);
        if (!dry_) lower_slot(table, slot);
        return false;
    }
    const TableRef child = table.below(entry, slot);
    port::searched_table();
    if (child.descriptor->live == 0) return extend(end);
    const bool whole = covers(child);
    const bool aligned = alignment_ >= level_size(table.level); // to its beginning, if inside
    if (child.descriptor->longest.pages() >= pages_ &&
        (!aligned || leading_pages(child) >= pages_)) {
        if (dry_ || visit(child)) return true;
    } else {
        // Too small inside; what is free at its two ends may still join its neighbours.
        const std::uint64_t near = whole ? near_pages(child) : 0;
        if (near != 0 && extend(further(near_end(table, slot), near))) return true;
        if (near == level_pages(table.level)) return false; // nothing but emptied tables
        // What is aligned to whole slots does not begin (or, downwards, end) inside of this one.
        const std::uint64_t far = pages_ > 1 && (!aligned || !up) ? far_pages(child) : 0;
        restart(up ? end - (far << page_bits) : end + (far << page_bits));
    }
    if (!dry_ && whole) lower_slot(table, slot);
    return false;
}

} // namespace

void lower_promise(const TableRef& table, std::uint64_t pages) {
    Promise& longest = table.descriptor->longest;
    if (longest.pages() < pages) return;
    const std::uint64_t marked = longest.mark();
    if (table.level == 1) {
        longest.lower(marked, longest_empty(*table.descriptor));
        return;
    }
    Search<abi::Direction::up> again(pages, page_size,
                                     {table.base, table.base + level_size(table.level + 1)}, true);
    if (again.visit(table))
        longest.keep(marked);
    else
        longest.lower(marked, pages - 1);
}

Result<VirtAddr> find_hole(const TableRef& root, std::uint64_t pages, std::uint64_t alignment,
                           VirtRange within, abi::Direction direction) {
    const auto found_by = [&](auto search) -> Result<VirtAddr> {
        if (!search.run(root)) return Error::no_space;
        return search.found();
    };
    if (direction == abi::Direction::up)
        return found_by(Search<abi::Direction::up>(pages, alignment, within));
    return found_by(Search<abi::Direction::down>(pages, alignment, within));
}

} // namespace vm
