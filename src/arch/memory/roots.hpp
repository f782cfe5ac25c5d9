// SPDX-License-Identifier: MIT
// This CPU's roots: loading those of a space, and forgetting what was cached under them.
#pragma once

#include "arch/cpu/area.hpp"
#include "vm/space.hpp"

namespace arch {

/// The same as load_root, with all that measures ask for.
void load_measured_root(CpuArea& area, const vm::AddressSpace& space);

/// Makes this CPU run on the roots of a space: its own in the kernel, and in user mode that or its
/// mirror (vm::port::mirrored_roots). This CPU is in the space's `running` already.
inline void load_root(CpuArea& area, const vm::AddressSpace& space) {
    if (area.plain_roots) [[likely]]
        return write_cr3(space.root().value);
    load_measured_root(area, space);
}

/// Forgets everything, global translations and other PCIDs' too.
void flush_everything();
/// Forgets the range in the space that this CPU runs, under both its roots: change number `change`
/// of its Translations.
void flush_running_space(CpuArea& area, VirtRange range, std::uint64_t change);
/// Forgets a range of the kernel's half, whatever is loaded. `tables`: references to tables too.
void flush_kernel_half(CpuArea& area, VirtRange range, bool tables);

} // namespace arch
