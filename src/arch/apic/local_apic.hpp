// SPDX-License-Identifier: MIT
// The local APIC: this CPU's end of interrupts, and its timer (Intel SDM vol. 3A, ch. 10).
#pragma once

#include "lib/address.hpp"
#include "lib/result.hpp"

#include <cstdint>

namespace arch::local_apic {

/// Takes the boot CPU's into use: as x2APIC where there is one, else by its registers at `base`,
/// mapped uncached. All its interrupts are masked but errors and NMI. Errors: those of mapping.
Result<void> initialise(PhysAddr base);

/// The number under which interrupts reach this CPU.
std::uint32_t id();
/// Sends this CPU a non-maskable interrupt.
void send_nmi_to_self();
/// To be told at the end of every interrupt but spurious ones.
void end_of_interrupt();

/// Makes the timer a one-shot of vector `vector`: counting its own clock, or (`deadline`) comparing
/// with the TSC.
void connect_timer(unsigned vector, bool deadline);
/// One-shot: interrupts after `count` ticks; 0 stops it.
void start_timer(std::uint32_t count);
/// What is left of the count.
std::uint32_t timer_count();

} // namespace arch::local_apic
