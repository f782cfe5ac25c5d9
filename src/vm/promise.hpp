// SPDX-License-Identifier: MIT
// Promises about free space: perhaps too much, never too little. What a hole search steps over.
//
// Who frees something raises, from the entry up to the root; who searched in vain lowers. Neither
// holds the locks of all tables on the way, so every promise X that follows from something Y below
// it is changed like this:
//
//   who frees   changes Y, full barrier, then reads X: raises it, or takes a mark on it away
//   who lowers  marks X (a full barrier), looks at Y again, then puts the lower X if its mark
//   stands
//
// Of the two at least one sees the other, and at no time does X say less than a finished change of
// Y asks for.
#pragma once

#include "vm/atomic.hpp"
#include "vm/entry_view.hpp"
#include "vm/port.hpp"

#include <algorithm>
#include <bit>

namespace vm {

/// How many pages the longest free run in a table's span may have.
class Promise {
public:
    /// Before the table is linked.
    void reset(std::uint64_t pages) { word_.store(pages, std::memory_order_relaxed); }
    std::uint64_t pages() const { return word_.load(std::memory_order_acquire) & pages_mask; }
    /// Promises at least so many pages, and nobody's mark is on it.
    bool stands(std::uint64_t pages) const {
        const std::uint64_t word = word_.load(std::memory_order_relaxed);
        return word >= pages && word <= pages_mask;
    }
    /// Promises at least so many, and takes marks away. Called after what was freed can be seen,
    /// and a full barrier. Writes nothing when it stands.
    void raise(std::uint64_t pages) {
        std::uint64_t old = word_.load(std::memory_order_relaxed);
        while (old < pages || old > pages_mask) {
            if (word_.compare_exchange_weak(old, std::max(old & pages_mask, pages))) return;
        }
    }
    /// Leaves this CPU's mark, and gives the word as it stands with it. A full barrier.
    std::uint64_t mark() {
        const std::uint64_t mine = std::uint64_t{port::cpu() + 1} << pages_bits;
        std::uint64_t old = word_.load(std::memory_order_relaxed);
        while (!word_.compare_exchange_weak(old, (old & pages_mask) | mine)) {
        }
        return (old & pages_mask) | mine;
    }
    /// Puts `pages` if the mark still stands.
    void lower(std::uint64_t marked, std::uint64_t pages) {
        word_.compare_exchange_strong(marked, pages, std::memory_order_relaxed);
    }
    /// Takes the mark away and leaves the promise, if the mark still stands.
    void keep(std::uint64_t marked) { lower(marked, marked & pages_mask); }

private:
    static constexpr unsigned pages_bits = 46; ///< a root of 5 levels maps 2^45 pages
    static constexpr std::uint64_t pages_mask = (1ULL << pages_bits) - 1;
    Atomic<std::uint64_t> word_{0};
};

/// One promise for each slot of a table: a bit. 32 of them share a word with the mark of who lowers
/// one of them.
class PromisedSlots {
public:
    static constexpr unsigned word_slots = 32;
    static constexpr unsigned word_count = table_entries / word_slots;

    /// Bit i: slot 32 * word + i.
    std::uint32_t word(unsigned word) const {
        return static_cast<std::uint32_t>(words_[word].load(std::memory_order_acquire));
    }
    bool promised(unsigned slot) const {
        return (word(slot / word_slots) >> (slot % word_slots) & 1) != 0;
    }
    /// As Promise's: stands, raise, mark, lower, keep.
    bool stands(unsigned slot) const {
        const std::uint64_t word = words_[slot / word_slots].load(std::memory_order_relaxed);
        return (word >> (slot % word_slots) & 1) != 0 && word <= slots_mask;
    }
    void raise(unsigned slot) {
        Atomic<std::uint64_t>& word = words_[slot / word_slots];
        std::uint64_t old = word.load(std::memory_order_relaxed);
        while ((old & bit(slot)) == 0 || old > slots_mask) {
            if (word.compare_exchange_weak(old, (old | bit(slot)) & slots_mask)) return;
        }
    }
    std::uint64_t mark(unsigned slot) {
        const std::uint64_t mine = std::uint64_t{port::cpu() + 1} << word_slots;
        Atomic<std::uint64_t>& word = words_[slot / word_slots];
        std::uint64_t old = word.load(std::memory_order_relaxed);
        while (!word.compare_exchange_weak(old, (old & slots_mask) | mine)) {
        }
        return (old & slots_mask) | mine;
    }
    bool lower(unsigned slot, std::uint64_t marked) {
        return words_[slot / word_slots].compare_exchange_strong(marked,
                                                                 marked & slots_mask & ~bit(slot));
    }
    void keep(unsigned slot, std::uint64_t marked) {
        words_[slot / word_slots].compare_exchange_strong(marked, marked & slots_mask);
    }
    /// Before the table is linked.
    void promise_all() {
        for (Atomic<std::uint64_t>& word : words_)
            word.store(slots_mask, std::memory_order_relaxed);
    }
    /// The other's marks come along: they disturb nobody. What is read afterwards is no older.
    void assign(const PromisedSlots& other) {
#pragma GCC unroll 16
        for (unsigned at = 0; at < word_count; ++at)
            words_[at].store(other.words_[at].load(std::memory_order_acquire),
                             std::memory_order_relaxed);
    }

private:
    static constexpr std::uint64_t slots_mask = (1ULL << word_slots) - 1;
    static constexpr std::uint64_t bit(unsigned slot) { return 1ULL << (slot % word_slots); }
    Atomic<std::uint64_t> words_[word_count]{};
};

/// What the tables below an upper table promise, for all its slots at once. A table at level c
/// spans 2^(9c) pages; class k stands for runs of at least 2^(ck) pages, so that of 10 classes the
/// last one is a wholly free table at every level. A slot whose promise is of class k is in all
/// sets up to k; but who is in the last one is in all, whatever the others say. What it says about
/// slots that are no tables means nothing.
struct Summary {
    static constexpr unsigned inside_classes = 10;
    static constexpr unsigned whole = inside_classes - 1;
    static constexpr unsigned edge_classes = 3; ///< inside's classes 0, 3, 6

