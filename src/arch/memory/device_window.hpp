// SPDX-License-Identifier: MIT
// Device registers in the kernel's half.
#pragma once

#include "lib/address.hpp"
#include "lib/result.hpp"
#include "vm/entry.hpp"

#include <cstdint>

namespace arch {

/// Maps `bytes` from physical address `start` (any alignment) readable and writable for ever, and
/// gives their address. Errors: those of vm::AddressSpace::map_window.
Result<void*> map_device(PhysAddr start, std::uint64_t bytes,
                         vm::MemoryType type = vm::MemoryType::uncached);

} // namespace arch
