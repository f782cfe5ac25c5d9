// SPDX-License-Identifier: MIT
// The first C++ code: puts the machine in order, part by part, and hands it to the kernel.
#include "arch/boot/boot_information.hpp"
#include "arch/boot/paging.hpp"
#include "arch/boot/stack_guard.hpp"
#include "arch/console/screen.hpp"
#include "arch/cpu/measures.hpp"
#include "arch/cpu_features.hpp"
#include "arch/log.hpp"
#include "arch/main.hpp"
#include "arch/serial.hpp"

#include <cstdint>

namespace arch {

/// Called by entry.S in long mode, higher half, on the first stack, interrupts off.
/// `protocol`: 1 Multiboot2, 2 PVH. `information`: physical address of the loader's data.
[[noreturn, gnu::no_stack_protector]] void start(std::uint32_t protocol,
                                                 std::uint32_t information) asm("arch_start");

void start(std::uint32_t protocol, std::uint32_t information) {
    initialise_stack_guard();
    serial::initialise();
    add_log_sink(serial::write);
    add_log_sink(screen::write); // kept until there is a screen
    log("Tabula {}", TABULA_VERSION);
    detect_cpu_features();
    enable_cpu_features();
    log_cpu_features();
    read_boot_information(BootProtocol{protocol}, PhysAddr{information});
    decide_measures();
    enable_measures();
    initialise_memory();
    run_machine();
}

} // namespace arch
