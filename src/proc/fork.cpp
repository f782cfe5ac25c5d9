// SPDX-License-Identifier: MIT
// Fork.
#include "proc/fork.hpp"

#include "proc/scheduler.hpp"
#include "proc/spawn.hpp"

namespace proc {

Result<abi::Handle> fork_caller() {
    const Ref<Process> child = TRY(current_process().fork());
    const Ref<Thread> thread = TRY(Thread::fork(*child));
    return launch_child(*child, *thread);
}

} // namespace proc
