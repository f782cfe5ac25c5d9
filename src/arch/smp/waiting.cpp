// SPDX-License-Identifier: MIT
// A function for each CPU to call, and an interrupt to look for it.
#include "arch/smp/waiting.hpp"

#include "arch/apic/interprocessor.hpp"
#include "arch/cpu/area.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/trap/interrupts.hpp"
#include "proc/port.hpp"

#include <atomic>

namespace arch {

namespace {

using Function = void (*)();

constinit std::array<std::atomic<Function>, vm::port::cpu_limit> functions{};
constinit std::atomic<bool> released{false};

constexpr std::uint64_t patience = 10'000'000'000; // nanoseconds

} // namespace

void wait_for_work() {
    std::atomic<Function>& mine = functions[this_cpu().number];
    while (!released.load()) {
        if (const Function function = mine.load(); function != nullptr) {
            function();
            mine.store(nullptr);
        } else {
            halt_until_interrupt();
        }
    }
    proc::run_cpu();
}

void begin_on(unsigned cpu, void (*function)()) {
    functions[cpu].store(function);
    send_interrupt(cpu, vector_reschedule);
}

bool run_on(unsigned cpu, void (*function)()) {
    begin_on(cpu, function);
    const std::uint64_t start = proc::port::now();
    while (functions[cpu].load() != nullptr) {
        if (proc::port::now() - start > patience) return false;
        vm::port::spin_wait();
    }
    return true;
}

void release_cpus() {
    released.store(true);
    for (unsigned cpu = 1; cpu < cpu_count(); ++cpu) send_interrupt(cpu, vector_reschedule);
}

} // namespace arch
