// SPDX-License-Identifier: MIT
// The measures against speculative execution that this machine takes (lib/processor_measures.hpp),
// decided once from what the boot CPU and the command line say: `kpti=on|off`,
// `speculation=on|off`.
#pragma once

#include "lib/processor_measures.hpp"

namespace arch {

/// Decides, and logs what and why. Needs the boot information. Called once, before page tables are
/// made, since isolation forbids global pages.
void decide_measures();

/// What was decided.
const lib::Measures& measures();

/// Switches on what stays on, on the running CPU.
void enable_measures();

/// What the last user space on this CPU taught the indirect predictor is forgotten (IBPB).
/// Precondition: measures().barrier.
void forget_branches();

/// The return predictor holds harmless places only.
void fill_returns();

} // namespace arch
