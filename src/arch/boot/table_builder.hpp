// SPDX-License-Identifier: MIT
// Builds the kernel's paging structure before there is an address space to do it.
#pragma once

#include "arch/boot/early_memory.hpp"
#include "lib/address.hpp"
#include "vm/access.hpp"
#include "vm/entry.hpp"

namespace arch {

/// A paging structure of 4 levels in frames of the early memory. It is not in use meanwhile, so
/// nothing is ever flushed; frames are reached through the direct map of the first page tables.
class TableBuilder {
public:
    explicit TableBuilder(EarlyMemory& memory);

    static constexpr vm::Level levels = 4;

    PhysAddr root() const { return root_; }

    /// Maps `physical` at `address` for the kernel: global (kernel_pages_global), in the largest
    /// pages that alignment and `highest` (the largest level of a leaf) allow.
    /// Precondition: page-aligned, and nothing mapped there so far.
    void map(VirtAddr address, PhysRange physical, vm::Access access, vm::Level highest);

    /// Whether something is mapped at `address`.
    bool mapped(VirtAddr address) const;

    /// Makes the top-level entry that leads to `address`.
    void make_top_entry(VirtAddr address);

private:
    /// The entry for `address` in its table at `level`; tables on the way are made.
    vm::Entry& entry(VirtAddr address, vm::Level level);

    EarlyMemory& memory_;
    PhysAddr root_;
};

} // namespace arch
