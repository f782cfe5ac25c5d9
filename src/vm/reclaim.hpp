// SPDX-License-Identifier: MIT
// What is done before anybody is refused memory: ids that nothing refers to any more are given up,
// with the objects that they kept; then clean pages leave the caches of objects that have pagers.
// (Credit for charges, and the CPUs' caches of frames, are called back where they are asked for:
// commit.cpp, frames.cpp.)
#pragma once

#include "vm/space.hpp"

namespace vm {

/// Gets memory back, after `lacking`: no_memory (the machine's), or limit_reached (a quota's, of
/// which only the space's own ids may be a part). True if some came, so that it is worth to try
/// again. Takes all locks from rank `table` on, one table at a time: called with none of these
/// held, and by nobody who changes an object. Never needs memory.
[[nodiscard]] bool reclaim(AddressSpace& space, Error lacking);

/// The same after a fault that was not resolved for want of memory; false for all others.
[[nodiscard]] inline bool reclaim(AddressSpace& space, Resolution refused) {
    if (refused == Resolution::no_memory) [[unlikely]]
        return reclaim(space, Error::no_memory);
    return refused == Resolution::over_quota && reclaim(space, Error::limit_reached);
}

/// What an operation on a space gives, tried again as long as it lacks memory and there is some to
/// be got. `pages`: what it asks for; for more than there is in all nothing is given up.
template <typename Operation>
auto with_memory(AddressSpace& space, PageCount pages, Operation operation) {
    for (;;) {
        auto done = operation();
        if (done || pages > commit_limit() || !reclaim(space, done.error())) return done;
    }
}

} // namespace vm
