// SPDX-License-Identifier: MIT
// One frame, written once: what `proc::port::now` computes with, if it is the same on all CPUs.
#include "arch/time/clock_page.hpp"

#include "abi/clock_page.hpp"
#include "arch/cpu/area.hpp"
#include "arch/log.hpp"
#include "arch/panic.hpp"
#include "arch/time/clock.hpp"
#include "vm/clock_page.hpp"
#include "vm/frames.hpp"

namespace arch {

namespace {

/// Whether one start does for all: user code does not know on which CPU it reads the counter.
bool starts_are_one() {
    for (unsigned cpu = 1; cpu < cpu_count(); ++cpu)
        if (cpu_areas[cpu]->clock_start != cpu_areas[0]->clock_start) return false;
    return true;
}

} // namespace

void make_clock_page() {
    const auto frame = vm::allocate_zeroed_frame(vm::FrameKind::kernel);
    if (!frame) panic("no memory for the clock page");
    vm::set_clock_frame(*frame);
}

void publish_clock() {
    auto& page = *static_cast<abi::ClockPage*>(vm::direct(vm::clock_frame()));
    page.start = cpu_areas[0]->clock_start;
    page.factor = nanoseconds_per_tick();
    page.usable = starts_are_one() ? 1 : 0;
    if (page.usable == 0) log("clock: the CPUs' counters differ: user space asks for the time");
}

} // namespace arch
