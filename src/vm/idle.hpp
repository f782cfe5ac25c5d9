// SPDX-License-Identifier: MIT
// Idle tables that stay for reuse: how many there are, so that they don't become too many. Each
// CPU counts those that it left in the spaces it changed last, so that nobody writes a common line;
// a table's descriptor says who counted it.
#pragma once

#include "vm/table.hpp"

namespace vm {

/// A linked table became idle, in the space of this number (Translations::number). Under the
/// table's lock. True if this CPU has left more than a few there.
[[nodiscard]] bool keep_idle(TableDescriptor& table, std::uint64_t space);
/// The table is in use again, or about to be freed; nothing if it was not counted. Under its lock,
/// or when nobody can reach it any more.
void forget_idle(TableDescriptor& table, std::uint64_t space);
/// Forgets all: a fresh machine begins. Called by `initialise_frames`.
void reset_idle();

} // namespace vm
