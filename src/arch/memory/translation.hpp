// SPDX-License-Identifier: MIT
// Translations: which space this CPU runs, and the flushes that CPUs ask of each other.
#pragma once

#include "arch/memory/roots.hpp"

namespace arch {

/// Makes this CPU run `space`; nothing if it does already.
inline void run_space(const vm::AddressSpace& space) {
    CpuArea& area = this_cpu();
    vm::Translations& next = space.translations();
    vm::Translations* const previous = area.translations;
    if (previous == &next) return;
    // Into the one set before the root is loaded, out of the other after: see vm::Translations.
    // What stays cached of the space that is left is told apart when it is run again: PcidCache.
    // Every CPU stays in the kernel's own set.
    if (!space.is_kernel()) next.running.add(area.number);
    area.translations = &next;
    load_root(area, space);
    if (previous != &vm::kernel_space().translations()) previous->running.remove(area.number);
}
/// A started CPU takes part in flushes of the kernel's half from here on.
void join_kernel_space();

/// Does what others asked of this CPU, if anything. Called where it holds no pointer into a table
/// that no lock protects: on its interrupt, and in every wait (`vm::port::spin_wait`).
void answer_flushes();

} // namespace arch
