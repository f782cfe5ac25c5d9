// SPDX-License-Identifier: MIT
#include "compare/all.hpp"

#include "compare/entries.hpp"
#include "compare/sorted_array.hpp"
#include "compare/tabula.hpp"
#include "compare/tree.hpp"

#include <stdexcept>

namespace compare {

std::unique_ptr<Map> make(std::string_view name, Frames& frames) {
    if (name == "tabula") return std::make_unique<TabulaMap>();
    if (name == "array") return std::make_unique<RegionMap<SortedArray>>(frames);
    if (name == "tree_blocks") return std::make_unique<RegionMap<TreeAndBlocks>>(frames);
    if (name == "segments_holes") return std::make_unique<RegionMap<SegmentsAndHoles>>(frames);
    if (name == "entries") return std::make_unique<EntryMap>(frames);
    throw std::invalid_argument("no such map");
}

} // namespace compare
