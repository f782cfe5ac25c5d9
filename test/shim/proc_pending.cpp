// SPDX-License-Identifier: MIT
// Weak stand-ins for src/proc until it is linked in: any use of them is a failure.
#include "proc/port.hpp"

#include <cstdlib>

namespace proc {
[[gnu::weak]] bool handle_fault(const Fault&) { std::abort(); }
[[gnu::weak]] void handle_timer() { std::abort(); }
[[gnu::weak]] void handle_console_input() { std::abort(); }
[[gnu::weak]] void thread_started() { std::abort(); }
[[gnu::weak]] void before_user_return() { std::abort(); }
extern "C" [[gnu::weak]] const SystemCallFunction system_call_table[abi::system_call_count] = {};
} // namespace proc
