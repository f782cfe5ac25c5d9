// SPDX-License-Identifier: MIT
// Interrupts: which function serves which vector.
//
//   0x00-0x1f  exceptions
//   0x20-0x2f  the PICs, masked: only their spurious interrupts
//   0x30-0x3f  ISA lines 0-15, through the I/O APIC
//   0x40       USB controllers, by message
//   0xe0       the local APIC's timer
//   0xf0       reschedule: another CPU filled this one's run queue
//   0xf1       flush: another CPU waits for this one's TLB
//   0xfe       the local APIC's errors
//   0xff       spurious interrupts of the local APIC
#pragma once

#include "lib/result.hpp"

#include <cstdint>

namespace arch {

/// Serves an interrupt: called with interrupts off, on the stack of whatever was interrupted.
/// Must not switch threads; may ask for work before the return to user mode.
using InterruptHandler = void (*)();

inline constexpr unsigned vector_pic = 0x20;
inline constexpr unsigned vector_isa = 0x30;
inline constexpr unsigned vector_usb = 0x40;
inline constexpr unsigned vector_timer = 0xe0;
inline constexpr unsigned vector_reschedule = 0xf0;
inline constexpr unsigned vector_flush = 0xf1;
inline constexpr unsigned vector_apic_error = 0xfe;
inline constexpr unsigned vector_spurious = 0xff;

/// Gives a vector from 0x30 up to its handler.
void set_interrupt_handler(unsigned vector, InterruptHandler handler);

/// Connects ISA line `line` (0-15; keyboard 1, COM1 4) to `handler` and unmasks it on the boot CPU.
/// Errors: invalid_argument; unsupported when no I/O APIC serves the line.
Result<void> connect_isa_interrupt(unsigned line, InterruptHandler handler);

} // namespace arch
