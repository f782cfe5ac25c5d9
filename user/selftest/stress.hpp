// SPDX-License-Identifier: MIT
// The tests of the stress suite that watch whole processes, and the children that they need.
#pragma once

#include "user/selftest/role.hpp"

namespace selftest {

/// Threads on all processors use a page when it goes: their process ends by the fault.
void lost_page_ends();
/// Processes come and go while this one's threads fault.
void spawn_while_faulting();
/// A process ends while its threads fault on all processors.
void kill_while_faulting();

/// Callers and servers on all processors.
void calls_everywhere();
/// Callers are ended in the middle; their servers go on.
void kill_while_calling();

std::span<const Role> stress_roles();
std::span<const Role> stress_calls_roles();

} // namespace selftest
