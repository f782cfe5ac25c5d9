// SPDX-License-Identifier: MIT
// What an entry costs: the frame that it holds, and the pages that it is charged for.
#pragma once

#include "vm/entry.hpp"
#include "vm/frames.hpp"

namespace vm {

/// Where `look` and `apply` are.
struct Spot {
    Level level;
    VirtRange range; ///< what of the transaction's range this entry maps
    bool whole;      ///< the range covers all that the entry maps
};

/// The private frame that an entry of a table at `level` holds, 0 if none: a leaf's or a parked
/// one, neither shared ("don't free me") nor the frame of zeros.
inline PhysAddr private_frame(Entry entry, Level level) {
    if (!entry.present())
        return entry.is_parked() && !entry.is_shared() ? entry.parked_frame() : PhysAddr{};
    if (entry.is_shared() || entry.is_table(level) || entry.frame() == zero_frame())
        return PhysAddr{};
    return entry.frame();
}

/// Charge of a promised entry by level: its pages, and a table for each 512 entries below it.
inline constexpr std::uint64_t charge_by_level[level_max + 1] = {
    0,
    1,
    512 + 1,
    512 * 513 + 1,
    512ULL * (512 * 513 + 1) + 1,
    512ULL * (512ULL * (512 * 513 + 1) + 1) + 1};

/// Pages charged for an entry of a table at `level`. A promised large entry is charged for the
/// tables below it too, so that touching it never needs a charge: splitting changes no sum.
inline std::uint64_t charge_of(Entry entry, Level level) {
    const auto promise = [&] {
        return entry.access().writable() && !entry.intent().noreserve ? charge_by_level[level] : 0;
    };
    if (!entry.present()) {
        const EntryKind kind = entry.kind(level);
        if (kind == EntryKind::lazy) return promise();
        return kind == EntryKind::parked && !entry.is_shared() ? 1 : 0;
    }
    if (entry.is_shared() || entry.is_table(level)) return 0;
    return entry.frame() == zero_frame() ? promise() : level_pages(level);
}
/// The same for the part that `where` covers of the entry, in the largest blocks that fit.
std::uint64_t charge_of_part(Entry entry, const Spot& where);
/// The same for what `where` covers of the entry.
inline std::uint64_t charge_of(Entry entry, const Spot& where) {
    return where.whole ? charge_of(entry, where.level) : charge_of_part(entry, where);
}

} // namespace vm
