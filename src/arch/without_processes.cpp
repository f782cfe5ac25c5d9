// SPDX-License-Identifier: MIT
// What the machine calls up to, as long as src/proc is not linked in: it says so and stops.
#include "arch/debug_exit.hpp"
#include "arch/log.hpp"
#include "proc/port.hpp"

namespace proc {

[[gnu::weak]] bool handle_fault(const Fault&) { return false; }
[[gnu::weak]] void handle_timer() {}
[[gnu::weak]] void handle_console_input() {}
[[gnu::weak]] void thread_started() {}
[[gnu::weak]] void before_user_return() {}
[[gnu::weak]] Identity running_process() { return {}; }
[[gnu::weak]] void run() {
    arch::log("no processes");
    arch::debug_exit(arch::ExitStatus::success);
    while (true) port::wait_for_interrupt();
}

extern "C" {
[[gnu::weak]] extern const SystemCallFunction system_call_table[abi::system_call_count] = {};
}

} // namespace proc
