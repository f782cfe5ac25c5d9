// SPDX-License-Identifier: MIT
// Regions in a balanced tree by address, and holes: in a tree by address, or in one by address and
// one by size.
#pragma once

#include "compare/regions.hpp"

#include <map>
#include <set>

namespace compare {

/// Holes by address.
class HolesByAddress {
public:
    HolesByAddress() { release(space_range.start.value, space_range.end.value); }

    /// A part of one hole is none any more.
    void occupy(std::uint64_t start, std::uint64_t end) {
        const auto hole = std::prev(holes_.upper_bound(start));
        const std::uint64_t last = hole->second;
        if (hole->first < start) {
            hole->second = start;
            if (end < last) holes_.emplace(end, last);
        } else if (end < last) {
            begin_at(hole, end);
        } else {
            holes_.erase(hole);
        }
    }
    /// A range that was none becomes one, with its neighbours.
    void release(std::uint64_t start, std::uint64_t end) {
        const auto above = holes_.lower_bound(start);
        const auto below = above == holes_.begin() ? holes_.end() : std::prev(above);
        const bool joins_above = above != holes_.end() && above->first == end;
        if (below != holes_.end() && below->second == start) {
            below->second = joins_above ? above->second : end;
            if (joins_above) holes_.erase(above);
        } else if (joins_above) {
            begin_at(above, start);
        } else {
            holes_.emplace(start, end);
        }
    }
    std::optional<std::uint64_t> first_fit(std::uint64_t bytes, std::uint64_t from) const {
        auto at = holes_.upper_bound(from);
        if (at != holes_.begin() && from < std::prev(at)->second) --at;
        for (; at != holes_.end(); ++at) {
            const std::uint64_t start = std::max(at->first, from);
            if (start + bytes <= at->second) return start;
        }
        return std::nullopt;
    }

private:
    using ByAddress = std::map<std::uint64_t, std::uint64_t>; ///< start to end
    void begin_at(ByAddress::iterator hole, std::uint64_t start) {
        auto node = holes_.extract(hole);
        node.key() = start;
        holes_.insert(std::move(node));
    }
    ByAddress holes_;
};

/// The same, and by size: whichever finds the lowest that fits first.
class FreeBlocks {
public:
    FreeBlocks() { add(space_range.start.value, space_range.end.value); }

    void occupy(std::uint64_t start, std::uint64_t end) {
        const auto hole = std::prev(by_address_.upper_bound(start));
        const auto [first, last] = *hole;
        if (first < start)
            resize(hole, start);
        else
            remove(hole);
        if (end < last) add(end, last);
    }
    void release(std::uint64_t start, std::uint64_t end) {
        const auto above = by_address_.lower_bound(start);
        const auto below = above == by_address_.begin() ? by_address_.end() : std::prev(above);
        if (above != by_address_.end() && above->first == end) {
            end = above->second;
            remove(above);
        }
        if (below != by_address_.end() && below->second == start)
            resize(below, end);
        else
            add(start, end);
    }
    /// Both ways at once, a step each: upwards by address until one is large enough, and through
    /// all that are large enough for the lowest. So neither many small ones nor many large ones
    /// cost.
    std::optional<std::uint64_t> first_fit(std::uint64_t bytes, std::uint64_t from) const {
        auto at = by_address_.upper_bound(from);
        if (at != by_address_.begin() && from < std::prev(at)->second) --at;
        auto large = by_size_.lower_bound({bytes, 0});
        std::optional<std::uint64_t> lowest;
        for (; at != by_address_.end(); ++at) {
            const std::uint64_t start = std::max(at->first, from);
            if (start + bytes <= at->second) return start;
            if (large == by_size_.end()) return lowest;
            const std::uint64_t inside = std::max(large->second, from);
            const bool fits = inside + bytes <= large->second + large->first;
            if (fits && (!lowest || inside < *lowest)) lowest = inside;
            ++large;
        }
        return std::nullopt;
    }

private:
    using ByAddress = std::map<std::uint64_t, std::uint64_t>;
    void add(std::uint64_t start, std::uint64_t end) {
        by_address_.emplace(start, end);
        by_size_.emplace(end - start, start);
    }
    void remove(ByAddress::iterator hole) {
        by_size_.erase({hole->second - hole->first, hole->first});
        by_address_.erase(hole);
    }
    void resize(ByAddress::iterator hole, std::uint64_t end) {
        auto node = by_size_.extract({hole->second - hole->first, hole->first});
        node.value().first = end - hole->first;
        by_size_.insert(std::move(node));
        hole->second = end;
    }

