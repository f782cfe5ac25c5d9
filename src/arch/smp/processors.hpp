// SPDX-License-Identifier: MIT
// All processors of the machine.
#pragma once

#include <cstdint>

namespace arch {

/// Starts the processors that the firmware lists, each as the next CPU number, and reports those
/// that are left out and why. They wait (waiting.hpp) for work. The command line's `cpus=N` limits
/// how many CPUs run, the boot CPU included. Called by the boot CPU, when everything that a CPU
/// shares is initialised.
void start_processors();

/// Starts the processor with that local APIC as the next CPU; false, and a line in the log why,
/// where that fails. Part of start_processors() and of its tests. Precondition: the trampoline is
/// open, and the processor had its INIT.
bool start_processor(std::uint32_t apic_id);

} // namespace arch