    PromisedSlots inside[inside_classes]; ///< free runs anywhere in the table
    PromisedSlots leading[edge_classes];  ///< free runs at the table's beginning
    PromisedSlots trailing[edge_classes]; ///< free runs at its end

    /// Class of a run of `pages` (not 0) in a table at level `below`, at most its whole span.
    static constexpr unsigned inside_class(std::uint64_t pages, Level below) {
        return (63U - static_cast<unsigned>(std::countl_zero(pages))) / below;
    }
    static constexpr unsigned edge_class(std::uint64_t pages, Level below) {
        return std::min(inside_class(pages, below) / 3, edge_classes - 1);
    }
    /// Fewest pages of a class.
    static constexpr std::uint64_t inside_pages(unsigned inside_class, Level below) {
        return 1ULL << (inside_class * below);
    }
    static constexpr std::uint64_t edge_pages(unsigned edge_class, Level below) {
        return inside_pages(3 * edge_class, below);
    }

    /// 32 slots of a set, those that are in all included.
    /// Looks at the last class first: who leaves it was put into the others before.
    std::uint32_t word(const PromisedSlots& set, unsigned at) const {
        const std::uint32_t wholly = inside[whole].word(at);
        return wholly | set.word(at);
    }
    bool promised(const PromisedSlots& set, unsigned slot) const {
        return inside[whole].promised(slot) || set.promised(slot);
    }

    /// Promises that the table below `slot` is wholly free.
    void raise_whole(unsigned slot) { inside[whole].raise(slot); }
    bool whole_stands(unsigned slot) const { return inside[whole].stands(slot); }
    /// Promises a run of `pages` in the table below, and at its two ends.
    void raise(unsigned slot, Level below, std::uint64_t pages, std::uint64_t leading_pages,
               std::uint64_t trailing_pages) {
        if (pages != 0) raise(inside, slot, inside_class(pages, below));
        if (leading_pages != 0) raise(leading, slot, edge_class(leading_pages, below));
        if (trailing_pages != 0) raise(trailing, slot, edge_class(trailing_pages, below));
    }
    void promise_all() {
        for (PromisedSlots& slots : inside) slots.promise_all();
    }

    /// Says what another one says, which may be lowered meanwhile. Before the table is linked.
    /// As `word`, looks at the last class first.
    void assign(const Summary& other) {
        inside[whole].assign(other.inside[whole]);
        for (unsigned at = 0; at < whole; ++at) inside[at].assign(other.inside[at]);
        assign_all(leading, other.leading);
        assign_all(trailing, other.trailing);
    }

private:
    template <std::size_t count>
    static void assign_all(PromisedSlots (&classes)[count], const PromisedSlots (&from)[count]) {
        for (unsigned at = 0; at < count; ++at) classes[at].assign(from[at]);
    }
    /// The smallest class first; searches lower the largest first, so that a class that stands
    /// vouches for those before it.
    template <std::size_t count>
    static void raise(PromisedSlots (&classes)[count], unsigned slot, unsigned to) {
        if (classes[to].stands(slot)) return;
        for (unsigned at = 0; at <= to; ++at) classes[at].raise(slot);
    }
};
static_assert(sizeof(Summary) == 2048);

struct TableRef;

/// Raises all promises that follow from `freed`: all of it is free now, and bitmaps and entries say
/// so. `root` is the space's; `lowest`, the lowest table that covers the range, is locked. Reads
/// first, and writes only where something rises.
void raise_promises(const TableRef& root, const TableRef& lowest, VirtRange freed);

} // namespace vm
