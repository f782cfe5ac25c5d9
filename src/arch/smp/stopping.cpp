// SPDX-License-Identifier: MIT
// Stopping the other CPUs for a while.
//
//   who wants to be alone: takes the round ─► interrupts the others ─► waits until all have come
//                          ─► works ─► ends the round
//   the others:            come by an interrupt, or because they want to be alone too ─► stay
#include "arch/smp/stopping.hpp"

#include "arch/apic/interprocessor.hpp"
#include "arch/cpu/area.hpp"
#include "arch/trap/interrupts.hpp"
#include "proc/port.hpp"

#include <array>
#include <atomic>

namespace arch {

namespace {

/// Under way; 0: none. Each has a number of its own, so that who is late in leaving one is not
/// counted for the next.
constinit std::atomic<std::uint64_t> round{0};
constinit std::atomic<std::uint64_t> last_round{0};
/// By CPU: the round for which it stays.
constinit std::array<std::atomic<std::uint64_t>, vm::port::cpu_limit> stays{};

void take_round() {
    const std::uint64_t mine = last_round.fetch_add(1) + 1;
    for (std::uint64_t none = 0; !round.compare_exchange_strong(none, mine); none = 0)
        stay_stopped();
}

} // namespace

void stay_stopped() {
    const std::uint64_t now = round.load();
    if (now == 0) return;
    stays[this_cpu().number].store(now);
    while (round.load() == now) vm::port::spin_wait();
}

} // namespace arch

namespace proc::port {

void alone(void (*work)()) {
    using namespace arch;
    take_round();
    const unsigned self = vm::port::cpu();
    for (unsigned cpu = 0; cpu < cpu_count(); ++cpu)
        if (cpu != self) send_interrupt(cpu, vector_reschedule);
    for (unsigned cpu = 0; cpu < cpu_count(); ++cpu)
        while (cpu != self && stays[cpu].load() != round.load()) vm::port::spin_wait();
    work();
    round.store(0);
}

} // namespace proc::port
