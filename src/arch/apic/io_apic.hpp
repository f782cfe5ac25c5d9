// SPDX-License-Identifier: MIT
// I/O APICs: from the machine's interrupt lines to vectors (82093AA data sheet), and the PICs,
// which stay silent.
#pragma once

#include "lib/address.hpp"
#include "lib/result.hpp"

#include <cstdint>

namespace arch::io_apic {

/// A line: its global number, and how it signals.
struct Line {
    std::uint32_t global = 0;
    bool active_low = false;
    bool level = false;
};

/// Adds a controller whose first line has the global number `base`, and masks its lines.
/// Errors: limit_reached, those of mapping.
Result<void> add(PhysAddr registers, std::uint32_t base);
/// Remembers that ISA line `isa` (0-15) is not the global line of the same number.
void override_isa(unsigned isa, Line line);
/// How ISA line `isa` arrives.
Line isa_line(unsigned isa);
/// Sends a line to `vector` of the CPU with that local APIC, unmasked.
/// Error: unsupported, when no controller has the line.
Result<void> route(Line line, unsigned vector, std::uint32_t apic_id);

/// Moves the two 8259 controllers' vectors away from the exceptions' and masks all their lines.
void silence_pics();

} // namespace arch::io_apic
