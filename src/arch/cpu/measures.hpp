// SPDX-License-Identifier: MIT
// The measures against speculative execution that this machine takes (lib/processor_measures.hpp),
// decided once from what the boot CPU and the command line say: `kpti=on|off`, `pcid=off`,
// `speculation=on|off`.
#pragma once

#include "lib/processor_measures.hpp"

namespace arch {

/// Decides, and logs what and why. Needs the boot information. Called once, before page tables are
/// made, since isolation forbids global pages.
void decide_measures();

/// What was decided.
const lib::Measures& measures();

/// Whether the kernel's pages are cached as global: not where user mode's root must not show them.
bool kernel_pages_global();

/// Switches on what stays on, on the running CPU. Its root is one without a PCID.
void enable_measures();

/// Whether separate_spaces() has anything to do.
inline bool spaces_need_separation() { return measures().barrier || measures().fill_returns; }
/// What user code of one space taught this CPU's predictors is forgotten before another runs: the
/// indirect predictor (IBPB) where that is a process's (`user`), and the return predictor.
void separate_spaces(bool user);

} // namespace arch
