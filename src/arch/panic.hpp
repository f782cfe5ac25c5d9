// SPDX-License-Identifier: MIT
// The end of the kernel when it finds itself wrong.
#pragma once

#include <string_view>

namespace arch {

struct TrapFrame;

/// Says `what` on the log, with a backtrace from here, leaves an emulator with the status of a
/// panic, and stops this CPU.
[[noreturn]] void panic(std::string_view what);
/// The same for a trap that the kernel can't answer: its registers, and a backtrace from there.
/// A null frame is allowed: there was none.
[[noreturn]] void panic(const TrapFrame* frame, std::string_view what);

} // namespace arch
