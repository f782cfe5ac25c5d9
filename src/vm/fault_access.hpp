// SPDX-License-Identifier: MIT
// What the resolving of all kinds of pages has in common.
#pragma once

#include "vm/space.hpp"

namespace vm {

/// Whether rights are enough for an access.
inline bool permits(Access granted, FaultAccess wanted) {
    if (wanted.write) return granted.writable();
    return wanted.execute ? granted.executable() : granted.readable();
}

/// How a fault ends for which something could not be charged, or had.
inline Resolution resolution_of(Error error) {
    return error == Error::limit_reached ? Resolution::over_quota : Resolution::no_memory;
}

} // namespace vm
