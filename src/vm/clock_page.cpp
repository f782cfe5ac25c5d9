// SPDX-License-Identifier: MIT
// The clock page's entry.
#include "vm/clock_page.hpp"

#include "vm/space.hpp"

namespace vm {

namespace {
constinit PhysAddr frame_of_clock{};
} // namespace

void set_clock_frame(PhysAddr frame) { frame_of_clock = frame; }
PhysAddr clock_frame() { return frame_of_clock; }

Result<void> AddressSpace::map_clock(VirtAddr at) {
    if (frame_of_clock.value == 0) return Error::unsupported;
    TRY(map_window(
        {.frames = frame_of_clock, .address = at, .pages = {1}, .placement = Placement::fixed}));
    return {};
}

} // namespace vm
