// SPDX-License-Identifier: MIT
// The runtime's own mutexes, beside the output's: in one place because `fork` holds them all.
#pragma once

#include "user/lib/mutex.hpp"

namespace user {

/// Who holds several took them in this order, the output's before the heap's.
struct RuntimeLocks {
    Mutex files;  ///< the list of files
    Mutex stacks; ///< stacks that are kept for new threads
    Mutex heap;
};
inline constinit RuntimeLocks runtime_locks;

} // namespace user
