// SPDX-License-Identifier: MIT
// The end of the kernel when it finds itself wrong.
#pragma once

#include <source_location>
#include <string_view>

namespace arch {

struct TrapFrame;

/// Says `what` and where on the log, with a backtrace from here, leaves an emulator with the status
/// of a panic, and stops this CPU. May be called anywhere, with any lock held, and within a panic.
/// All other CPUs are stopped first; where several panic at once, one reports.
[[noreturn]] void panic(std::string_view what,
                        std::source_location where = std::source_location::current());
/// The same for a place that is known in words only.
[[noreturn]] void panic_at(std::string_view what, const char* file, unsigned line,
                           const char* function);
/// The same for a trap that the kernel can't answer: its registers, the entries of the address that
/// faulted, and a backtrace from there. A null frame is allowed: there was none.
[[noreturn]] void panic(const TrapFrame* frame, std::string_view what);

/// Called for each NMI: halts this CPU for ever if another one panics.
void stop_if_panicking();

} // namespace arch
