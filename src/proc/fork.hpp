// SPDX-License-Identifier: MIT
// Fork: a copy of the calling process, in which the calling thread goes on.
//
//   fork_entry (the machine) ─► fork_caller ─► Process::fork: map, handles
//                                          └─► Thread::fork: the calling thread, as it is
#pragma once

#include "abi/types.hpp"
#include "lib/result.hpp"

namespace proc {

/// Makes a copy of the running thread's process, with the running thread alone, starts it, and
/// gives a handle to it; the copy comes back from the same system call with 0. On any error nothing
/// is left behind. Errors: no_memory, limit_reached (memory within its limit, handles), interrupted
/// (another thread ended the copy at once).
Result<abi::Handle> fork_caller();

} // namespace proc
