// SPDX-License-Identifier: MIT
// The Multiboot2 boot information (specification version 2.0, section 3.6).
#pragma once

#include "lib/boot_info/information.hpp"

namespace lib::boot_info {

/// Reads the information at physical address `start`. `memory`: physical memory from address 0.
/// A tag that is cut off or says what can't be makes the whole bad_format, but for the framebuffer
/// and root pointer tags: the machine runs without those. Unknown tags are skipped; of several
/// tags that may stand only once, the first counts. Errors: bad_format, limit_reached.
Result<void> parse_multiboot2(Bytes memory, PhysAddr start, BootInformation& information);

} // namespace lib::boot_info
