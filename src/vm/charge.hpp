// SPDX-License-Identifier: MIT
// What an entry costs: the frame that it holds, and the pages that it is charged for.
#pragma once

#include "vm/entry.hpp"
#include "vm/frames.hpp"
#include "vm/table.hpp"

#include <array>

namespace vm {

/// Where `look` and `apply` are: at one entry, or at several in a row that are alike
/// (Entry::is_alike), all of them covered whole.
struct Spot {
    Level level;
    VirtRange range; ///< what of the transaction's range they map
    bool whole;      ///< the range covers all that they map
    unsigned entries = 1;
};

/// The frame of a present or parked entry that is no table.
inline PhysAddr page_frame(Entry entry) {
    return entry.present() ? entry.frame() : entry.parked_frame();
}

/// The private frame that an entry of a table at `level` holds, 0 if none: a leaf's or a parked
/// one, neither shared ("don't free me") nor the frame of zeros.
inline PhysAddr private_frame(Entry entry, Level level) {
    if (!entry.present())
        return entry.is_parked() && !entry.is_shared() ? entry.parked_frame() : PhysAddr{};
    if (entry.is_shared() || entry.is_table(level) || entry.frame() == zero_frame())
        return PhysAddr{};
    return entry.frame();
}

/// The frame on which an entry of a table at `level` holds a reference, 0 if none: a private one,
/// or a page of an object.
inline PhysAddr held_frame(Entry entry, Level level) {
    if (!entry.is_shared()) return private_frame(entry, level);
    if (!entry.has_page() || !entry.is_counted()) return PhysAddr{};
    return page_frame(entry);
}

/// What the processor noted about an object's page goes with the last entry that says so.
inline void note_written(Entry entry) {
    if (entry.present() && entry.dirty() && entry.is_counted() && !entry.is_cow())
        frame_record(entry.frame()).written.store(true);
}

/// Charge of a table by level: its frame, and above level 1 one for its summary. Two summaries fit
/// into a frame, but each may come to be alone there. Descriptors: see `commit_capacity`.
inline constexpr std::uint64_t table_charge(Level level) { return level == 1 ? 1 : 2; }

/// Charge by level of an entry that is a promise or holds frames: its pages, and the tables for all
/// entries below it.
inline constexpr auto charge_by_level = [] {
    std::array<std::uint64_t, level_max + 1> charge{0, 1};
    for (Level level = 2; level <= level_max; ++level)
        charge[level] = table_entries * charge[level - 1] + table_charge(level - 1);
    return charge;
}();

/// Pages charged for an entry of a table at `level`. A large one is charged for the tables below it
/// too, so that touching what is promised never needs a charge: splitting changes no sum.
[[gnu::always_inline]] inline std::uint64_t charge_of(Entry entry, Level level) {
    const auto promise = [&] {
        return entry.access().writable() && !entry.intent().noreserve ? charge_by_level[level] : 0;
    };
    if (!entry.present()) {
        if (entry.is_shared()) return 0;
        return entry.is_parked() ? charge_by_level[level] : promise();
    }
    if (entry.is_table(level)) return 0;
    if (entry.is_shared()) [[unlikely]] // what may be written becomes a page of its own
        return entry.is_cow() ? promise() : 0;
    return entry.frame() == zero_frame() ? promise() : charge_by_level[level];
}
/// The same for the part that `where` covers of the entry, in the largest blocks that fit.
std::uint64_t charge_of_part(Entry entry, const Spot& where);
/// The same for what `where` covers of the entry, or of so many like it.
[[gnu::always_inline]] inline std::uint64_t charge_of(Entry entry, const Spot& where) {
    if (!where.whole) [[unlikely]]
        return charge_of_part(entry, where);
    return charge_of(entry, where.level) * where.entries;
}

/// Pages of a page table's charge for touched memory that nobody was promised (noreserve). While
/// several spaces may have the table, none of them is charged for these, but their quotas are,
/// once.
unsigned unpromised_pages(const TableDescriptor& table);
/// What each space is charged for a page table that others may have too, itself included.
std::uint64_t charge_of_shared(const TableDescriptor& table);

} // namespace vm
