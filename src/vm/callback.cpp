// SPDX-License-Identifier: MIT
// Faults on callback entries: the function is asked, and its answer put into the map.
#include "vm/callback.hpp"

#include "vm/fault_access.hpp"
#include "vm/ids.hpp"
#include "vm/transform.hpp"

#include <array>

namespace vm {

namespace {

/// By id; there is no 0.
constexpr CallbackFunction* const functions[] = {
    nullptr,
#define CALLBACK(id, function, words) callback::function,
#include "abi/callbacks.def"
#undef CALLBACK
};
static_assert(std::size(functions) <= IdTable::first_id);

// Ids are positions in the table.
#define CALLBACK(id, function, words)                                                              \
    static_assert((id) != 0 && functions[id] == callback::function);
#include "abi/callbacks.def"
#undef CALLBACK

} // namespace

CallbackAnswer ask_callback(const CallbackTouch& touch) {
    return functions[touch.entry.id().value](touch);
}

Result<bool> AddressSpace::install_answer(Entry old, const CallbackAnswer& answer) {
    const auto done = transform<true>(
        *this, answer.range,
        [old](Entry entry) -> Result<void> {
            return entry == old ? Result<void>() : Error::would_block;
        },
        [&answer](Entry, Level) { return answer.entry; });
    if (done) return true;
    if (done.error() == Error::would_block || done.error() == Error::not_mapped) return false;
    return done.error();
}

Resolution AddressSpace::resolve_callback(VirtAddr page, FaultAccess wanted, Located& refused) {
    for (;;) {
        const Located located = locate(page);
        const auto refuse = [&](Resolution why) {
            refused = located;
            return why;
        };
        // Something else by now: the access is tried again, and will see.
        if (located.entry.kind(located.level) != EntryKind::callback) return Resolution::resolved;
        const CallbackAnswer answer = ask_callback({*this, page, wanted, located.entry});
        if (answer.kind != CallbackAnswer::Kind::install) return refuse(answer.why);
        const auto installed = install_answer(located.entry, answer);
        if (!installed) return refuse(resolution_of(installed.error()));
        if (*installed) return Resolution::resolved;
    }
}

Resolution AddressSpace::tell(VirtAddr address, FaultAccess access, Located& refused) {
    const VirtAddr page{align_down(address.value, page_size)};
    const Located located = locate(page);
    if (located.entry.kind(located.level) != EntryKind::callback) return Resolution::resolved;
    const CallbackAnswer answer = ask_callback({*this, page, access, located.entry});
    if (answer.kind != CallbackAnswer::Kind::tell) return Resolution::resolved;
    refused = located;
    const auto installed = install_answer(located.entry, answer);
    if (!installed) return resolution_of(installed.error());
    return *installed ? answer.why : Resolution::resolved;
}

namespace callback {

CallbackAnswer guard(const CallbackTouch&) { return CallbackAnswer::refuse(Resolution::forbidden); }

} // namespace callback

} // namespace vm
