// SPDX-License-Identifier: MIT
// The end of the kernel when it finds itself wrong.
#pragma once

#include <string_view>

namespace arch {

/// Says `what` on the log, leaves an emulator with the status of a panic, and stops this CPU.
[[noreturn]] void panic(std::string_view what);

} // namespace arch
