// SPDX-License-Identifier: MIT
// Every CPU that was started: its registers, its area and stacks, interrupts to it, its time.
#include "arch/apic/interprocessor.hpp"
#include "arch/boot/paging.hpp"
#include "arch/cpu/area.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/ktest/ktest.hpp"
#include "arch/smp/waiting.hpp"
#include "arch/trap/interrupts.hpp"
#include "proc/port.hpp"
#include "vm/heap.hpp"

#include <atomic>

namespace arch::ktest {
namespace {

constexpr std::uint64_t patience = 5'000'000'000; // nanoseconds

/// Waits until `done()`.
template <typename Condition>
bool in_time(Condition done) {
    const std::uint64_t start = proc::port::now();
    while (!done()) {
        if (proc::port::now() - start > patience) return false;
        asm volatile("pause");
    }
    return true;
}

std::uint64_t read_pat() { return read_msr(Msr{0x277}); }

/// What must be the same on all CPUs, and what must not.
struct State {
    std::uint64_t cr0, cr3, cr4, efer, pat, star, lstar, fmask, xcr0;
    const CpuArea* area;
    unsigned number;
    std::uint64_t stack;
    std::uint64_t gdt;
    std::uint16_t task;
};
constinit State seen{};

void look() {
    struct [[gnu::packed]] {
        std::uint16_t limit;
        std::uint64_t base;
    } gdt{};
    asm volatile("sgdt %0" : "=m"(gdt));
    State state{};
    state.cr0 = read_cr0();
    state.cr3 = read_cr3();
    state.cr4 = read_cr4();
    state.efer = read_msr(Msr::efer);
    state.pat = read_pat();
    state.star = read_msr(Msr::star);
    state.lstar = read_msr(Msr::lstar);
    state.fmask = read_msr(Msr::fmask);
    constexpr std::uint64_t cr4_xsave = 1ULL << 18;
    if ((state.cr4 & cr4_xsave) != 0) {
        std::uint32_t low = 0;
        asm volatile("xgetbv" : "=a"(low) : "c"(0) : "rdx");
        state.xcr0 = low;
    }
    state.area = &this_cpu();
    state.number = vm::port::cpu();
    state.stack = reinterpret_cast<std::uint64_t>(__builtin_frame_address(0));
    state.gdt = gdt.base;
    asm volatile("str %0" : "=r"(state.task));
    seen = state;
}

bool on_own_stack(const State& state) {
    const std::uint64_t top = state.area->kernel_stack + 8;
    return state.stack < top && state.stack >= top - vm::kernel_stack_bytes;
}

KERNEL_TEST(cpu_registers, "every CPU is set up as the boot CPU is") {
    look();
    const State boot = seen;
    EXPECT(cpu_count() >= 1 && boot.number == 0, "the boot CPU is not number 0");
    for (unsigned cpu = 1; cpu < cpu_count(); ++cpu) {
        EXPECT(run_on(cpu, look), "it does not run");
        EXPECT(seen.cr0 == boot.cr0, "CR0");
        EXPECT(seen.cr3 == boot.cr3 && seen.cr3 == kernel_root().value, "CR3");
        EXPECT(seen.cr4 == boot.cr4, "CR4");
        EXPECT(seen.efer == boot.efer && seen.pat == boot.pat, "EFER or PAT");
        EXPECT(seen.star == boot.star && seen.lstar == boot.lstar && seen.fmask == boot.fmask,
               "system calls");
        EXPECT(seen.xcr0 == boot.xcr0, "XCR0");
    }
    return Verdict::passed();
}

KERNEL_TEST(cpu_own, "every CPU has an area, descriptors and stacks of its own") {
    for (unsigned cpu = 0; cpu < cpu_count(); ++cpu) {
        if (cpu == 0) {
            look();
        } else {
            EXPECT(run_on(cpu, look), "it does not run");
        }
        const CpuArea& area = *cpu_areas[cpu];
        EXPECT(seen.area == &area && area.self == &area && area.number == cpu, "the area");
        EXPECT(seen.number == cpu, "the number");
        // What the boot CPU runs on, other tests change.
        EXPECT(cpu == 0 || on_own_stack(seen), "the stack");
        EXPECT(seen.gdt == reinterpret_cast<std::uint64_t>(&area.descriptors), "the GDT");
        EXPECT(seen.task == SELECTOR_TASK, "the TSS");
        for (unsigned other = 0; other < cpu; ++other) {
            EXPECT(cpu_areas[other]->apic_id != area.apic_id, "the local APIC");
            EXPECT(cpu_areas[other]->task_state.ist[0] != area.task_state.ist[0], "a stack");
        }
    }
    return Verdict::passed();
}

using Counter = std::uint64_t CpuArea::*;

std::uint64_t count_of(unsigned cpu, Counter counter) {
    return std::atomic_ref(cpu_areas[cpu]->*counter).load();
}

std::uint64_t total(Counter counter) {
    std::uint64_t sum = 0;
    for (unsigned cpu = 0; cpu < cpu_count(); ++cpu) sum += count_of(cpu, counter);
    return sum;
}

/// Whether what `send` does arrives at that CPU once, and nowhere else.
template <typename Send>
bool arrives(unsigned cpu, Counter counter, Send send) {
    const std::uint64_t all = total(counter);
    const std::uint64_t before = count_of(cpu, counter);
    send();
    return in_time([&] { return count_of(cpu, counter) == before + 1; }) &&
           total(counter) == all + 1;
}

KERNEL_TEST(cpu_interrupts, "interrupts and NMIs reach the CPU that they are sent to") {
    // The boot CPU keeps interrupts off here, but for NMIs.
    for (unsigned cpu = 0; cpu < cpu_count(); ++cpu) {
        EXPECT(arrives(cpu, &CpuArea::nmis, [=] { send_nmi(cpu); }), "NMI");
        if (cpu == 0) continue;
        EXPECT(arrives(cpu, &CpuArea::flush_requests, [=] { send_interrupt(cpu, vector_flush); }),
               "flush");
        EXPECT(arrives(cpu, &CpuArea::reschedules, [=] { send_interrupt(cpu, vector_reschedule); }),
               "reschedule");
    }
    return Verdict::passed();
}

/// A time that goes round: 0 asks, anything else answers.
constinit std::atomic<std::uint64_t> asked{0};
constinit std::atomic<std::uint64_t> answered{0};
constexpr unsigned rounds = 200;

void answer_times() {
    for (unsigned round = 0; round < rounds; ++round) {
        std::uint64_t time = 0;
        if (!in_time([&] { return (time = asked.exchange(0)) != 0; })) return;
        const std::uint64_t mine = proc::port::now();
        answered.store(mine >= time ? mine : 1);
    }
}

/// Whether time that is told from CPU to CPU and back never goes backwards.
bool time_agrees(unsigned cpu) {
    asked.store(0);
    answered.store(0);
    begin_on(cpu, answer_times);
    for (unsigned round = 0; round < rounds; ++round) {
        asked.store(proc::port::now());
        std::uint64_t time = 0;
        if (!in_time([&] { return (time = answered.exchange(0)) != 0; })) return false;
        if (time == 1 || proc::port::now() < time) return false;
    }
    return true;
}

KERNEL_TEST(cpu_time, "time does not go back from CPU to CPU") {
    for (unsigned cpu = 1; cpu < cpu_count(); ++cpu) EXPECT(time_agrees(cpu), "it does");
    return Verdict::passed();
}

} // namespace
} // namespace arch::ktest
