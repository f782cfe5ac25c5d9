// SPDX-License-Identifier: MIT
// Placing, stealing, and the set of idle CPUs.
#include "proc/processor.hpp"

#include <memory>

namespace proc {

constinit Processor processors[vm::port::cpu_limit];
constinit std::atomic<unsigned> open_processors{0};

namespace {

constinit vm::CpuSet open;      ///< CPUs that run threads
constinit vm::CpuSet idle_ones; ///< of these, those that are about to halt, or have

constexpr unsigned nobody = vm::port::cpu_limit;

/// The first CPU of `set` that may run the thread.
unsigned first_allowed(const vm::CpuSet& set, const Thread& thread) {
    unsigned found = nobody;
    set.for_each([&](unsigned cpu) {
        if (found == nobody && thread.affinity.contains(cpu)) found = cpu;
    });
    return found;
}

} // namespace

void reset_processors() {
    open.clear();
    idle_ones.clear();
    open_processors.store(0);
}

void open_processor(Thread& idle) {
    const unsigned number = vm::port::cpu();
    Processor& cpu = *std::construct_at(&processors[number]);
    cpu.number = number;
    cpu.idle = &idle;
    cpu.running = &idle;
    open.add(number);
    open_processors.fetch_add(1);
}

bool any_processor_of(const vm::CpuSet& cpus) {
    bool found = false;
    cpus.for_each([&](unsigned cpu) { found = found || open.contains(cpu); });
    return found;
}

unsigned place(const Thread& thread) {
    const unsigned home = thread.cpu;
    if (processor_count() == 1) return home;
    // While its stack is in use only the CPU that uses it can go on with it.
    if (thread.on_cpu.load(std::memory_order_acquire)) return home;
    const bool allowed = thread.affinity.contains(home) && open.contains(home);
    if (allowed && idle_ones.contains(home)) return home;
    const unsigned idle = first_allowed(idle_ones, thread);
    if (idle != nobody) return idle;
    if (allowed) return home;
    const unsigned busy = first_allowed(open, thread);
    return busy != nobody ? busy : home;
}

void set_idle(Processor& cpu, bool idle) {
    if (processor_count() == 1) return;
    if (idle) {
        idle_ones.add(cpu.number);
    } else {
        idle_ones.remove(cpu.number);
    }
}

void rouse_idle_processor() {
    unsigned found = nobody;
    idle_ones.for_each([&](unsigned cpu) { found = found == nobody ? cpu : found; });
    if (found != nobody && found != vm::port::cpu()) port::send_reschedule(found);
}

Thread* steal(Processor& thief) {
    if (processor_count() == 1) return nullptr;
    Thread* taken = nullptr;
    open.for_each([&](unsigned number) {
        Processor& victim = processors[number];
        if (taken != nullptr || &victim == &thief || victim.ready.empty()) return;
        const vm::Guard guard(victim.lock);
        taken = victim.ready.take_first([&](const Thread& thread) {
            return !thread.on_cpu.load(std::memory_order_acquire) &&
                   thread.affinity.contains(thief.number);
        });
        if (taken != nullptr) taken->cpu = thief.number;
    });
    return taken;
}

} // namespace proc
