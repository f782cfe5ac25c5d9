// SPDX-License-Identifier: MIT
// Hole search, upwards and downwards.
#include "vm/search.hpp"

#include <algorithm>
#include <bit>

namespace vm {

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
    const VirtAddr table_last = table.base + (level_size(table.level + 1) - 1);
    const unsigned low = table.index_of(std::max(table.base, within_.start));
    const unsigned high = table.index_of(std::min(table_last, within_.end - 1));
    const unsigned first = up ? low : high;
    const unsigned last = up ? high : low;
    if (table.level > 1) {
        if (visit_upper(table, first, last)) return true;
    } else if (pages_ <= 64 && alignment_ <= 64 * page_size) {
        if (visit_leaf(table, first, last)) return true;
    } else if (visit_runs(table, first, last)) {
        return true;
    }
    if (!dry_ && covers(table)) lower_promise(table, pages_ + (alignment_ >> page_bits) - 1);
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
    const std::uint32_t bits = empty(at) | fits.word(at);
    if (!borders) return bits;
    const Summary& summary = *table.summary;
    const auto& near = up ? summary.leading : summary.trailing;
    const auto& far = up ? summary.trailing : summary.leading;
    const std::uint32_t joined = near[0].word(at);
    if (joined == 0) return bits;
    // Bit i: the neighbour of slot i, where the search comes from, ends free. Outside of the table
    // it may.
    const auto neighbours = [&](const PromisedSlots& ends) {
        if constexpr (up) {
            const std::uint32_t carry = at == 0 ? 1 : (ends.word(at - 1) | empty(at - 1)) >> 31;
            return (ends.word(at) | empty(at)) << 1 | carry;
        } else {
            const std::uint32_t carry =
                at + 1 == PromisedSlots::word_count ? 1 : (ends.word(at + 1) | empty(at + 1)) & 1;
            return (ends.word(at) | empty(at)) >> 1 | carry << 31;
        }
    };
    const std::uint32_t border = joined & neighbours(far[0]);
    if (half == 0 || border == 0) return bits | border;
    return bits | (border & (near[half].word(at) | neighbours(far[half])));
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
    if (!(up ? summary.trailing : summary.leading)[0].promised(slot)) return;
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
        restart(end);
        if (!dry_) lower_slot(table, slot);
        return false;
    }
    const TableRef child = table.below(entry, slot);
    port::searched_table();
    if (child.descriptor->live == 0) return extend(end);
    const bool whole = covers(child);
    if (child.descriptor->longest.pages() >= pages_) {
        if (dry_ || visit(child)) return true;
    } else {
        // Too small inside; what is free at its two ends may still join its neighbours.
        const std::uint64_t near = whole ? near_pages(child) : 0;
        if (near != 0 && extend(further(near_end(table, slot), near))) return true;
        if (near == level_pages(table.level)) return false; // nothing but emptied tables
        const std::uint64_t far = pages_ > 1 ? far_pages(child) : 0;
        restart(up ? end - (far << page_bits) : end + (far << page_bits));
    }
    if (!dry_ && whole) lower_slot(table, slot);
    return false;
}

template class Search<abi::Direction::up>;
template class Search<abi::Direction::down>;

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

namespace {

/// Takes a slot out of the classes, largest first, as long as they promise more pages than
/// below() says; that is asked again while the mark stands.
template <std::size_t count, typename Fewest, typename Below>
void lower_classes(PromisedSlots (&classes)[count], unsigned slot, Fewest fewest, Below below) {
    for (unsigned at = count; at-- > 0;) {
        if (!classes[at].promised(slot)) continue;
        if (below() >= fewest(at)) return;
        const std::uint64_t marked = classes[at].mark(slot);
        if (below() >= fewest(at)) return classes[at].keep(slot, marked);
        if (!classes[at].lower(slot, marked)) return;
    }
}

} // namespace

void lower_slot(const TableRef& table, unsigned slot) {
    Summary& summary = *table.descriptor->summary;
    if (!can_lower(&summary)) return;
    const Level level = table.level - 1;
    // What `pages` says about the table below the slot. Empty slots keep their promises: a table
    // may come there any time, wholly free.
    const auto below = [&](auto pages) {
        return [&table, slot, pages] {
            const Entry entry = table.slots[slot].load();
            if (entry.empty()) return ~std::uint64_t{0};
            return entry.is_table(table.level) ? pages(table.below(entry, slot)) : 0;
        };
    };
    lower_classes(
        summary.inside, slot, [&](unsigned at) { return Summary::inside_pages(at, level); },
        below([](const TableRef& child) { return child.descriptor->longest.pages(); }));
    const auto edge = [&](unsigned at) { return Summary::edge_pages(at, level); };
    lower_classes(summary.leading, slot, edge, below(leading_pages));
    lower_classes(summary.trailing, slot, edge, below(trailing_pages));
}

} // namespace vm
