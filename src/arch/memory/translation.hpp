// SPDX-License-Identifier: MIT
// Translations: which space this CPU runs, and the flushes that CPUs ask of each other.
#pragma once

#include "vm/space.hpp"

namespace arch {

/// Makes this CPU run `space`; nothing if it does already.
void run_space(const vm::AddressSpace& space);
/// A started CPU takes part in flushes of the kernel's half from here on.
void join_kernel_space();

/// Does what others asked of this CPU, if anything. Called where it holds no pointer into a table
/// that no lock protects: on its interrupt, and in every wait (`vm::port::spin_wait`).
void answer_flushes();

} // namespace arch
