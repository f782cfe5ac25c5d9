// SPDX-License-Identifier: MIT
// Calls about processes.
#include "proc/calls/calls.hpp"
#include "proc/fork.hpp"
#include "proc/process.hpp"
#include "proc/scheduler.hpp"
#include "proc/spawn.hpp"
#include "proc/user_memory.hpp"
#include "vm/reclaim.hpp"

namespace proc::calls {

Answer process_id() { return current_process().id(); }

Answer spawn(std::uint64_t plan, std::uint64_t bytes) {
    return vm::with_memory(current_process().space(), {},
                           [&] { return spawn_from_caller(plan, bytes); });
}

Answer fork() { return vm::with_memory(current_process().space(), {}, fork_caller); }

Answer process_kill(std::uint64_t handle, std::uint64_t status) {
    if (handle == abi::no_handle) exit_process(static_cast<std::uint32_t>(status));
    const auto process = TRY(current_process().handles().find<Process>(handle, abi::right_control));
    process->end(static_cast<std::uint32_t>(status));
    return std::uint64_t{0};
}

Answer process_info(std::uint64_t handle, std::uint64_t address, std::uint64_t bytes) {
    Ref<Process> process(current_process());
    if (handle != abi::no_handle)
        process = TRY(current_process().handles().find<Process>(handle, abi::right_inspect));
    return copy_out_versioned(address, bytes, process->info());
}

} // namespace proc::calls
