// SPDX-License-Identifier: MIT
// What an address space should be: a plain array of cells, each some pages in one state. Most cells
// are single pages, around borders of tables; between them lie large ones that are never touched,
// unless they come with a page of 2 MiB.
#pragma once

#include "vm/space.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace shim {

class MapModel {
public:
    enum class Content : std::uint8_t { none, zero, own };
    struct Cell {
        std::uint64_t start = 0;
        std::uint64_t pages = 0;
        bool mapped = false;
        bool guard = false;
        bool watched = false;
        vm::Growth growth = vm::Growth::none;
        vm::Access access{};
        vm::Ceiling ceiling{};
        bool noreserve = false;
        bool huge = false;
        Content content = Content::none;
        std::uint64_t seed = 0; ///< of what was written; 0: zeros
        std::uint64_t end() const { return start + (pages << page_bits); }
        bool single() const { return pages == 1; }
        bool callback() const { return guard || watched || growth != vm::Growth::none; }
        bool parked() const { return content == Content::own && !access.readable(); }
    };
    /// Cells [first, last).
    struct Part {
        std::size_t first;
        std::size_t last;
    };

    MapModel();

    std::vector<Cell>& cells() { return cells_; }
    Cell& cell(std::size_t index) { return cells_[index]; }
    VirtRange range(Part part) const;
    std::uint64_t pages(Part part) const { return range(part).pages().value; }
    /// The cells that begin and end exactly there.
    std::optional<Part> part(std::uint64_t start, std::uint64_t end) const;

    bool any_mapped(Part part) const;
    bool any_hole(Part part) const;
    bool allows(Part part, vm::Access access) const;

    void map(Part part, vm::Access access, vm::Ceiling ceiling, bool noreserve, bool guard,
             bool huge = false, vm::Growth growth = vm::Growth::none);
    void unmap(Part part);
    void protect(Part part, vm::Access access);
    /// Whether all of it can be watched.
    bool untouched(Part part) const;
    void watch(Part part, vm::Access access);
    void discard(Part part);
    void populate(Part part);
    /// The cells of the block of 2 MiB around a cell, if a touch may make it one page.
    std::optional<Part> block(std::size_t index) const;
    /// How an access ends, after what it changes.
    vm::Resolution touch(std::size_t index, bool write, bool execute);

    /// The lowest free aligned range at or above `from`, by a scan over all cells.
    std::optional<std::uint64_t> first_fit(std::uint64_t pages, std::uint64_t alignment,
                                           std::uint64_t from) const;
    /// The highest free aligned range that ends at or below `to`.
    std::optional<std::uint64_t> last_fit(std::uint64_t pages, std::uint64_t alignment,
                                          std::uint64_t to) const;
    /// Continues cell `like` into `part`, which is free.
    void grow(Part part, std::size_t like);
    /// Runs as query should give them, without `levels`.
    std::vector<abi::Run> runs() const;
    std::uint64_t own_pages() const;
    /// Pages promised writable or that hold a private frame.
    std::uint64_t charge() const;

private:
    /// A touch of memory that grows. False at its guard.
    bool fill(std::size_t index);
    void add(std::uint64_t end, std::uint64_t pages_each);
    std::vector<Cell> cells_;
};

} // namespace shim
