// SPDX-License-Identifier: MIT
// An address space as SVG.
#pragma once

#include "abi/types.hpp"

#include <ostream>
#include <span>
#include <string>

namespace replay {

/// Bars of the levels 4, 3 and 2, and what the colours mean. The same runs give the same bytes.
void draw(std::ostream& out, std::span<const abi::Run> runs, const std::string& title);

} // namespace replay
