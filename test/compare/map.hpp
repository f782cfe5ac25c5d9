// SPDX-License-Identifier: MIT
// The map of an address space as each of the compared structures keeps it: one interface, so that
// the same test and the same measurements run over all of them.
//
//   sorted array      regions in an array, by address                           sorted_array.hpp
//   tree + blocks     regions in a balanced tree, free blocks by address and size  tree.hpp
//   segments + holes  regions in a sorted map, holes in another one                tree.hpp
//   entries           a state in each page's entry, nothing above, nothing beside  entries.hpp
//   tabula            vm::AddressSpace                                             tabula.hpp
//
// Those that keep regions keep page tables too (paging.hpp), and change them with each operation,
// as a kernel must. What only tells apart what src/vm has and they have not (commit charge, table
// locks, flushes to other CPUs) is left out; they take one lock for each operation.
#pragma once

#include "abi/types.hpp"
#include "lib/address.hpp"
#include "vm/access.hpp"

#include <memory>
#include <optional>
#include <span>

namespace compare {

/// What a range is. Object 0: memory; else a file's byte `address - base` stands at an address.
struct Kind {
    vm::Access access{};
    std::uint32_t object = 0;
    bool is_private = true;
    std::uint64_t base = 0;
    constexpr bool operator==(const Kind&) const = default;
};

/// One line of a listing.
struct Area {
    VirtRange range;
    vm::Access access;
    std::uint32_t object;
    std::uint64_t offset; ///< of the first byte, in its object
    constexpr bool operator==(const Area&) const = default;
};

/// What is known about a page.
struct Page {
    bool mapped = false;
    vm::Access access{};
    std::uint32_t object = 0;
    std::uint64_t offset = 0; ///< of the page
    constexpr bool operator==(const Page&) const = default;
};

/// Objects are numbered from 1 to this.
inline constexpr std::uint32_t object_count = 64;

class Map {
public:
    Map() = default;
    virtual ~Map() = default;
    Map(const Map&) = delete;
    Map& operator=(const Map&) = delete;

    /// Exactly there, over anything.
    virtual void map(VirtRange range, const Kind& kind) = 0;
    /// In the lowest hole at or above `from`. None if there is none.
    virtual std::optional<VirtAddr> map_anywhere(PageCount pages, const Kind& kind,
                                                 VirtAddr from) = 0;
    virtual void unmap(VirtRange range) = 0;
    /// False, and nothing done, if there is a hole in the range.
    [[nodiscard]] virtual bool protect(VirtRange range, vm::Access access) = 0;
    /// Drops pages, keeps the range. False, and nothing done, if there is a hole in it.
    [[nodiscard]] virtual bool discard(VirtRange range) = 0;
    /// The mapped range `from` to `to`, a hole of the same length apart from it, with its pages.
    virtual void move(VirtRange from, VirtRange to) = 0;

    virtual std::optional<VirtAddr> first_fit(PageCount pages, VirtAddr from) const = 0;
    /// The lowest mapped address at or above (up), the end of the highest mapped page below (down).
    virtual std::optional<VirtAddr> nearest(VirtAddr address, abi::Direction direction) const = 0;
    virtual Page lookup(VirtAddr page) const = 0;
    /// What is mapped at or above `from`; gives the number written. The first one may begin below.
    virtual std::size_t list(VirtAddr from, std::span<Area> areas) const = 0;

    /// A write fault at a page of memory that may be written: makes its frame, or its own copy of
    /// one. False if it may not be written, or is an object's.
    [[nodiscard]] virtual bool fault(VirtAddr page) = 0;
    /// The memory of a page that has a frame; else null.
    virtual void* memory(VirtAddr page) const = 0;
    /// The same map again, pages shared until one of both writes.
    virtual std::unique_ptr<Map> fork() = 0;
};

/// Where all maps may have something.
inline constexpr VirtRange space_range{VirtAddr{0x10000}, VirtAddr{0x00007ffffffff000}};

} // namespace compare
