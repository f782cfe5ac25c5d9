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

void see_off(Thread& previous, Leaving leaving) {
    if (leaving == Leaving::ends) {
        reap(previous);
    } else {
        make_ready(previous);
    }
}

Result<void> block(Thread& self) {
    run_next_of(processors[self.cpu], self);
    return self.wake_error;
}

void run_next(Processor& cpu, Thread& self) { run_next_of(cpu, self); }

Result<void> start_cpu() {
    Thread& idle = *TRY(Thread::create_idle());
    idle.cpu = vm::port::cpu();
    idle.state.store(RunState::running);
    idle.on_cpu.store(true);
    port::become_thread(idle, idle.machine);
    open_processor(idle);
    return {};
}

void run_idle() {
    Processor& cpu = here();
    Thread& self = port::current_thread();
    for (;;) {
        if (!cpu.ready.empty()) {
            run_next(cpu, self);
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
        run(cpu, self, *stolen, !cpu.ready.empty());
    }
}

} // namespace proc
