// SPDX-License-Identifier: MIT
// Clocks of known frequency, to measure the processor's against.
#pragma once

#include <cstdint>
#include <span>

namespace arch {

/// A free-running counter.
struct ReferenceClock {
    const char* name = nullptr;
    std::uint64_t frequency = 0;       ///< ticks per second
    std::uint64_t mask = 0;            ///< the counter's bits
    std::uint64_t (*read)() = nullptr; ///< counts upwards, modulo mask + 1
};

/// The clocks that this machine has, best first: HPET, ACPI timer; the PIT only where neither is.
/// Starts those that need it. Needs ACPI and device windows.
std::span<const ReferenceClock> find_reference_clocks();

} // namespace arch
