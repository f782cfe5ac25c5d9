// SPDX-License-Identifier: MIT
// Switching: what the scheduler does with the CPU that it runs on.
#pragma once

#include "proc/processor.hpp"
#include "proc/scheduler.hpp"

namespace proc {

/// The alarm rings at `time` or earlier.
inline void need_alarm(Processor& cpu, std::uint64_t time) {
    if (time >= cpu.alarm) [[likely]]
        return;
    cpu.alarm = time;
    port::set_alarm(time);
}
/// Lets go of a thread that was switched away from otherwise than to wait.
void see_off(Thread& previous, Leaving leaving);

/// First thing that a thread does on its CPU, whether it comes back or is new: lets go of the one
/// that was switched away from.
[[gnu::always_inline]] inline void finish_switch(const Thread& self) {
    Processor& cpu = processors[self.cpu];
    Thread& previous = *cpu.previous;
    previous.on_cpu.store(false, std::memory_order_release); // it may run elsewhere at once
    if (cpu.leaving != Leaving::waits) [[unlikely]]
        see_off(previous, std::exchange(cpu.leaving, Leaving::waits));
    if (processor_count() > 1 && !cpu.ready.empty()) rouse_idle_processor();
    if (self.killed() || self.unsettled) [[unlikely]]
        port::request_user_return_work();
}

/// Goes on with `next`, another thread that is in no queue; returns when somebody switches back,
/// perhaps on another CPU.
[[gnu::always_inline]] inline void switch_to(Processor& cpu, Thread& self, Thread& next) {
    next.state.store(RunState::running, std::memory_order_relaxed);
    next.on_cpu.store(true, std::memory_order_relaxed);
    cpu.previous = &self;
    port::switch_thread(self.machine, next.machine, next.space());
    finish_switch(self);
}

/// As make_ready and block, but switches to the claimed thread at once where nothing more urgent is
/// ready: the rest of the time slice goes with it, and no queue is written.
[[gnu::always_inline]] inline Result<void> hand_over(Thread& self, Thread& thread) {
    const unsigned number = self.cpu;
    Processor& cpu = processors[number];
    // Where it ran last it may run, unless that changed.
    const bool allowed =
        (thread.cpu == number && !thread.unsettled) || thread.affinity.contains(number);
    if (allowed && !thread.on_cpu.load(std::memory_order_acquire)) [[likely]] {
        cpu.lock.lock();
        const bool first = !cpu.ready.has_above(thread.priority);
        if (first) cpu.running = &thread;
        cpu.lock.unlock();
        if (first) [[likely]] {
            thread.cpu = number;
            switch_to(cpu, self, thread);
            return self.wake_error;
        }
    }
    make_ready(thread);
    return block(self);
}

/// Takes the next thread to run out of the queue, or the idle thread; `contended` tells whether
/// others want its turn. Under the queue's lock.
inline Thread& pick(Processor& cpu, bool& contended) {
    Thread* next = cpu.ready.pop();
    if (next == nullptr) next = cpu.idle;
    contended = next != cpu.idle && cpu.ready.highest() >= int{next->priority};
    cpu.running = next;
    return *next;
}
/// Runs `next` with a new time slice. The alarm ends it only if somebody waits for its end: else
/// nothing rings.
[[gnu::always_inline]] inline void run(Processor& cpu, Thread& self, Thread& next, bool contended) {
    cpu.give_way = false;
    cpu.slice_end = port::now() + time_slice;
    if (contended) need_alarm(cpu, cpu.slice_end);
    if (&next == &self) [[unlikely]] {
        next.state.store(RunState::running, std::memory_order_relaxed);
    } else {
        switch_to(cpu, self, next);
    }
}
/// Runs what is first in the queue.
[[gnu::always_inline]] inline void run_next_of(Processor& cpu, Thread& self) {
    bool contended = false;
    cpu.lock.lock();
    Thread& next = pick(cpu, contended);
    cpu.lock.unlock();
    run(cpu, self, next, contended);
}
/// The same, for where it is seldom done.
void run_next(Processor& cpu, Thread& self);

} // namespace proc
