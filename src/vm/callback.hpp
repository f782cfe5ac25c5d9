// SPDX-License-Identifier: MIT
// Callback entries: memory of which a kernel function decides when it is touched.
//
//   entry { callback, id } ──► callbacks.def ──► function(space, page, access, entry) ──► answer
//
// The function is called with no lock held, and changes nothing: what it answers is put into the
// map under the lock of the tables concerned, if the entries there are still the one that it was
// asked about. Else all begins again.
#pragma once

#include "vm/space.hpp"

namespace vm {

/// An access to a page behind a callback entry. The CPU is in the space's `translations().running`.
struct CallbackTouch {
    const AddressSpace& space;
    VirtAddr page;
    FaultAccess access;
    Entry entry;
};

/// What is to become of it.
class CallbackAnswer {
public:
    enum class Kind : std::uint8_t {
        refuse,  ///< the fault is the process's own affair: see `why`
        install, ///< `entry` takes the place of the callback's in all of `range`; then try again
        tell,    ///< the process is told once, by an upcall: `why`; from then on as by `install`
    };
    static CallbackAnswer refuse(Resolution why) { return {Kind::refuse, why, {}, {}}; }
    /// Precondition: every entry of the range, which is page-aligned and has the page in it, was
    /// the callback's.
    static CallbackAnswer install(VirtRange range, Entry entry) {
        return {Kind::install, Resolution::resolved, range, entry};
    }
    /// The same.
    static CallbackAnswer tell(Resolution why, VirtRange range, Entry entry) {
        return {Kind::tell, why, range, entry};
    }

    Kind kind;
    Resolution why;
    VirtRange range;
    Entry entry;

private:
    CallbackAnswer(Kind of, Resolution reason, VirtRange where, Entry what)
        : kind(of), why(reason), range(where), entry(what) {}
};

using CallbackFunction = CallbackAnswer(const CallbackTouch&);

namespace callback {
#define CALLBACK(id, function, words) CallbackFunction function;
#include "abi/callbacks.def"
#undef CALLBACK
} // namespace callback

/// Asks the function behind a callback entry.
CallbackAnswer ask_callback(const CallbackTouch& touch);

} // namespace vm
