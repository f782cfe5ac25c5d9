// SPDX-License-Identifier: MIT
// What suites over the map share: how a space looks from outside, and what must stay equal.
#pragma once

#include "shim/machine.hpp"

#include <string>
#include <vector>

namespace shim {

/// All runs of a space, asked for a few at a time.
std::vector<abi::Run> all_runs(const vm::AddressSpace& space, std::size_t at_a_time = 7);
/// Runs as text, one line each: "start-end rights state present/pages levels".
std::string describe(const std::vector<abi::Run>& runs);
std::string describe(const abi::Run& run);
/// `describe(all_runs(space))`.
std::string picture(const vm::AddressSpace& space);

/// What must be the same again after everything was given back.
struct Totals {
    std::uint64_t total;
    std::uint64_t by_kind[vm::frame_kind_count];
    std::uint64_t committed;
    bool operator==(const Totals&) const = default;
    /// Now, with the CPUs' caches of frames given back first.
    static Totals now();
    std::string text() const;
};
inline std::string describe(const Totals& totals) { return totals.text(); }

/// What a failed operation must leave as it was: runs, charge, counts.
struct Likeness {
    std::string runs;
    std::uint64_t charged;
    std::uint64_t anonymous;
    bool operator==(const Likeness&) const = default;
    static Likeness of(const vm::AddressSpace& space);
};

/// Everything that is wrong with a space: stale translations, the map's own validation, frames
/// that are mapped but free, counts that differ from the entries. Empty if nothing is.
std::string faults_of(Machine& machine, const vm::AddressSpace& space);

/// Entries of a paging structure, counted by an own walk.
struct EntryCounts {
    std::uint64_t tables = 0;      ///< the root included, kernel half left out
    std::uint64_t present = 0;     ///< leaves
    std::uint64_t not_present = 0; ///< that are not empty
};
EntryCounts count_entries(Machine& machine, const vm::AddressSpace& space);

/// Tables that are charged but not made yet: those below large entries that are promised writable.
std::uint64_t promised_tables(const vm::AddressSpace& space);

inline VirtRange range_of(std::uint64_t start, std::uint64_t bytes) {
    return {VirtAddr{start}, VirtAddr{start + bytes}};
}

} // namespace shim
