// SPDX-License-Identifier: MIT
// Which memory gets pages of 2 MiB.
#pragma once

#include "vm/entry.hpp"

namespace vm {

/// Whether a touch of what an entry of a table at `level` says gets a block. Memory that may be
/// written does, even on a read: it asked for large pages because it will be used, and a page of
/// zeros there would keep the other 511 small. What can only be read is zeros for good, and shares
/// the frame of zeros.
constexpr bool wants_block(Entry entry, Level level) {
    return entry.is_huge() && level >= block_level && entry.access().writable() &&
           entry.kind(level) == EntryKind::lazy;
}

} // namespace vm
