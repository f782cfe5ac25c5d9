// SPDX-License-Identifier: MIT
// Memory that grows when it is touched, as far as its reserved range goes:
//
//   stack growth    guard | growth … growth | page  page  page          the range's end
//                                  ◄── a touch here makes all up to the pages lazy memory
//   heap growth     page  page | growth … growth | guard
//
// The last page at the far end is never given: it is a guard. That it is the last one is seen from
// its neighbour, which is no growth any more, so there is no record of a limit. What is given is
// charged then; what can't be charged is refused, and the range stays as it is.
#include "vm/callback.hpp"
#include "vm/fault_access.hpp"

#include <algorithm>

namespace vm {

namespace {

/// The end, above a page, of the entries that say the same.
VirtAddr run_end(const AddressSpace& space, VirtAddr page, Entry entry) {
    VirtAddr at = page;
    while (at < space.range().end) {
        const auto located = space.locate(at);
        if (located.entry != entry) break;
        at = entry_span(at, located.level).end;
    }
    return std::min(at, space.range().end);
}

/// The same below: the lowest address of such entries.
VirtAddr run_start(const AddressSpace& space, VirtAddr page, Entry entry) {
    VirtAddr at = page;
    while (space.range().start < at) {
        const auto located = space.locate(at - 1);
        if (located.entry != entry) break;
        at = entry_span(at - 1, located.level).start;
    }
    return std::max(at, space.range().start);
}

/// Whether the same kind of growth goes on at an address; its rights may have been changed there.
bool goes_on(const AddressSpace& space, VirtAddr at, Entry entry) {
    if (at < space.range().start || space.range().end <= at) return false;
    const auto located = space.locate(at);
    return located.entry.kind(located.level) == EntryKind::callback &&
           located.entry.id() == entry.id();
}

CallbackAnswer give(VirtRange range, Entry entry) {
    return CallbackAnswer::install(
        range, Entry::lazy(entry.access(), {entry.intent().ceiling, Origin::anonymous}));
}

} // namespace

namespace callback {

CallbackAnswer stack_growth(const CallbackTouch& touch) {
    if (!permits(touch.entry.access(), touch.access) ||
        !goes_on(touch.space, touch.page - page_size, touch.entry))
        return CallbackAnswer::refuse(Resolution::forbidden);
    return give({touch.page, run_end(touch.space, touch.page, touch.entry)}, touch.entry);
}

CallbackAnswer heap_growth(const CallbackTouch& touch) {
    const VirtAddr end = touch.page + page_size;
    if (!permits(touch.entry.access(), touch.access) || !goes_on(touch.space, end, touch.entry))
        return CallbackAnswer::refuse(Resolution::forbidden);
    return give({run_start(touch.space, touch.page, touch.entry), end}, touch.entry);
}

} // namespace callback

} // namespace vm
