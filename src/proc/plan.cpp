// SPDX-License-Identifier: MIT
// Copying and checking a spawn plan.
#include "proc/plan.hpp"

#include "proc/map_flags.hpp"
#include "proc/user_memory.hpp"
#include "vm/access.hpp"

#include <algorithm>

namespace proc {

namespace {

constexpr std::uint64_t user_end = vm::user_range.end.value;

Result<void> check_counts(const abi::SpawnPlan& plan) {
    if (plan.segment_count > abi::plan_segment_limit) return Error::limit_reached;
    if (plan.handle_count > abi::plan_handle_limit) return Error::limit_reached;
    if (plan.segment_count == 0) return Error::invalid_argument;
    return {};
}

bool overlap(const abi::PlanSegment& a, const abi::PlanSegment& b) {
    return a.address < b.address + b.length && b.address < a.address + a.length;
}

} // namespace

Result<void> PlanCopy::read(std::uint64_t address, std::uint64_t bytes) {
    memory = PlanMemory::caller;
    if (bytes < sizeof plan) return Error::invalid_argument;
    if (bytes > sizeof plan) return Error::too_large;
    TRY(copy_in(address, plan));
    TRY(check_counts(plan));
    const UserRange segment_range =
        TRY(UserRange::make(plan.segments, plan.segment_count * sizeof(abi::PlanSegment)));
    const UserRange handle_range =
        TRY(UserRange::make(plan.handles, plan.handle_count * sizeof(abi::Handle)));
    TRY(segment_range.copy_in(segment_list.data()));
    return handle_range.copy_in(handle_list.data());
}

Result<void> PlanCopy::take(const abi::SpawnPlan& own) {
    memory = PlanMemory::kernel;
    plan = own;
    TRY(check_counts(plan));
    const auto* list = reinterpret_cast<const abi::PlanSegment*>(plan.segments);
    std::copy_n(list, plan.segment_count, segment_list.begin());
    return {};
}

Result<void> PlanCopy::check(const Limits& most) const {
    if (plan.flags != 0 || plan.priority >= abi::priority_count) return Error::invalid_argument;
    if (plan.priority > most.priority || plan.handle_limit > most.handles)
        return Error::not_permitted;
    if (plan.entry >= user_end || plan.stack > user_end) return Error::bad_address;
    if (plan.clock_page % page_size != 0) return Error::invalid_argument;
    for (const abi::PlanSegment& segment : segments()) TRY(check_segment(segment));
    for (std::size_t i = 1; i < segments().size(); ++i) {
        const bool clash = std::ranges::any_of(
            segments().first(i), [&](const auto& other) { return overlap(other, segments()[i]); });
        if (clash) return Error::already_mapped;
    }
    return {};
}

Result<Limits> PlanCopy::limits(const Limits& most) const {
    Limits limits{.priority = plan.priority,
                  .handles = plan.handle_limit != 0 ? static_cast<unsigned>(plan.handle_limit)
                                                    : most.handles,
                  .memory = most.memory};
    if (plan.memory_limit != 0)
        limits.memory = TRY(vm::QuotaRef::make(most.memory, PageCount{plan.memory_limit}));
    return limits;
}

Result<void> PlanCopy::check_segment(const abi::PlanSegment& segment) const {
    constexpr std::uint64_t empty_flags = abi::map_guard | growth_flags; // nothing to copy there
    constexpr std::uint64_t known_flags = abi::map_noreserve | empty_flags;
    if (segment.address % page_size != 0 || segment.length % page_size != 0 || segment.length == 0)
        return Error::invalid_argument;
    TRY(UserRange::make(segment.address, segment.length));
    if ((segment.flags & ~known_flags) != 0 || segment.reserved != 0)
        return Error::invalid_argument;
    TRY(vm::Access::make(segment.access));
    if (!may_grow(segment.flags)) return Error::invalid_argument;
    if (segment.object != abi::no_handle) {
        const bool plain =
            segment.bytes == 0 && segment.source_offset == 0 && (segment.flags & empty_flags) == 0;
        // The kernel's own plans have no handles.
        if (!plain || segment.source % page_size != 0 || memory == PlanMemory::kernel)
            return Error::invalid_argument;
    }
    if (segment.bytes == 0) return {};
    if ((segment.flags & empty_flags) != 0) return Error::invalid_argument;
    if (segment.source_offset > segment.length ||
        segment.bytes > segment.length - segment.source_offset)
        return Error::invalid_argument;
    if (memory == PlanMemory::caller) TRY(UserRange::make(segment.source, segment.bytes));
    return {};
}

Result<void> PlanCopy::copy_bytes(void* to, std::uint64_t from, std::uint64_t bytes) const {
    if (memory == PlanMemory::caller) return TRY(UserRange::make(from, bytes)).copy_in(to);
    __builtin_memcpy(to, reinterpret_cast<const void*>(from), bytes);
    return {};
}

} // namespace proc
