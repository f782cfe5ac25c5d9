// SPDX-License-Identifier: MIT
// Fork, with nothing of the runtime half done in the copy.
#include "user/lib/fork.hpp"

#include "user/lib/locks.hpp"
#include "user/lib/print.hpp"

namespace user {

Result<OwnedHandle> fork() {
    const MutexLock files(runtime_locks.files);
    const MutexLock stacks(runtime_locks.stacks);
    const WrittenOutput output;
    const MutexLock heap(runtime_locks.heap);
    return OwnedHandle(TRY(fork_process()));
}

} // namespace user
