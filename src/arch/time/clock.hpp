// SPDX-License-Identifier: MIT
// Time from the TSC, alarms from the local APIC's timer. proc/port.hpp has now() and set_alarm().
#pragma once

#include <cstdint>

namespace arch {

/// Measures the clocks, starts time at 0 and connects the alarm. Needs the local APIC.
void initialise_clock();
/// Connects the alarm of another CPU, called by it. Its clock_start is another's business.
void initialise_cpu_clock();

/// Lets that time pass, at least. Works once the clock is initialised.
void wait_nanoseconds(std::uint64_t nanoseconds);

} // namespace arch
