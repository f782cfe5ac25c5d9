// SPDX-License-Identifier: MIT
// What user mode's roots show of the kernel's half: the pages without which no entry and no
// interrupt would work, and nothing else.
//
//   code    .text.guarded                                   r-x
//   data    the IDT; each CPU's descriptors                 r--
//           each CPU's EntryPage, tops of interrupt stacks  rw-
//
// All at their own addresses, by tables that hang below the kernel's second root
// (vm::port::mirrored_roots) and that every space's second root shares.
#pragma once

#include "lib/address.hpp"
#include "lib/result.hpp"
#include "vm/access.hpp"

namespace arch {

/// Shows whole pages of the kernel to user mode's roots, with these rights, for the kernel only.
/// Nothing to do without isolation. Error: no_memory; what it showed before stays.
/// Called while no process runs. Precondition: they are mapped, and stay so until `hide`.
Result<void> expose(VirtRange pages, vm::Access access);
/// Takes pages out again, where they were shown. No user root was in use since.
void hide(VirtRange pages);

/// Shows what all CPUs share: code and the IDT. Panics without memory. Called once.
void expose_shared_entry();

} // namespace arch
