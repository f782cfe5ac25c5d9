// SPDX-License-Identifier: MIT
// What was typed and not yet read: bytes as a terminal sends them, from every source alike.
#pragma once

#include <span>

namespace arch::console {

/// Adds what one source sent. Called by interrupt handlers, interrupts off, no lock held. What
/// there is no room for (4 KiB) is lost, as a whole. Calls `proc::handle_console_input()`.
void add_input(std::span<const char> bytes);

} // namespace arch::console
