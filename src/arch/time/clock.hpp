// SPDX-License-Identifier: MIT
// Time from the TSC, alarms from the local APIC's timer. proc/port.hpp has now() and set_alarm().
#pragma once

namespace arch {

/// Measures the clocks, starts time at 0 and connects the alarm. Needs the local APIC.
void initialise_clock();

} // namespace arch
