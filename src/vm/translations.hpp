// SPDX-License-Identifier: MIT
// Which CPUs may hold translations of a space: those that a change of it must reach.
#pragma once

#include "vm/atomic.hpp"
#include "vm/port.hpp"

#include <array>
#include <bit>
#include <cstdint>

namespace vm {

/// A set of CPUs that any CPU may change at any time.
class CpuSet {
public:
    constexpr CpuSet() = default;
    static constexpr CpuSet all() { return CpuSet(~0ULL); }
    /// No CPU's number will reach `count`: sets need not be looked through beyond. At boot.
    static void expect(unsigned count) { words_in_use = (count + 63) / 64; }

    /// Full barriers, both: what the CPU does next comes after it was seen to be in the set.
    void add(unsigned cpu) { word_of(cpu).fetch_or(bit(cpu), std::memory_order_seq_cst); }
    void remove(unsigned cpu) { word_of(cpu).fetch_and(~bit(cpu), std::memory_order_seq_cst); }
    void clear() {
        for (Atomic<std::uint64_t>& word : words_) word.store(0, std::memory_order_relaxed);
    }
    /// Becomes the other, word by word.
    void assign(const CpuSet& other) {
        for (unsigned word = 0; word < words_.size(); ++word)
            words_[word].store(other.words_[word].load(std::memory_order_relaxed));
    }
    /// Adds; true if no other whose number stands in the same word was in the set.
    bool add_first(unsigned cpu) { return word_of(cpu).fetch_or(bit(cpu)) == 0; }
    /// Takes out all that are in, and calls visit(cpu) for each.
    template <typename Visit>
    void take_all(Visit&& visit) {
        for (unsigned word = 0; word < words_in_use; ++word) {
            if (words_[word].load(std::memory_order_relaxed) == 0) continue;
            std::uint64_t left = words_[word].exchange(0);
            for (; left != 0; left &= left - 1)
                visit(word * 64 + static_cast<unsigned>(std::countr_zero(left)));
        }
    }
    /// Where a CPU's number stands, for who adds and removes the same one over and over.
    struct Place {
        std::uint64_t bit;
        unsigned word;
    };
    static constexpr Place place_of(unsigned cpu) {
        return {bit(cpu), static_cast<unsigned>(cpu / 64 % (port::cpu_limit / 64))};
    }
    void add(const Place& place) {
        words_.data()[place.word].fetch_or(place.bit, std::memory_order_seq_cst);
    }
    void remove(const Place& place) {
        words_.data()[place.word].fetch_and(~place.bit, std::memory_order_seq_cst);
    }
    bool contains(unsigned cpu) const {
        return (words_[cpu / 64].load(std::memory_order_relaxed) & bit(cpu)) != 0;
    }
    /// Calls visit(cpu) for each that is in the set when its word is read, lowest first.
    template <typename Visit>
    void for_each(Visit&& visit) const {
        for (unsigned word = 0; word < words_in_use; ++word) {
            std::uint64_t left = words_[word].load(std::memory_order_seq_cst);
            for (; left != 0; left &= left - 1)
                visit(word * 64 + static_cast<unsigned>(std::countr_zero(left)));
        }
    }
    /// Whether a CPU other than `cpu` is in the set.
    bool any_but(unsigned cpu) const {
        for (unsigned word = 0; word < words_in_use; ++word) {
            const std::uint64_t own = cpu / 64 == word ? bit(cpu) : 0;
            if ((words_[word].load(std::memory_order_seq_cst) & ~own) != 0) return true;
        }
        return false;
    }

private:
    constexpr explicit CpuSet(std::uint64_t word) : words_{word, word, word, word} {}
    static inline unsigned words_in_use = port::cpu_limit / 64;
    static constexpr std::uint64_t bit(unsigned cpu) { return 1ULL << (cpu % 64); }
    Atomic<std::uint64_t>& word_of(unsigned cpu) { return words_[cpu / 64]; }
    std::array<Atomic<std::uint64_t>, port::cpu_limit / 64> words_{};
};

/// What a space keeps for the machine's TLBs. The order of events is what makes it right:
///   a CPU that begins to run the space   adds itself, then reads `generation`, then loads the root
///   a CPU that changed the space         has changed the entries, adds to `generation`, then
///                                        reads `running`
/// so that of the two at least one sees the other. A CPU that leaves the space needs no order: of a
/// change that it did not flush it has not counted the number either (vm::PcidCache).
struct Translations {
    /// From here on CPUs may keep what they cached of a space that they left. At boot.
    static void expect_kept() { kept_when_left = true; }

    /// Names the space's translations; never used again.
    std::uint64_t number = 0;
    /// Counts changes: what a CPU cached at another count, and kept while it ran something else,
    /// must be forgotten before it runs the space again.
    Atomic<std::uint64_t> generation{0};
    /// CPUs that run the space, or read its tables without a lock: see Visit.
    CpuSet running;

    /// The entries were changed, and `running` will be read: a full barrier. Gives the change's
    /// number, for those who flush it; 0 where nobody needs one, and so no line is written.
    std::uint64_t count_change() {
        if (kept_when_left) return generation.fetch_add(1, std::memory_order_seq_cst) + 1;
        std::atomic_thread_fence(std::memory_order_seq_cst);
        return 0;
    }

private:
    static inline bool kept_when_left = false;
};

/// Lets this CPU read the tables of a space that it does not run. Tables are freed when every CPU
/// in `running` has acknowledged a flush; a CPU does so only where it holds no pointer into a
/// table that no lock protects.
class [[nodiscard]] Visit {
public:
    explicit Visit(Translations& translations) : translations_(translations) {
        const unsigned cpu = port::cpu();
        joins_ = !translations.running.contains(cpu);
        if (joins_) translations.running.add(cpu);
    }
    ~Visit() {
        if (joins_) translations_.running.remove(port::cpu());
    }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

private:
    Translations& translations_;
    bool joins_ = false;
};

} // namespace vm
