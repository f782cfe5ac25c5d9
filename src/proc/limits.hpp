// SPDX-License-Identifier: MIT
// Limits: what a process cannot exceed, and cannot give to another.
#pragma once

#include "abi/types.hpp"
#include "proc/handles.hpp"
#include "vm/quota.hpp"

namespace proc {

struct Limits {
    unsigned priority = abi::priority_count - 1; ///< of its threads
    unsigned handles = HandleTable::limit;
    /// What it may be charged. Shared with what it starts without a smaller one.
    vm::QuotaRef memory{};
};

} // namespace proc
