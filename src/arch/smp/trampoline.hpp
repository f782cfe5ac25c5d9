// SPDX-License-Identifier: MIT
// The memory below 1 MiB in which processors wake up, and the paging structure that takes them from
// there to the kernel. Nobody else ever uses that memory, so it is never given back: a processor
// that comes when nobody waits for it any more finds the trampoline closed, and halts in it.
#pragma once

#include "lib/result.hpp"

#include <cstdint>

namespace arch::trampoline {

/// Puts the trampoline into place, closed. Error: not_found, without free memory for it.
Result<void> prepare();

/// Lets processors through, or no more. Closing also takes away the paging structure, the only one
/// in which an address of the user's half is the same physical one: `all_arrived` says that no
/// processor that was sent here can still be on its way, else the structure stays.
void open();
void close(bool all_arrived);

/// What a start-up command names: the number of its page (SDM vol. 3A, 10.6.1).
std::uint8_t start_page();

/// How often a processor came, let through or not.
std::uint32_t arrivals();

} // namespace arch::trampoline
