// SPDX-License-Identifier: MIT
// What an entry can say: levels, ids, intent, and one structure for each kind of entry.
#pragma once

#include "lib/address.hpp"
#include "vm/access.hpp"

#include <cstdint>
#include <variant>

namespace vm {

using abi::Origin;

/// Levels of the paging structure, as the SDM's tables count from the bottom:
/// 1 page table, 2 page directory, 3 page-directory-pointer table, 4 PML4, 5 PML5.
using Level = unsigned;
inline constexpr Level level_max = 5;
inline constexpr unsigned table_entries = 512;

/// Bits of the address that select an entry of one table.
inline constexpr unsigned level_bits = 9;
/// Bits of the address below what one entry of a table at `level` maps: 12, 21, 30, 39, 48.
constexpr unsigned level_shift(Level level) { return page_bits + level_bits * (level - 1); }
/// Bytes that one entry of a table at `level` maps.
constexpr std::uint64_t level_size(Level level) { return 1ULL << level_shift(level); }
/// Pages that one entry of a table at `level` maps.
constexpr std::uint64_t level_pages(Level level) { return 1ULL << (9 * (level - 1)); }
/// Index of the entry for `address` in a table at `level`.
constexpr unsigned level_index(VirtAddr address, Level level) {
    return static_cast<unsigned>(address.value >> level_shift(level)) & (table_entries - 1);
}
/// What the entry for `address` in a table at `level` maps.
constexpr VirtRange entry_span(VirtAddr address, Level level) {
    const VirtAddr start{align_down(address.value, level_size(level))};
    return {start, start + level_size(level)};
}
/// The highest level at which a leaf may stand: 1 GiB pages.
inline constexpr Level leaf_level_max = 3;
/// The level of the large pages that memory of a process's own may have: blocks of 2 MiB.
inline constexpr Level block_level = 2;
inline constexpr unsigned block_order = level_bits;
/// The level of the entries in which page tables of objects are grafted.
inline constexpr Level graft_level = 2;

/// How a leaf is cached; the values are the PWT and PCD bits, with PAT entry 1 set to
/// write-combining at boot (SDM 11.12). The PAT bit itself is never set.
enum class MemoryType : std::uint8_t { write_back = 0, write_combining = 1, uncached = 3 };

/// An id in the address space's id table: attachment or callback. 23 bits.
struct Id {
    std::uint32_t value = 0;
    constexpr bool operator==(const Id&) const = default;
};
inline constexpr std::uint32_t id_limit = 1U << 23;

/// What stays with a page through all its states.
struct Intent {
    Ceiling ceiling{};
    Origin origin = Origin::anonymous;
    bool noreserve = false;
    bool huge = false; ///< in pages of 2 MiB where there is room for a whole one
    constexpr bool operator==(const Intent&) const = default;
};

// The alternatives of Entry::view().
struct EmptyView {
    constexpr bool operator==(const EmptyView&) const = default;
};
struct TableView {
    PhysAddr frame;
    bool writable; ///< false: the parent entry narrows all below it
    bool user;
    constexpr bool operator==(const TableView&) const = default;
};
struct LeafView {
    PhysAddr frame;
    Access access; ///< as granted, whether or not the processor may write this frame
    Intent intent;
    MemoryType type;
    bool shared; ///< "don't free me": the frame belongs to somebody else
    bool cow;    ///< the frame may have other users, so the processor must not write it
    bool user;
    bool global;
    bool accessed;
    bool dirty;
    bool soft_dirty;
    constexpr bool operator==(const LeafView&) const = default;
};
struct LazyView {
    Access access;
    Intent intent;
    constexpr bool operator==(const LazyView&) const = default;
};
struct SharedView {
    Id id;
    Access access;
    Intent intent;
    constexpr bool operator==(const SharedView&) const = default;
};
struct FileView {
    Id id;
    Access access;
    Intent intent;
    constexpr bool operator==(const FileView&) const = default;
};
struct CallbackView {
    Id id;
    Access access;
    Intent intent;
    constexpr bool operator==(const CallbackView&) const = default;
};
struct ParkedView {
    PhysAddr frame;
    Intent intent;
    bool shared;
    bool cow;
    constexpr bool operator==(const ParkedView&) const = default;
};
struct UncachedView {
    constexpr bool operator==(const UncachedView&) const = default;
};
struct GraftView {
    PhysAddr table;
    Access access; ///< to all pages below it
    Intent intent;
    bool is_private; ///< of a private mapping
    constexpr bool operator==(const GraftView&) const = default;
};
using EntryView = std::variant<EmptyView, TableView, LeafView, LazyView, SharedView, FileView,
                               CallbackView, ParkedView, UncachedView, GraftView>;

/// The alternatives by number, for switches; the order is EntryView's.
enum class EntryKind : std::uint8_t {
    empty,
    table,
    leaf,
    lazy,
    shared,
    file,
    callback,
    parked,
    uncached,
    graft
};

} // namespace vm
