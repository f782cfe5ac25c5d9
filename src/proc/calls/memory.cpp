// SPDX-License-Identifier: MIT
// Calls about the map: the caller's own, others' to look at, and the kernel's.
#include "proc/calls/calls.hpp"
#include "proc/map_flags.hpp"
#include "proc/process.hpp"
#include "proc/resources.hpp"
#include "proc/scheduler.hpp"
#include "proc/user_memory.hpp"
#include "vm/reclaim.hpp"

#include <algorithm>
#include <array>

namespace proc::calls {

namespace {

/// Runs cross by so many at once.
constexpr std::size_t run_batch = 16;

Result<PageCount> pages_of(std::uint64_t bytes) {
    if (bytes == 0 || bytes % page_size != 0) return Error::invalid_argument;
    return PageCount{bytes >> page_bits};
}

Result<VirtRange> range_of(std::uint64_t address, std::uint64_t bytes) {
    TRY(pages_of(bytes));
    if (bytes > ~address) return Error::invalid_argument;
    return VirtRange{VirtAddr{address}, VirtAddr{address + bytes}};
}

/// The process behind a handle that allows to look at it; 0 is the caller's own.
Result<Ref<Process>> inspected(std::uint64_t handle) {
    Process& own = current_process();
    if (handle == abi::no_handle) return Ref<Process>(own);
    return own.handles().find<Process>(handle, abi::right_inspect);
}

/// Whether a handle is one to the power over the machine which allows to look at it.
bool holds_power(std::uint64_t handle) {
    return current_process().handles().find<PowerSwitch>(handle, abi::right_inspect).ok();
}

/// Copies runs out by batches; `next(from, runs)` gives some at or above an address.
template <typename Next>
Answer copy_runs(std::uint64_t address, std::uint64_t runs, std::uint64_t count, Next next) {
    // More than there are pages is never needed, and can't overflow.
    if (count > vm::user_range.pages().value) return Error::invalid_argument;
    const UserRange to = TRY(UserRange::make(runs, count * sizeof(abi::Run)));
    std::array<abi::Run, run_batch> batch;
    VirtAddr from{address};
    for (std::uint64_t done = 0; done < count;) {
        const std::size_t wanted = std::min<std::uint64_t>(count - done, batch.size());
        const std::size_t found = next(from, std::span(batch).first(wanted));
        TRY(to.part(done * sizeof(abi::Run), found * sizeof(abi::Run)).copy_out(batch.data()));
        done += found;
        if (found < wanted) return done;
        from = VirtAddr{batch[found - 1].end};
        if (from.value == 0) return done; // the very end of the address space
        scheduling_point();
        if (port::current_thread().killed()) return Error::interrupted;
    }
    return count;
}

Answer address_of(const Result<VirtAddr>& mapped) {
    return mapped ? Answer(mapped->value) : Answer(mapped.error());
}

Answer grow(std::uint64_t address, std::uint64_t bytes, std::uint64_t access, std::uint64_t flags,
            std::uint64_t alignment) {
    if ((flags & ~std::uint64_t{abi::map_grow | abi::map_down}) != 0 || access != 0 ||
        alignment != 0)
        return Error::invalid_argument;
    const auto direction = (flags & abi::map_down) != 0 ? abi::Direction::down : abi::Direction::up;
    vm::AddressSpace& space = current_process().space();
    const PageCount pages = TRY(pages_of(bytes));
    return address_of(vm::with_memory(
        space, pages, [&] { return space.grow(VirtAddr{address}, pages, direction); }));
}

} // namespace

Answer map(std::uint64_t address, std::uint64_t bytes, std::uint64_t access, std::uint64_t flags,
           std::uint64_t alignment) {
    using enum vm::Placement;
    constexpr std::uint64_t known = abi::map_fixed | abi::map_replace | abi::map_noreserve |
                                    abi::map_guard | abi::map_down | abi::map_grow | abi::map_huge |
                                    growth_flags;
    vm::Placement placement = first_fit;
    vm::Growth growth = vm::Growth::none;
    const bool guard = (flags & (abi::map_guard | growth_flags)) != 0;
    const bool huge = (flags & abi::map_huge) != 0;
    if (flags != 0) {
        if ((flags & ~known) != 0) return Error::invalid_argument;
        if ((flags & abi::map_grow) != 0) return grow(address, bytes, access, flags, alignment);
        const bool exact = (flags & (abi::map_fixed | abi::map_replace)) != 0;
        const bool down = (flags & abi::map_down) != 0;
        if ((exact && down) || (guard && huge)) return Error::invalid_argument;
        if (!may_grow(flags)) return Error::invalid_argument;
        growth = growth_of(flags);
        if (exact) placement = (flags & abi::map_replace) != 0 ? replace : fixed;
        if (down) placement = last_fit;
    }
    if (alignment != 0 && !is_power_of_two(alignment)) return Error::invalid_argument;
    const VirtRange arena =
        address == 0 ? Arenas::range(port::current_thread().arena) : VirtRange{};
    const vm::MapRequest request{.address = VirtAddr{address},
                                 .pages = TRY(pages_of(bytes)),
                                 .alignment = alignment,
                                 .placement = placement,
                                 .access = TRY(vm::Access::make(access)),
                                 .noreserve = (flags & abi::map_noreserve) != 0,
                                 .guard = guard,
                                 .huge = huge,
                                 .growth = growth,
                                 .arena = arena};
    vm::AddressSpace& space = current_process().space();
    return address_of(vm::with_memory(space, request.pages, [&] { return space.map(request); }));
}

namespace {

/// Where something of a given place goes, by the flags. Errors: invalid_argument (others than
/// fixed, replace and `known`).
Result<vm::Placement> placement_of(std::uint64_t flags, std::uint64_t known) {
    constexpr std::uint64_t exact = abi::map_fixed | abi::map_replace;
    if ((flags & ~(exact | known)) != 0) return Error::invalid_argument;
    if ((flags & exact) == 0) return vm::Placement::first_fit;
    return (flags & abi::map_replace) != 0 ? vm::Placement::replace : vm::Placement::fixed;
}

} // namespace

Answer remap(std::uint64_t address, std::uint64_t bytes, std::uint64_t new_bytes,
             std::uint64_t flags, std::uint64_t to) {
    const vm::TransferRequest request{.from = TRY(range_of(address, bytes)),
                                      .address = VirtAddr{to},
                                      .placement = TRY(placement_of(flags, 0))};
    const PageCount pages = TRY(pages_of(new_bytes));
    vm::AddressSpace& space = current_process().space();
    return address_of(vm::with_memory(space, pages, [&] { return space.remap(request, pages); }));
}

Answer share(std::uint64_t process, std::uint64_t address, std::uint64_t bytes,
             std::uint64_t access, std::uint64_t flags, std::uint64_t to) {
    if (access > vm::Ceiling::all().bits()) return Error::invalid_argument;
    const std::uint64_t readable = access == 0 ? 0 : access | abi::access_read;
    Process& own = current_process();
    Ref<Process> other(own);
    if (process != abi::no_handle)
        other = TRY(own.handles().find<Process>(process, abi::right_control));
    const vm::TransferRequest request{.from = TRY(range_of(address, bytes)),
                                      .address = VirtAddr{to},
                                      .placement = TRY(placement_of(flags, abi::map_move)),
                                      .most =
                                          vm::Ceiling::from_bits(static_cast<unsigned>(readable))};
    const bool moves = (flags & abi::map_move) != 0;
    return address_of(vm::with_memory(own.space(), request.from.pages(),
                                      [&] { return other->receive(own, request, moves); }));
}

Answer unmap(std::uint64_t address, std::uint64_t bytes) {
    vm::AddressSpace& space = current_process().space();
    const VirtRange range = TRY(range_of(address, bytes));
    return vm::with_memory(space, {}, [&] { return space.unmap(range); });
}

namespace {

Answer watch(std::uint64_t address, std::uint64_t bytes, std::uint64_t access) {
    const vm::Access wanted = TRY(vm::Access::make(access));
    return current_process().space().watch(TRY(range_of(address, bytes)), wanted);
}

} // namespace

Answer protect(std::uint64_t address, std::uint64_t bytes, std::uint64_t access) {
    if (access >= abi::access_watch) [[unlikely]]
        return watch(address, bytes, access - abi::access_watch);
    const vm::Access wanted = TRY(vm::Access::make(access));
    vm::AddressSpace& space = current_process().space();
    const VirtRange range = TRY(range_of(address, bytes));
    return vm::with_memory(space, {}, [&] { return space.protect(range, wanted); });
}

Answer discard(std::uint64_t address, std::uint64_t bytes) {
    vm::AddressSpace& space = current_process().space();
    const VirtRange range = TRY(range_of(address, bytes));
    return vm::with_memory(space, {}, [&] { return space.discard(range); });
}

Answer query(std::uint64_t process, std::uint64_t address, std::uint64_t runs,
             std::uint64_t count) {
    if (holds_power(process))
        return copy_runs(address, runs, count, [](VirtAddr from, std::span<abi::Run> batch) {
            return vm::kernel_space().query(from, batch);
        });
    const Ref<Process> of = TRY(inspected(process));
    return copy_runs(address, runs, count, [&](VirtAddr from, std::span<abi::Run> batch) {
        return of->query(from, batch);
    });
}

Answer nearest(std::uint64_t process, std::uint64_t address, std::uint64_t direction,
               std::uint64_t run) {
    const Ref<Process> of = TRY(inspected(process));
    if (direction > static_cast<std::uint64_t>(abi::Direction::down))
        return Error::invalid_argument;
    const auto found = of->nearest(VirtAddr{address}, static_cast<abi::Direction>(direction));
    if (!found) return Error::not_found;
    return copy_out(run, *found);
}

namespace {

/// A memory object that may be looked at, with the rights to it.
Result<Grant> memory_grant(Process& own, std::uint64_t handle) {
    Grant grant = TRY(own.handles().grant(handle, 0));
    if (grant.object()->kind() != ObjectKind::memory) return Error::bad_handle;
    if ((grant.rights() & abi::right_inspect) == 0) return Error::not_permitted;
    return grant;
}

} // namespace

Answer map_object(std::uint64_t object, std::uint64_t address, std::uint64_t bytes,
                  std::uint64_t access, std::uint64_t flags, std::uint64_t offset) {
    const vm::Placement placement = TRY(placement_of(flags, abi::map_noreserve | abi::map_private));
    if (offset % page_size != 0) return Error::invalid_argument;
    Process& own = current_process();
    const Grant grant = TRY(memory_grant(own, object));
    const auto& memory = static_cast<const MemoryObject&>(*grant.object());
    const std::uint64_t end = memory.memory().pages().bytes();
    if (offset >= end) return Error::too_large;
    const PageCount pages = TRY(pages_of(bytes != 0 ? bytes : end - offset));
    if (pages.bytes() > end - offset) return Error::too_large;
    const bool is_private = (flags & abi::map_private) != 0;
    const vm::ObjectRequest request{.object = &memory.memory(),
                                    .first_page = offset >> page_bits,
                                    .address = VirtAddr{address},
                                    .pages = pages,
                                    .placement = placement,
                                    .access = TRY(vm::Access::make(access)),
                                    .ceiling = is_private ? vm::Ceiling::all()
                                                          : memory.most(grant.rights()),
                                    .is_private = is_private,
                                    .noreserve = (flags & abi::map_noreserve) != 0};
    return address_of(
        vm::with_memory(own.space(), pages, [&] { return own.space().map_object(request); }));
}

Answer object_info(std::uint64_t object, std::uint64_t address, std::uint64_t bytes) {
    const Grant grant = TRY(memory_grant(current_process(), object));
    const auto& memory = static_cast<const MemoryObject&>(*grant.object());
    const abi::ObjectInfo info{.number = memory.memory().number(),
                               .bytes = memory.bytes(),
                               .resident = memory.memory().resident().value,
                               .access = memory.most(grant.rights()).bits()};
    return copy_out_versioned(address, bytes, info);
}

Answer object_resize(std::uint64_t object, std::uint64_t bytes) {
    const auto memory =
        TRY(current_process().handles().find<MemoryObject>(object, abi::right_control));
    const PageCount pages = TRY(pages_of(bytes));
    return vm::with_memory(current_process().space(), pages, [&] { return memory->resize(pages); });
}

} // namespace proc::calls
