// SPDX-License-Identifier: MIT
// What started CPUs do before there is anything to schedule.
#pragma once

namespace arch {

/// Halts this CPU, wakes for what run_on() wants, until release_cpus(): then it enters the
/// scheduler.
[[noreturn]] void wait_for_work();

/// Lets another CPU that waits call `function`, and waits for its return: interrupts are off there.
/// False when that takes more than some seconds.
bool run_on(unsigned cpu, void (*function)());
/// The same without waiting.
void begin_on(unsigned cpu, void (*function)());

/// Sends all waiting CPUs into the scheduler.
void release_cpus();

} // namespace arch
