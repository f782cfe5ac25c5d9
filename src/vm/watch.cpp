// SPDX-License-Identifier: MIT
// Watches: the first access to each page of a range comes up to the process.
//
//   lazy ──watch──► callback, with the same rights, intent and charge ──first access──► told, lazy
//
// The entry has all that the lazy one said, so nothing is kept beside it, and a watch may stand at
// any level. Memory with frames, and what is not the space's own, has no room for both.
#include "vm/callback.hpp"
#include "vm/fault_access.hpp"

namespace vm::callback {

CallbackAnswer watch(const CallbackTouch& touch) {
    const Entry entry = touch.entry;
    if (!permits(entry.access(), touch.access))
        return CallbackAnswer::refuse(Resolution::forbidden);
    return CallbackAnswer::tell(Resolution::watched, {touch.page, touch.page + page_size},
                                Entry::lazy(entry.access(), entry.intent()));
}

} // namespace vm::callback
