// SPDX-License-Identifier: MIT
// Memory objects as suites use them.
#pragma once

#include "shim/check.hpp"
#include "vm/ids.hpp"
#include "vm/missing_page.hpp"
#include "vm/object.hpp"

#include <doctest/doctest.h>

namespace shim {

inline vm::ObjectRef zeros_object(std::uint64_t pages, const vm::QuotaRef& quota = {}) {
    auto made = vm::MemoryObject::make_zeros({pages}, quota);
    REQUIRE(made.ok());
    return std::move(*made);
}

/// Boot memory of so many pages, each beginning with its index + 1; shared mappings may read.
inline vm::ObjectRef boot_object(Machine& machine, std::uint64_t pages) {
    const PhysAddr first = machine.reserve(pages * page_size);
    for (std::uint64_t page = 0; page < pages; ++page)
        *static_cast<std::uint64_t*>(vm::direct(first + page * page_size)) = page + 1;
    auto made =
        vm::MemoryObject::make_boot(first, {pages}, vm::Ceiling::of(vm::Access::read_execute()));
    REQUIRE(made.ok());
    return std::move(*made);
}

inline vm::ObjectRef paged_object(std::uint64_t pages, const vm::QuotaRef& quota = {}) {
    auto made = vm::MemoryObject::make_paged({pages}, vm::Ceiling::all(), quota);
    REQUIRE(made.ok());
    return std::move(*made);
}

/// Which pages of an object are mapped, and how.
struct ObjectPart {
    std::uint64_t first = 0;
    std::uint64_t pages = 1;
    vm::Access access = vm::Access::read_write();
    bool is_private = false;
    vm::Placement placement = vm::Placement::fixed;
    vm::Ceiling ceiling = vm::Ceiling::all();
    bool noreserve = false;
};
inline Result<VirtAddr> map_at(Space& space, const vm::ObjectRef& object, VirtAddr at,
                               const ObjectPart& part) {
    return space->map_object({.object = object.get(),
                              .first_page = part.first,
                              .address = at,
                              .pages = {part.pages},
                              .placement = part.placement,
                              .access = part.access,
                              .ceiling = part.ceiling,
                              .is_private = part.is_private,
                              .noreserve = part.noreserve});
}

/// A pager's answer: a page that begins with this word.
inline Result<void> supply(vm::MemoryObject& object, std::uint64_t index, std::uint64_t word) {
    vm::FreshFrames page(0);
    if (!page.allocate_zeros(vm::FrameKind::cache)) return Error::no_memory;
    *static_cast<std::uint64_t*>(vm::direct(page.first())) = word;
    return object.supply(index, page);
}

/// Runs the body twice: what the first time leaves behind, the kernel keeps for reuse.
template <typename Body>
void leaves_nothing(Body body) {
    body();
    const Totals before = Totals::now();
    body();
    CHECK(Totals::now().text() == before.text());
}

/// References to a frame, the object's own included.
inline std::uint32_t users_of(const vm::AddressSpace& space, VirtAddr address) {
    const auto frame = space.frame_of(address);
    REQUIRE(frame.ok());
    return vm::frame_record(*frame).references.load();
}

} // namespace shim
