// SPDX-License-Identifier: MIT
// The emulator's exit device, which gives the run's outcome to whoever started it.
#pragma once

#include <cstdint>

namespace arch {

/// How a run ended. QEMU's exit status is twice the value plus one: 33, 35, 37.
enum class ExitStatus : std::uint32_t { success = 16, failure = 17, panic = 18 };

/// Whether there is an exit device at port 0xf4. Looked for only where a hypervisor is announced.
[[nodiscard]] bool has_debug_exit();

/// Leaves the emulator where it has an exit device at port 0xf4; returns where there is none.
void debug_exit(ExitStatus status);

} // namespace arch
