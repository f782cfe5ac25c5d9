// SPDX-License-Identifier: MIT
// From CPU numbers to commands of the local APIC.
#include "arch/apic/interprocessor.hpp"

#include "arch/apic/local_apic.hpp"
#include "arch/cpu/area.hpp"
#include "arch/memory/translation.hpp"
#include "arch/smp/stopping.hpp"
#include "arch/trap/interrupts.hpp"
#include "proc/port.hpp"
#include "vm/validate.hpp"

namespace arch {

void send_interrupt(unsigned cpu, unsigned vector) {
    local_apic::send(cpu_areas[cpu]->apic_id, local_apic::command_fixed | vector);
}

void send_nmi(unsigned cpu) { local_apic::send(cpu_areas[cpu]->apic_id, local_apic::command_nmi); }

void initialise_interprocessor_interrupts() {
    set_interrupt_handler(vector_reschedule, [] {
        CpuArea& area = this_cpu();
        ++area.reschedules;
        if constexpr (vm::validates) stay_stopped();
        if (area.thread != nullptr) proc::handle_reschedule(); // else it only wakes
    });
    set_interrupt_handler(vector_flush, [] {
        ++this_cpu().flush_requests;
        answer_flushes();
    });
}

} // namespace arch
