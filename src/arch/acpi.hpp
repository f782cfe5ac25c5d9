// SPDX-License-Identifier: MIT
// The machine's ACPI tables.
#pragma once

#include "lib/acpi_tables.hpp"

namespace arch {

/// The tables, read through the direct map. not_found: the boot information names none;
/// bad_format: damaged. Precondition: the memory is initialised.
Result<lib::AcpiTables> open_acpi_tables();

} // namespace arch
