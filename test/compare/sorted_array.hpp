// SPDX-License-Identifier: MIT
// Regions in an array, sorted by address: found by bisection, holes by looking at all gaps.
#pragma once

#include "compare/regions.hpp"

#include <vector>

namespace compare {

class SortedArray {
public:
    const Region* at_or_above(std::uint64_t address) const {
        const auto at = first_ending_above(address);
        return at == regions_.end() ? nullptr : &*at;
    }
    const Region* below(std::uint64_t address) const {
        const auto at = std::ranges::partition_point(
            regions_, [=](const Region& region) { return region.start < address; });
        return at == regions_.begin() ? nullptr : &*std::prev(at);
    }

    bool replace(std::uint64_t start, std::uint64_t end, const Kind* kind) {
        // Neighbours too: they may become one with the new region.
        auto first = std::ranges::partition_point(
            regions_, [=](const Region& region) { return region.end < start; });
        auto last = first;
        bool mapped = false;
        Pieces pieces;
        for (; last != regions_.end() && last->start <= end; ++last) {
            if (last->start < start)
                pieces.add({last->start, std::min(last->end, start), last->kind});
            mapped |= last->start < end && start < last->end;
        }
        if (kind != nullptr) pieces.add({start, end, *kind});
        for (auto at = first; at != last; ++at)
            if (end < at->end) pieces.add({std::max(at->start, end), at->end, at->kind});
        const auto before = static_cast<std::size_t>(last - first);
        const std::size_t common = std::min(before, pieces.size());
        const auto middle = first + static_cast<std::ptrdiff_t>(common);
        std::copy_n(pieces.begin(), common, first);
        if (common < before)
            regions_.erase(middle, last);
        else
            regions_.insert(middle, pieces.begin() + common, pieces.end());
        return mapped;
    }

    std::optional<std::uint64_t> first_fit(std::uint64_t bytes, std::uint64_t from) const {
        std::uint64_t at = std::max(from, space_range.start.value);
        for (auto region = first_ending_above(at); region != regions_.end(); ++region) {
            if (at + bytes <= region->start) return at;
            at = region->end;
        }
        if (at + bytes <= space_range.end.value) return at;
        return std::nullopt;
    }

    std::size_t list(std::uint64_t from, std::span<Area> areas) const {
        std::size_t count = 0;
        for (auto at = first_ending_above(from); at != regions_.end() && count < areas.size(); ++at)
            areas[count++] = area_of(*at);
        return count;
    }

private:
    std::vector<Region>::const_iterator first_ending_above(std::uint64_t address) const {
        return std::ranges::partition_point(
            regions_, [=](const Region& region) { return region.end <= address; });
    }

    std::vector<Region> regions_;
};

} // namespace compare
