// SPDX-License-Identifier: MIT
// The CPUs' counts of the idle tables that they left.
#include "vm/idle.hpp"

#include <array>

namespace vm {

namespace {

/// Idle tables that a CPU leaves in a space; more are folded at once.
constexpr std::uint64_t kept_limit = 8;

/// A word is the number of a space and a count. A CPU has a few, chosen by the space's number;
/// where one is taken over for another space, the tables counted until then are kept beyond the
/// limit. Others write a CPU's words only when they use a table that it had left idle.
constexpr unsigned count_bits = 8;
constexpr std::uint64_t count_mask = (1ULL << count_bits) - 1;
struct alignas(64) KeptTables {
    std::array<Atomic<std::uint64_t>, 8> words;
};
constinit KeptTables kept[port::cpu_limit]{};

Atomic<std::uint64_t>& word_of(unsigned cpu, std::uint64_t space) {
    auto& words = kept[cpu].words;
    return words[space % words.size()];
}

} // namespace

void reset_idle() {
    for (KeptTables& cpu : kept)
        for (auto& word : cpu.words) word.store(0, std::memory_order_relaxed);
}

bool keep_idle(TableDescriptor& table, std::uint64_t space) {
    const unsigned cpu = port::cpu();
    Atomic<std::uint64_t>& word = word_of(cpu, space);
    std::uint64_t old = word.load(std::memory_order_relaxed);
    std::uint64_t now = 0;
    do {
        now = old >> count_bits == space ? old : space << count_bits;
        if ((now & count_mask) != count_mask) ++now;
    } while (!word.compare_exchange_weak(old, now, std::memory_order_relaxed));
    table.kept_by = static_cast<std::uint16_t>(cpu + 1);
    return (now & count_mask) > kept_limit;
}

void forget_idle(TableDescriptor& table, std::uint64_t space) {
    if (table.kept_by == 0) return;
    Atomic<std::uint64_t>& word = word_of(table.kept_by - 1U, space);
    table.kept_by = 0;
    std::uint64_t old = word.load(std::memory_order_relaxed);
    while (old >> count_bits == space && (old & count_mask) != 0) {
        if (word.compare_exchange_weak(old, old - 1, std::memory_order_relaxed)) return;
    }
}

} // namespace vm
