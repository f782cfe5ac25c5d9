// SPDX-License-Identifier: MIT
// ACPI's root pointer: checked, and looked for where BIOSes keep it.
#pragma once

#include "lib/boot_info/information.hpp"

namespace lib::boot_info {

/// The root pointer that stands at the beginning of `bytes`. Error: bad_format (signature, length
/// or checksum; ACPI 6.5, 5.2.5.3).
Result<Rsdp> read_rsdp(Bytes bytes);

/// Looks through the BIOS's read-only memory, 0xe0000 to 0xfffff. Error: not_found.
/// `memory`: physical memory from address 0.
Result<Rsdp> find_rsdp(Bytes memory);

} // namespace lib::boot_info
