// SPDX-License-Identifier: MIT
// Kernel stacks, each between two guard pages: a run-away stack faults instead of writing on.
//
//    guard | 4 pages | guard      (neighbours share nothing)
#include "vm/heap.hpp"
#include "vm/lock.hpp"
#include "vm/space.hpp"

namespace vm {

namespace {

/// Stacks kept for the next thread: mapping one costs more than all else that a thread needs.
constexpr unsigned kept_limit = 32;
struct Kept {
    VirtAddr stacks[kept_limit]{};
    unsigned count = 0;
};
constinit Guarded<Kept, Rank::heap> kept;

constexpr VirtRange stack_at(VirtAddr start) { return {start, start + kernel_stack_bytes}; }
constexpr VirtRange with_guards(VirtRange stack) {
    return {stack.start - page_size, stack.end + page_size};
}

void unmap_stack(VirtRange stack) {
    const auto done = kernel_space().unmap(with_guards(stack));
    require(done.ok(), "unmapping a kernel stack needs nothing");
}

} // namespace

void reset_stacks() { kept.lock()->count = 0; }

Result<VirtRange> allocate_kernel_stack() {
    {
        auto pool = kept.lock();
        if (pool->count != 0) return stack_at(pool->stacks[--pool->count]);
    }
    AddressSpace& space = kernel_space();
    const VirtAddr start =
        TRY(space.map({.pages = PageCount{kernel_stack_bytes >> page_bits} + PageCount{2},
                       .alignment = page_size,
                       .guard = true}));
    const VirtRange stack = stack_at(start + page_size);
    const auto mapped = space.map({.address = stack.start,
                                   .pages = stack.pages(),
                                   .placement = Placement::replace,
                                   .access = Access::read_write(),
                                   .ceiling = Ceiling::of(Access::read_write())});
    if (!mapped) {
        unmap_stack(stack);
        return mapped.error();
    }
    if (const auto done = space.populate(stack); !done) {
        unmap_stack(stack);
        return done.error();
    }
    port::kernel_mapped(stack);
    return stack;
}

void free_kernel_stack(VirtRange stack) {
    {
        auto pool = kept.lock();
        if (pool->count < kept_limit) {
            pool->stacks[pool->count++] = stack.start;
            return;
        }
    }
    unmap_stack(stack);
}

} // namespace vm
