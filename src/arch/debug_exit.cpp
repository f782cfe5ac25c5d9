// SPDX-License-Identifier: MIT
// One write to QEMU's isa-debug-exit device.
#include "arch/debug_exit.hpp"

#include "arch/port_io.hpp"

namespace arch {

void debug_exit(ExitStatus status) { out32(0xf4, static_cast<std::uint32_t>(status)); }

} // namespace arch
