// SPDX-License-Identifier: MIT
// What holds for memory maps and boot information, whoever told them.
#pragma once

#include "lib/boot_info/information.hpp"

#include <span>

namespace fuzz {

/// The ordered map of `raw` equals a slow model of it, piece by piece. Throws Violation.
void check_memory_map(std::span<const lib::boot_info::MemoryRange> raw);

/// Everything in `information` is within its bounds; the module and [start, start + bytes), where
/// the information itself stood, are kept off usable memory. Throws Violation.
void check_boot_information(const lib::boot_info::BootInformation& information, std::uint64_t start,
                            std::uint64_t bytes);

} // namespace fuzz
