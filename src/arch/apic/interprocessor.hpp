// SPDX-License-Identifier: MIT
// Interrupts from one CPU to another, by CPU number.
#pragma once

namespace arch {

/// Interrupts a CPU that runs (which may be the one that calls) with `vector`, from 0x30 up.
/// Returns before it arrives; stores before the call are seen by its handler.
void send_interrupt(unsigned cpu, unsigned vector);
/// The same with a non-maskable interrupt. Two may arrive as one.
void send_nmi(unsigned cpu);

/// Gives vector_reschedule and vector_flush their handlers.
void initialise_interprocessor_interrupts();

} // namespace arch
