// SPDX-License-Identifier: MIT
// The kernel's second root, page by page.
#include "arch/cpu/entry_root.hpp"

#include "arch/boot/image.hpp"
#include "arch/cpu/descriptors.hpp"
#include "arch/cpu/measures.hpp"
#include "arch/layout.hpp"
#include "arch/panic.hpp"
#include "arch/table_walk.hpp"
#include "vm/frames.hpp"
#include "vm/port.hpp"
#include "vm/space.hpp"
#include "vm/table.hpp"

namespace arch {

namespace {

using vm::Entry;
using vm::Level;

vm::Slot& slot_of(PhysAddr table, VirtAddr address, Level level) {
    return static_cast<vm::Slot*>(vm::direct(table))[vm::level_index(address, level)];
}

/// The page's entry at `level`; tables above it are made.
Result<vm::Slot*> make_way(VirtAddr page, Level level) {
    const vm::AddressSpace& kernel = vm::kernel_space();
    PhysAddr table = kernel.user_root();
    for (Level at = kernel.levels(); at > level; --at) {
        vm::Slot& above = slot_of(table, page, at);
        if (above.load().empty())
            above.store(Entry::table(TRY(vm::allocate_zeroed_frame(vm::FrameKind::kernel)), false));
        table = above.load().frame();
    }
    return &slot_of(table, page, level);
}

/// Where the running root maps a page of the kernel.
PhysAddr frame_of(VirtAddr page) {
    const TableWalk walk(page);
    vm::require(walk.kernel_readable(), "a page that isn't there is shown to user roots");
    const TableWalk::Step last = walk.steps().back();
    return last.entry.frame() + page.value % vm::level_size(last.level);
}

} // namespace

Result<void> expose(VirtRange pages, vm::Access access) {
    if (!vm::port::mirrored_roots()) return {};
    for (VirtAddr page = pages.start; page < pages.end; page = page + page_size) {
        vm::Slot* const slot = TRY(make_way(page, 1));
        slot->store(Entry::leaf(frame_of(page), access, 1, {.user = false}));
    }
    return {};
}

void hide(VirtRange pages) {
    if (!vm::port::mirrored_roots()) return;
    for (VirtAddr page = pages.start; page < pages.end; page = page + page_size)
        if (const auto slot = make_way(page, 1); slot.ok()) (*slot)->store(Entry::absent());
}

void expose_shared_entry() {
    if (!vm::port::mirrored_roots()) return;
    // Areas of other CPUs lie there, and spaces copy top entries once.
    const bool done = make_way(layout::dynamic.start, vm::kernel_space().levels() - 1).ok() &&
                      expose(image::guarded_text(), vm::Access::read_execute()).ok() &&
                      expose(interrupt_table(), vm::Access::read()).ok();
    if (!done) panic("no memory for user mode's roots");
}

} // namespace arch

namespace vm::port {

bool mirrored_roots() { return arch::measures().isolation; }

} // namespace vm::port