    ByAddress by_address_;
    std::set<std::pair<std::uint64_t, std::uint64_t>> by_size_; ///< {bytes, start}
};

template <typename Holes>
class Tree {
public:
    const Region* at_or_above(std::uint64_t address) const {
        const auto at = first_ending_above(address);
        return at == regions_.end() ? nullptr : &at->second;
    }
    const Region* below(std::uint64_t address) const {
        const auto at = regions_.lower_bound(address);
        return at == regions_.begin() ? nullptr : &std::prev(at)->second;
    }

    bool replace(std::uint64_t start, std::uint64_t end, const Kind* kind) {
        // Neighbours too: they may become one with the new region.
        auto first = regions_.lower_bound(start);
        if (first != regions_.begin() && start <= std::prev(first)->second.end) --first;
        auto last = first;
        bool mapped = false;
        std::uint64_t hole = start; // as far as the holes are known to be right
        Pieces pieces;
        for (; last != regions_.end() && last->first <= end; ++last) {
            const Region& region = last->second;
            if (region.start < start)
                pieces.add({region.start, std::min(region.end, start), region.kind});
            if (region.start >= end || region.end <= start) continue;
            mapped = true;
            const std::uint64_t from = std::max(region.start, start);
            const std::uint64_t to = std::min(region.end, end);
            if (kind == nullptr)
                holes_.release(from, to);
            else if (hole < from)
                holes_.occupy(hole, from);
            hole = to;
        }
        if (kind != nullptr) {
            if (hole < end) holes_.occupy(hole, end);
            pieces.add({start, end, *kind});
        }
        for (auto at = first; at != last; ++at)
            if (end < at->second.end)
                pieces.add({std::max(at->second.start, end), at->second.end, at->second.kind});
        put(first, last, pieces);
        return mapped;
    }

    std::optional<std::uint64_t> first_fit(std::uint64_t bytes, std::uint64_t from) const {
        return holes_.first_fit(bytes, from);
    }
    std::size_t list(std::uint64_t from, std::span<Area> areas) const {
        std::size_t count = 0;
        for (auto at = first_ending_above(from); at != regions_.end() && count < areas.size(); ++at)
            areas[count++] = area_of(at->second);
        return count;
    }

private:
    using Regions = std::map<std::uint64_t, Region>;
    Regions::const_iterator first_ending_above(std::uint64_t address) const {
        auto at = regions_.upper_bound(address);
        if (at != regions_.begin() && address < std::prev(at)->second.end) --at;
        return at;
    }
    /// Nodes that begin where a piece does stay; the others go and come.
    void put(Regions::iterator at, Regions::iterator last, const Pieces& pieces) {
        for (const Region& piece : pieces) {
            while (at != last && at->first < piece.start) at = regions_.erase(at);
            if (at != last && at->first == piece.start)
                (at++)->second = piece;
            else
                regions_.emplace_hint(at, piece.start, piece);
        }
        regions_.erase(at, last);
    }

    Regions regions_;
    Holes holes_;
};

/// A binary tree by address for faults, and a collection of free blocks.
using TreeAndBlocks = Tree<FreeBlocks>;
/// A sorted map of segments, and a sorted map of holes.
using SegmentsAndHoles = Tree<HolesByAddress>;

} // namespace compare
