// SPDX-License-Identifier: MIT
// The names of the kernel's functions, for backtraces.
#pragma once

#include <cstdint>

namespace arch {

/// The function that `address` lies in, or null where it lies in none. `offset`, if not null,
/// receives the distance from the function's start in bytes. The table is made at link time.
[[nodiscard]] const char* symbol_name(std::uint64_t address, std::uint64_t* offset);

} // namespace arch
