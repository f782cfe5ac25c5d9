// SPDX-License-Identifier: MIT
// Translations: which space this CPU runs, and the flushes that CPUs ask of each other.
#pragma once

#include "arch/memory/roots.hpp"

namespace arch {

/// Makes this CPU, whose area this is, run `space`; nothing if it does already.
inline void run_space(CpuArea& area, const vm::AddressSpace& space) {
    vm::Translations& next = space.translations();
    vm::Translations* const previous = area.translations;
    if (previous == &next) return;
    // Into the one set before the root is loaded, out of the other after: see vm::Translations.
    // What stays cached of the space that is left is told apart when it is run again: PcidCache.
    // Every CPU stays in the kernel's own set.
    if (!space.is_kernel()) next.running.add(area.place);
    area.translations = &next;
    load_root(area, space);
    if (previous->number != 0) previous->running.remove(area.place); // 0: the kernel's
}
inline void run_space(const vm::AddressSpace& space) { run_space(this_cpu(), space); }
/// A started CPU takes part in flushes of the kernel's half from here on.
void join_kernel_space();

/// Does what others asked of this CPU, if anything. Called where it holds no pointer into a table
/// that no lock protects: on its interrupt, and in every wait (`vm::port::spin_wait`).
void answer_flushes();

} // namespace arch
