// SPDX-License-Identifier: MIT
// One CPU's way from thread to thread.
#include "proc/switching.hpp"

#include "proc/process.hpp"

namespace proc {

namespace {

/// Frees what a thread left that could not free its own stack.
void reap(Thread& thread) {
    thread.free_machine_state();
    const Ref<Thread> last = Ref<Thread>::adopt(thread); // its own, see Thread::launch
    thread.process()->reap_thread(thread, thread.code);
}

} // namespace

void need_alarm(Processor& cpu, std::uint64_t time) {
    if (time >= cpu.alarm) return;
    cpu.alarm = time;
    port::set_alarm(time);
}

void finish_switch() {
    Processor& cpu = here();
    Thread& previous = *cpu.previous;
    const Leaving leaving = std::exchange(cpu.leaving, Leaving::waits);
    previous.on_cpu.store(false, std::memory_order_release); // it may run elsewhere at once
    if (leaving != Leaving::waits) [[unlikely]] {
        if (leaving == Leaving::ends) {
            reap(previous);
        } else {
            make_ready(previous);
        }
    }
    if (processor_count() > 1 && !cpu.ready.empty()) rouse_idle_processor();
    const Thread& self = port::current_thread();
    if (self.killed() || self.unsettled) [[unlikely]]
        port::request_user_return_work();
}

void switch_to(Processor& cpu, Thread& next, std::uint64_t now) {
    Thread& previous = port::current_thread();
    next.state.store(RunState::running, std::memory_order_relaxed);
    if (&next == &previous) return;
    previous.time += now - previous.running_since;
    next.running_since = now;
    next.on_cpu.store(true, std::memory_order_relaxed);
    cpu.previous = &previous;
    port::set_current_thread(next);
    port::switch_thread(previous.machine, next.machine, next.space());
    finish_switch();
}

Thread& pick(Processor& cpu, bool& contended) {
    Thread* next = cpu.ready.pop();
    if (next == nullptr) next = cpu.idle;
    contended = next != cpu.idle && cpu.ready.highest() >= int{next->priority};
    cpu.running = next;
    return *next;
}

void run(Processor& cpu, Thread& next, bool contended) {
    const std::uint64_t now = port::now();
    cpu.give_way = false;
    cpu.slice_end = now + time_slice;
    if (contended) need_alarm(cpu, cpu.slice_end);
    switch_to(cpu, next, now);
}

void run_next(Processor& cpu) {
    bool contended = false;
    cpu.lock.lock();
    Thread& next = pick(cpu, contended);
    cpu.lock.unlock();
    run(cpu, next, contended);
}

Result<void> start_cpu() {
    Thread& idle = *TRY(Thread::create_idle());
    idle.cpu = vm::port::cpu();
    idle.state.store(RunState::running);
    idle.on_cpu.store(true);
    idle.running_since = port::now();
    port::set_current_thread(idle);
    open_processor(idle);
    return {};
}

void run_idle() {
    Processor& cpu = here();
    for (;;) {
        if (!cpu.ready.empty()) {
            run_next(cpu);
            continue;
        }
        // Known to be idle first: a thread that becomes ready after the look is told of.
        set_idle(cpu, true);
        Thread* const stolen = steal(cpu);
        if (stolen == nullptr && cpu.ready.empty()) port::wait_for_interrupt();
        set_idle(cpu, false);
        if (stolen == nullptr) continue;
        cpu.lock.lock();
        cpu.running = stolen;
        cpu.lock.unlock();
        run(cpu, *stolen, !cpu.ready.empty());
    }
}

} // namespace proc
