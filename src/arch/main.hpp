// SPDX-License-Identifier: MIT
// The machine from its own paging structure to the first process.
#pragma once

namespace arch {

/// Brings up, in the order that they need each other, traps, memory, interrupts, clocks and the
/// console, then runs processes for ever. Called by start() when memory is initialised.
[[noreturn]] void run_machine();

} // namespace arch
