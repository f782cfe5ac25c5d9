// SPDX-License-Identifier: MIT
// What holds for every ACPI table that was read.
#pragma once

#include "lib/bytes.hpp"

namespace fuzz {

/// Reads a table, whose checksum is right, in every way there is. Throws Violation.
void check_acpi_table(lib::Bytes table);

} // namespace fuzz
