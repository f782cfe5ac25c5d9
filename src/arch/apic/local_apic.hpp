// SPDX-License-Identifier: MIT
// The local APIC: this CPU's end of interrupts, its timer, and commands to other CPUs' (Intel SDM
// vol. 3A, ch. 10).
#pragma once

#include "lib/address.hpp"
#include "lib/result.hpp"

#include <cstdint>

namespace arch::local_apic {

/// Takes the boot CPU's into use: as x2APIC where there is one, else by its registers at `base`,
/// mapped uncached. All its interrupts are masked but errors and NMI. Errors: those of mapping.
Result<void> initialise(PhysAddr base);
/// The same for another CPU's own, called by it when initialise() was called by the boot CPU.
void initialise_cpu();

/// The number under which interrupts reach this CPU.
std::uint32_t id();
/// Whether numbers have 32 bits, else 8.
bool is_x2apic();
/// Where every CPU finds its own xAPIC registers; 0 with x2APIC.
std::uint64_t register_address();

/// Delivery modes of a command (SDM vol. 3A, figure 10-12); the level is asserted. A fixed
/// interrupt's and a start-up's low byte is the vector.
inline constexpr std::uint32_t command_fixed = 1U << 14;
inline constexpr std::uint32_t command_nmi = 4U << 8 | 1U << 14;
inline constexpr std::uint32_t command_init = 5U << 8 | 1U << 14;
inline constexpr std::uint32_t command_startup = 6U << 8 | 1U << 14;

/// Sends a command to the local APIC with that number, which may be this CPU's. Stores before it
/// are seen by who receives it.
void send(std::uint32_t apic_id, std::uint32_t command);

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
