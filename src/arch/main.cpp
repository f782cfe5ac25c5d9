// SPDX-License-Identifier: MIT
// The order of initialisation, behind the first steps (arch/boot/start.cpp).
#include "arch/main.hpp"

#include "arch/apic/controllers.hpp"
#include "arch/apic/interprocessor.hpp"
#include "arch/boot/paging.hpp"
#include "arch/console/screen.hpp"
#include "arch/console/serial_input.hpp"
#include "arch/cpu/area.hpp"
#include "arch/cpu/entry_root.hpp"
#include "arch/cpu/vector_state.hpp"
#include "arch/keyboard.hpp"
#include "arch/ktest/ktest.hpp"
#include "arch/layout.hpp"
#include "arch/log.hpp"
#include "arch/memory/translation.hpp"
#include "arch/panic.hpp"
#include "arch/smp/processors.hpp"
#include "arch/smp/waiting.hpp"
#include "arch/time/clock.hpp"
#include "arch/time/clock_page.hpp"
#include "arch/usb/usb.hpp"
#include "proc/port.hpp"
#include "vm/commit.hpp"
#include "vm/frames.hpp"
#include "vm/space.hpp"

namespace vm::port {
constinit std::uintptr_t direct_map = arch::layout::direct_map.value;
} // namespace vm::port

namespace arch {

namespace {

/// Frames and the kernel's space in the map's hands.
void start_map() {
    auto* const records = reinterpret_cast<vm::Frame*>(layout::frame_records.value);
    vm::initialise_frames(usable_memory(), records, frame_count());
    make_clock_page();
    vm::set_commit_limit(vm::commit_capacity());
    const auto adopted =
        vm::kernel_space().adopt_kernel(kernel_root(), kernel_root_levels(), layout::dynamic);
    if (!adopted) panic("no memory for the kernel's address space");
    join_kernel_space();
    expose_shared_entry();
    if (!expose_cpu(this_cpu())) panic("no memory for user mode's roots");
}

} // namespace

void run_machine() {
    initialise_boot_cpu();
    start_map();
    initialise_vector_units();
    initialise_interrupt_controllers();
    initialise_clock();
    screen::initialise();
    keyboard::initialise();
    console::initialise_serial_input();
    usb::initialise();
    initialise_interprocessor_interrupts();
    start_processors();
    vm::CpuSet::expect(cpu_count());
    ktest::obey_boot_words();
    publish_clock();
    release_cpus();
    proc::run();
}

} // namespace arch
