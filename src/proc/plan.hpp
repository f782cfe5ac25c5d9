// SPDX-License-Identifier: MIT
// A spawn plan as the kernel holds it: copied once, checked as a whole.
#pragma once

#include "abi/types.hpp"
#include "lib/result.hpp"
#include "proc/limits.hpp"

#include <array>
#include <span>

namespace proc {

/// Whose addresses a plan holds.
enum class PlanMemory : bool {
    caller, ///< the calling process's: checked, and copied with faults resolved
    kernel, ///< the kernel's own
};

/// The plan and what it names. 2 KiB: not for a stack.
struct PlanCopy {
    PlanMemory memory;
    abi::SpawnPlan plan;
    std::array<abi::PlanSegment, abi::plan_segment_limit> segment_list;
    std::array<abi::Handle, abi::plan_handle_limit> handle_list; ///< of a caller's plan

    std::span<const abi::PlanSegment> segments() const {
        return std::span(segment_list).first(plan.segment_count);
    }
    std::span<const abi::Handle> handles() const {
        return std::span(handle_list).first(plan.handle_count);
    }

    /// Copies the plan in from the calling process. Errors: as spawn_from_caller's.
    Result<void> read(std::uint64_t address, std::uint64_t bytes);
    /// Copies a plan of the kernel's own.
    Result<void> take(const abi::SpawnPlan& own);
    /// Everything about it that can be checked without building anything.
    Result<void> check(const Limits& most) const;
    /// What the process will be held to, within the limits of who makes it. Errors: not_permitted
    /// (more memory than those), no_memory, limit_reached.
    Result<Limits> limits(const Limits& most) const;
    /// Copies bytes from where the plan says they are.
    Result<void> copy_bytes(void* to, std::uint64_t from, std::uint64_t bytes) const;

private:
    Result<void> check_segment(const abi::PlanSegment& segment) const;
};

} // namespace proc
