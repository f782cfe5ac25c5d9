// SPDX-License-Identifier: MIT
// Windows by way of the kernel's own address space.
#include "arch/memory/device_window.hpp"

#include "vm/space.hpp"

namespace arch {

Result<void*> map_device(PhysAddr start, std::uint64_t bytes, vm::MemoryType type) {
    const PhysAddr first{align_down(start.value, page_size)};
    const std::uint64_t end = align_up(start.value + bytes, page_size);
    vm::AddressSpace& space = vm::kernel_space();
    const VirtAddr window = TRY(space.map_window({.frames = first,
                                                  .address = space.range().start,
                                                  .pages = {(end - first.value) >> page_bits},
                                                  .placement = vm::Placement::first_fit,
                                                  .access = vm::Access::read_write(),
                                                  .type = type}));
    return reinterpret_cast<void*>(window.value + (start.value - first.value));
}

} // namespace arch
