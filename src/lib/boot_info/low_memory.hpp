// SPDX-License-Identifier: MIT
// Memory that a processor in real mode can run in.
#pragma once

#include "lib/boot_info/memory_map.hpp"

#include <optional>

namespace lib::boot_info {

/// The highest `bytes` (a multiple of the page size) of free memory below `end`, page-aligned: in a
/// usable range of `raw`, with nothing else in it, and not in the first page, which belongs to the
/// firmware whatever the map says. None where there is no such place.
std::optional<PhysAddr> find_low_memory(std::span<const MemoryRange> raw, std::uint64_t bytes,
                                        PhysAddr end);

} // namespace lib::boot_info
