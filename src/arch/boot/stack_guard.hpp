// SPDX-License-Identifier: MIT
// The stack protector's secret.
#pragma once

#include <cstdint>

namespace arch {

/// Chooses the guard value, by RDRAND where there is one. Called once, by a function that has no
/// guard itself, before any other code runs.
void initialise_stack_guard();

} // namespace arch
