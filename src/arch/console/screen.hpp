// SPDX-License-Identifier: MIT
// The screen: a terminal drawn into the framebuffer that the firmware left.
#pragma once

#include <string_view>

namespace arch::screen {

/// Maps the framebuffer of the boot information and clears it; text written before appears then.
/// Says on the log what was found. Without a framebuffer, or with one that can't be drawn into
/// (text mode, indexed colours), all else here does nothing.
/// Precondition: the kernel's address space is in use.
void initialise();

/// Writes UTF-8 with ANSI escape sequences: a sink of the log. Drawing may come later: refresh()
/// sees to it.
void write(std::string_view text);

/// Draws what was written and not yet drawn. Costs next to nothing when there is nothing. Holds the
/// log.
void refresh();

/// The same, unless something was drawn very recently: called by the clock's interrupt.
void refresh_if_due();

/// Draws at once from now on, white on red: the last words.
void begin_panic();

/// Draws no more: drawing itself may be what broke.
void disable();

} // namespace arch::screen
