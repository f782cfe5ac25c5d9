// SPDX-License-Identifier: MIT
// Building a process: map, segments, handles, first thread.
#include "proc/spawn.hpp"

#include "proc/map_flags.hpp"
#include "proc/plan.hpp"
#include "proc/resources.hpp"
#include "proc/scheduler.hpp"
#include "proc/user_memory.hpp"
#include "vm/heap.hpp"

#include <algorithm>

namespace proc {

namespace {

/// A plan's copy on the heap, for a scope.
class PlanHolder {
public:
    static Result<PlanHolder> make() { return PlanHolder(TRY(vm::heap_new<PlanCopy>())); }
    PlanHolder(PlanHolder&& other) noexcept : plan_(std::exchange(other.plan_, nullptr)) {}
    ~PlanHolder() {
        if (plan_ != nullptr) vm::heap_delete(plan_);
    }
    PlanCopy* operator->() { return plan_; }
    const PlanCopy& operator*() const { return *plan_; }

private:
    explicit PlanHolder(PlanCopy* plan) : plan_(plan) {}
    PlanCopy* plan_;
};

/// Fills the pages of a segment that have bytes to copy, through the direct map: the new space is
/// not the running one, and its rights don't count.
Result<void> fill_segment(vm::AddressSpace& space, const PlanCopy& plan,
                          const abi::PlanSegment& segment) {
    const VirtAddr start{segment.address + segment.source_offset};
    const VirtAddr end = start + segment.bytes;
    TRY(space.populate(
        {VirtAddr{align_down(start.value, page_size)}, VirtAddr{align_up(end.value, page_size)}}));
    std::uint64_t source = segment.source;
    for (VirtAddr at = start; at < end;) {
        const std::uint64_t offset = at.value % page_size;
        const std::uint64_t piece = std::min(page_size - offset, end - at);
        const PhysAddr frame = TRY(space.frame_of(at - offset));
        TRY(plan.copy_bytes(vm::direct(frame + offset), source, piece));
        at = at + piece;
        source += piece;
    }
    return {};
}

/// Maps pages of an object that the running process has a handle to: what is written is a copy.
Result<void> map_segment(vm::AddressSpace& space, const abi::PlanSegment& segment,
                         vm::Access access) {
    const auto object =
        TRY(current_process().handles().find<MemoryObject>(segment.object, abi::right_inspect));
    const std::uint64_t end = object->memory().pages().bytes();
    if (segment.source > end || segment.length > end - segment.source) return Error::too_large;
    TRY(space.map_object({.object = &object->memory(),
                          .first_page = segment.source >> page_bits,
                          .address = VirtAddr{segment.address},
                          .pages = PageCount{segment.length >> page_bits},
                          .placement = vm::Placement::fixed,
                          .access = access,
                          .is_private = true,
                          .noreserve = (segment.flags & abi::map_noreserve) != 0}));
    return {};
}

Result<void> add_segment(vm::AddressSpace& space, const PlanCopy& plan,
                         const abi::PlanSegment& segment) {
    const vm::Access access = TRY(vm::Access::make(segment.access));
    if (segment.object != abi::no_handle) return map_segment(space, segment, access);
    TRY(space.map({.address = VirtAddr{segment.address},
                   .pages = PageCount{segment.length >> page_bits},
                   .placement = vm::Placement::fixed,
                   .access = access,
                   .noreserve = (segment.flags & abi::map_noreserve) != 0,
                   .guard = (segment.flags & (abi::map_guard | growth_flags)) != 0,
                   .growth = growth_of(segment.flags)}));
    return segment.bytes != 0 ? fill_segment(space, plan, segment) : Result<void>();
}

/// The process with its memory, without handles and thread.
Result<Ref<Process>> build_process(const PlanCopy& plan, const Limits& most) {
    Ref<Process> process = TRY(Process::create(plan.plan.name, TRY(plan.limits(most))));
    for (const abi::PlanSegment& segment : plan.segments())
        TRY(add_segment(process->space(), plan, segment));
    if (plan.plan.clock_page != 0) TRY(process->space().map_clock(VirtAddr{plan.plan.clock_page}));
    return process;
}

Result<Ref<Thread>> first_thread(Process& process, const abi::SpawnPlan& plan) {
    return Thread::create(process,
                          {.entry = VirtAddr{plan.entry},
                           .stack = VirtAddr{plan.stack},
                           .arguments = {plan.arguments[0], plan.arguments[1]}},
                          plan.priority);
}

} // namespace

Result<abi::Handle> spawn_from_caller(std::uint64_t address, std::uint64_t bytes) {
    Process& own = current_process();
    PlanHolder plan = TRY(PlanHolder::make());
    TRY(plan->read(address, bytes));
    TRY(plan->check(own.limits()));
    const Ref<Process> process = TRY(build_process(*plan, own.limits()));
    for (const abi::Handle handle : plan->handles()) {
        Grant grant = TRY(own.handles().grant(handle, abi::right_duplicate));
        TRY(process->handles().insert(std::move(grant)));
    }
    const Ref<Thread> thread = TRY(first_thread(*process, plan->plan));
    return launch_child(*process, *thread);
}

Result<abi::Handle> launch_child(Process& child, Thread& thread) {
    HandleTable& handles = current_process().handles();
    const abi::Handle made = TRY(handles.insert(Grant(child, process_rights)));
    if (const auto launched = thread.launch(); !launched) {
        static_cast<void>(handles.remove(made));
        return launched.error();
    }
    return made;
}

Result<Ref<Process>> spawn_from_kernel(const abi::SpawnPlan& own, std::span<Grant> handles) {
    PlanHolder plan = TRY(PlanHolder::make());
    TRY(plan->take(own));
    const Limits all{};
    TRY(plan->check(all));
    Ref<Process> process = TRY(build_process(*plan, all));
    for (Grant& grant : handles) TRY(process->handles().insert(std::move(grant)));
    const Ref<Thread> thread = TRY(first_thread(*process, plan->plan));
    TRY(thread->launch());
    return process;
}

} // namespace proc
