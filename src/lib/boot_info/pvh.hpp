// SPDX-License-Identifier: MIT
// The PVH start information (Xen's public header arch-x86/hvm/start_info.h).
#pragma once

#include "lib/boot_info/information.hpp"

namespace lib::boot_info {

/// Reads the start information at physical address `start`; version 1, with a memory map, is
/// needed. `memory`: physical memory from address 0. Errors: bad_format, unsupported (version 0),
/// limit_reached.
Result<void> parse_pvh(Bytes memory, PhysAddr start, BootInformation& information);

} // namespace lib::boot_info
