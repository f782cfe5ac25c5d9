// SPDX-License-Identifier: MIT
// All maps that are compared, by name.
#pragma once

#include "compare/map.hpp"
#include "compare/paging.hpp"

#include <string_view>

namespace compare {

inline constexpr std::string_view names[] = {"tabula", "array", "tree_blocks", "segments_holes",
                                             "entries"};

/// An empty one. `frames`: for all but tabula, which takes them from its machine.
std::unique_ptr<Map> make(std::string_view name, Frames& frames);

} // namespace compare
