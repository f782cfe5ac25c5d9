// SPDX-License-Identifier: MIT
// Fork: a copy of the calling process, in which the calling thread alone goes on.
#pragma once

#include "user/lib/handle.hpp"
#include "user/lib/program.hpp"

#include <cstdint>

namespace user {

/// Makes the copy, and gives its handle; in the copy, none. Buffered text is written out first, and
/// the runtime's own mutexes are free in the copy whatever other threads were doing. A program's
/// own are as they were: one that another thread held is held there for ever. Handles of threads
/// are those of the original's threads. Errors: no_memory, limit_reached.
Result<OwnedHandle> fork();

/// The same for a copy that does `work` and exits with its value.
template <typename Work>
Result<OwnedHandle> fork_to(Work&& work) {
    OwnedHandle child = TRY(fork());
    if (!child) exit(work());
    return child;
}

/// Does `work` in a copy, waits for the copy's end and gives its status.
template <typename Work>
Result<std::int32_t> run_forked(Work&& work) {
    const OwnedHandle child = TRY(fork_to(work));
    return process_wait(child.get());
}

} // namespace user
