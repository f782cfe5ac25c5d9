// SPDX-License-Identifier: MIT
// Spawn: a fresh process from a plan. Its cost depends on the plan, not on the parent.
#pragma once

#include "proc/process.hpp"

#include <span>

namespace proc {

/// Builds and starts a process from an abi::SpawnPlan of `bytes` bytes in the calling process's
/// memory, and gives a handle to it. Everything is copied and checked first; on any error nothing
/// is left behind. Errors: invalid_argument, bad_address (in the plan, or of what it names),
/// limit_reached (counts, handles, memory within its limit), not_permitted (writable and
/// executable; a priority or a limit above the caller's; a handle that may not be given away),
/// already_mapped (segments overlap), bad_handle, no_memory, too_large (a newer plan).
Result<abi::Handle> spawn_from_caller(std::uint64_t plan, std::uint64_t bytes);

/// The same for the kernel: the plan and all that it names by address lie in its own memory; the
/// handles are given as grants.
Result<Ref<Process>> spawn_from_kernel(const abi::SpawnPlan& plan, std::span<Grant> handles);

/// Lets the first thread of a new process run, and gives the running process a handle to it.
/// Errors: limit_reached, no_memory, interrupted (somebody ended it already).
Result<abi::Handle> launch_child(Process& child, Thread& thread);

} // namespace proc
