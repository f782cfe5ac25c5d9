// SPDX-License-Identifier: MIT
// Time from the TSC, alarms from the local APIC's timer. proc/port.hpp has now() and set_alarm().
#pragma once

#include <cstdint>

namespace arch {

/// Measures the clocks, starts time at 0 and connects the alarm. Needs the local APIC.
void initialise_clock();
/// Connects the alarm of another CPU, called by it. Its clock_start is another's business.
void initialise_cpu_clock();
/// Starts what `perturb=N` asks for on the CPU that calls it, once that has its clock_start.
void start_perturbation();
/// Until it is started again: a CPU that halts has no steps to put others between.
void pause_perturbation();

/// What a tick of the TSC counts, with 32 binary places.
std::uint64_t nanoseconds_per_tick();

/// Lets that time pass, at least. Works once the clock is initialised.
void wait_nanoseconds(std::uint64_t nanoseconds);

/// A second alarm, of the boot CPU only, for drivers: `handler` is called with interrupts off once
/// at or soon after the time that set_device_alarm was given last (nanoseconds since boot; ~0: not
/// at all). Both are called on the boot CPU.
using AlarmHandler = void (*)();
void connect_device_alarm(AlarmHandler handler);
void set_device_alarm(std::uint64_t nanoseconds);

} // namespace arch
