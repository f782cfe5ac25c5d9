// SPDX-License-Identifier: MIT
// What a saboteur asks of the place that a step goes to.
#pragma once

#include "explorer/explorer.hpp"
#include "vm/table.hpp"

#include <cstddef>
#include <cstring>

namespace explorer {

/// Table locks that a CPU holds, those included that it only believes to hold.
inline unsigned locks_held() { return vm::held_ranks().tables; }

inline std::uintptr_t number(const volatile void* address) {
    return reinterpret_cast<std::uintptr_t>(address);
}

/// The frame of an address in physical memory that is used for `kind`; 0 if it is none.
inline PhysAddr frame_at(std::uintptr_t address, vm::FrameKind kind) {
    if (address < shim::direct_map_base) return {};
    const PhysAddr frame{align_down(address - shim::direct_map_base, page_size)};
    if (frame.value >= shim::physical_limit || !vm::is_managed(frame)) return {};
    return vm::frame_record(frame).kind == kind ? frame : PhysAddr{};
}

/// The descriptor that an address lies in, of a table that exists; null if there is none.
inline vm::TableDescriptor* descriptor_at(std::uintptr_t address) {
    if (frame_at(address, vm::FrameKind::descriptor).value == 0) return nullptr;
    auto* const found =
        reinterpret_cast<vm::TableDescriptor*>(align_down(address, sizeof(vm::TableDescriptor)));
    const PhysAddr frame = found->frame;
    if (!frame.page_aligned() || frame.value == 0 || !vm::is_managed(frame)) return nullptr;
    return vm::frame_record(frame).table == found ? found : nullptr;
}

/// The frame whose record is about to get a descriptor, or to lose it; 0 if none is.
inline PhysAddr becomes_table(const MemoryAccess& access) {
    const std::uintptr_t offset = access.address - number(&vm::frame_record(PhysAddr{0}));
    const PhysAddr frame{offset / sizeof(vm::Frame) << page_bits};
    const bool sets = access.writes && offset % sizeof(vm::Frame) == offsetof(vm::Frame, table);
    return sets && frame.value < shim::physical_limit ? frame : PhysAddr{};
}

inline bool is_slot(std::uintptr_t address) {
    return frame_at(address, vm::FrameKind::table).value != 0;
}

inline std::uint64_t load(const MemoryAccess& access) {
    std::uint64_t value = 0;
    std::memcpy(&value, reinterpret_cast<const void*>(access.address), access.bytes);
    return value;
}
inline void store(const MemoryAccess& access, std::uint64_t value) {
    std::memcpy(reinterpret_cast<void*>(access.address), &value, access.bytes);
}

} // namespace explorer
