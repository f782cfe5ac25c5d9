// SPDX-License-Identifier: MIT
// How fast the TSC and the local APIC's timer run.
#pragma once

#include <cstdint>

namespace arch {

struct Frequencies {
    std::uint64_t tsc = 0;   ///< ticks per second
    std::uint64_t timer = 0; ///< of the local APIC's timer, divided by one
};

/// Measures both for half a millisecond against the best clock there is, and that against the next.
/// Needs the local APIC. Panics when no clock of the machine runs.
Frequencies measure_frequencies();

} // namespace arch
