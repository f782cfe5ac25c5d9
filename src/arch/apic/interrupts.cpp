// SPDX-License-Identifier: MIT
// From a vector to the function that serves it.
#include "arch/trap/interrupts.hpp"

#include "arch/apic/io_apic.hpp"
#include "arch/apic/local_apic.hpp"
#include "arch/cpu/area.hpp"
#include "arch/log.hpp"
#include "arch/trap/dispatch.hpp"

#include <array>

namespace arch {

namespace {
constinit std::array<InterruptHandler, 256> handlers{};
} // namespace

void set_interrupt_handler(unsigned vector, InterruptHandler handler) {
    handlers[vector] = handler;
}

Result<void> connect_isa_interrupt(unsigned line, InterruptHandler handler) {
    if (line > 15) return Error::invalid_argument;
    set_interrupt_handler(vector_isa + line, handler);
    return io_apic::route(io_apic::isa_line(line), vector_isa + line, cpu_areas[0]->apic_id);
}

void trap_interrupt(TrapFrame* frame) {
    CpuArea& area = this_cpu();
    const auto vector = static_cast<unsigned>(frame->vector);
    // Neither a masked PIC's spurious interrupt nor the local APIC's is in service: no end of it
    // (SDM vol. 3A, 10.9).
    if (vector < vector_isa || vector == vector_spurious) {
        ++area.spurious_interrupts;
        return;
    }
    ++area.interrupts;
    if (handlers[vector] != nullptr) [[likely]] {
        handlers[vector]();
    } else {
        log("interrupt {:x} is nobody's", vector);
    }
    local_apic::end_of_interrupt();
}

} // namespace arch
