// SPDX-License-Identifier: MIT
// Accesses to memory: who is told, what is kept of before, and what nobody may touch.
#include "explorer/explorer.hpp"
#include "vm/table.hpp"

namespace explorer {

void Explorer::watch(const volatile void* address, std::size_t bytes, vm::Step kind) {
    const MemoryAccess access{reinterpret_cast<std::uintptr_t>(address), bytes,
                              kind != vm::Step::read};
    if (current->mode_ == Mode::off) return;
    if (current->mode_ == Mode::stepping) return current->step(access, kind);
    if (access.address < page_size) throw shim::ModelError("a null pointer is used by the judge");
    if (access.writes) current->save(access);
}

/// A frame that gets another use is kept whole: slabs make pieces of it that nobody is told of.
void Explorer::save(const MemoryAccess& access) {
    words_.save(access);
    const auto records = reinterpret_cast<std::uintptr_t>(&vm::frame_record(PhysAddr{0}));
    const std::uintptr_t offset = access.address - records;
    if (access.address < records || offset % sizeof(vm::Frame) != offsetof(vm::Frame, kind)) return;
    const Quiet quiet(*this);
    const PhysAddr frame{offset / sizeof(vm::Frame) << page_bits};
    if (frame.value >= shim::physical_limit || !vm::is_managed(frame)) return;
    words_.save({reinterpret_cast<std::uintptr_t>(vm::direct(frame)), page_size, true});
}

/// A pointer that is kept too long leads to a frame that is free by now, or somebody's page.
void Explorer::check(const MemoryAccess& access) {
    if (access.address < page_size) end("a null pointer is used");
    if (access.address < shim::direct_map_base ||
        access.address - shim::direct_map_base >= shim::physical_limit)
        return;
    const Quiet quiet(*this);
    const PhysAddr frame{align_down(access.address - shim::direct_map_base, page_size)};
    if (!shim::Arena::the().contains(frame.value, page_size)) end("an address of no memory");
    if (!vm::is_managed(frame)) return;
    const vm::FrameKind kind = vm::frame_record(frame).kind;
    if (kind == vm::FrameKind::free) end(user_ ? "a freed page is used" : "a freed table is used");
    if (user_ ? kind == vm::FrameKind::table || kind == vm::FrameKind::descriptor
              : kind == vm::FrameKind::anonymous && access.bytes < page_size)
        end(user_ ? "a table is used as a page" : "a page is used as a table");
}

} // namespace explorer
