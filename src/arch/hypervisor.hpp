// SPDX-License-Identifier: MIT
// Whether the machine says that it is an emulated one.
#pragma once

#include "arch/cpuid.hpp"

namespace arch {

/// Whether a hypervisor announces itself (CPUID.1:ECX[31], zero on every real processor). Devices
/// that only emulators have are looked for only then.
inline bool hypervisor_announced() { return (cpuid(1).ecx >> 31) != 0; }

} // namespace arch
