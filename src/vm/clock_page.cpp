// SPDX-License-Identifier: MIT
// The clock page's entry.
#include "vm/clock_page.hpp"

#include "vm/transaction.hpp"

namespace vm {

namespace {
constinit PhysAddr frame_of_clock{};
} // namespace

void set_clock_frame(PhysAddr frame) { frame_of_clock = frame; }
PhysAddr clock_frame() { return frame_of_clock; }

Result<void> AddressSpace::map_clock(VirtAddr at) {
    const VirtRange range{at, at + page_size};
    TRY(check(range));
    if (frame_of_clock.value == 0) return Error::unsupported;
    const LeafOptions options{.intent = {Ceiling::of(Access::read()), Origin::window, true},
                              .shared = true,
                              .user = !kernel_,
                              .global = kernel_};
    const Entry entry = Entry::leaf(frame_of_clock, Access::read(), 1, options);
    {
        // Every spawn comes here: where there is a table already, the entry is all that it takes.
        [[gnu::uninitialized]] Transaction transaction(*this, range);
        if (transaction.in_page_table()) [[likely]] {
            if (!transaction.decisive().entry.empty()) return Error::already_mapped;
            transaction.install(Entry::absent(), entry, 0);
            transaction.commit<Extent::page_table>(); // nothing is charged
            return {};
        }
    }
    return place(range, entry, false, nullptr);
}

} // namespace vm
