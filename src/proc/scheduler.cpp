// SPDX-License-Identifier: MIT
// The scheduler: giving way, waiting, waking, priorities, affinity, what interrupts do.
#include "proc/scheduler.hpp"

#include "proc/process.hpp"
#include "proc/switching.hpp"

namespace proc {
namespace {

/// Puts the running thread back into the queue and runs the next one, if there is one as urgent.
void give_way(Processor& cpu, Thread& self, bool slice_over) {
    Thread* next = nullptr;
    bool contended = true;
    {
        const vm::Guard guard(cpu.lock);
        const int highest = cpu.ready.highest();
        if (highest < int{self.priority}) return;
        if (highest == int{self.priority} && !slice_over) {
            need_alarm(cpu, cpu.slice_end);
            return;
        }
        self.state.store(RunState::ready, std::memory_order_relaxed);
        if (highest == int{self.priority}) {
            next = cpu.ready.rotate(self);
            cpu.running = next;
        } else {
            // A turn that is not over goes on when the more urgent ones are done.
            if (slice_over) {
                cpu.ready.push_back(self);
            } else {
                cpu.ready.push_front(self);
            }
            next = &pick(cpu, contended);
        }
    }
    run(cpu, self, *next, contended);
}

/// Leaves this CPU for one that may run the thread.
void depart(Processor& cpu, Thread& self) {
    self.state.store(RunState::ready, std::memory_order_relaxed);
    cpu.leaving = Leaving::departs;
    run_next(cpu, self);
}

/// After a change of affinity: whether the thread may go on here.
bool settle(Thread& self, const Processor& cpu) {
    self.unsettled = false; // before the look: a change after it sets it again
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return self.affinity.contains(cpu.number);
}

/// What an interrupt does when a thread of `priority` waits in this CPU's queue.
void consider(Processor& cpu, int priority) {
    const Thread& self = port::current_thread();
    if (&self == cpu.idle) return; // the idle loop looks after every interrupt
    if (priority > int{self.priority}) {
        cpu.give_way = true;
        port::request_user_return_work();
    } else if (priority == int{self.priority}) {
        need_alarm(cpu, cpu.slice_end);
    }
}

/// Has a CPU compare what it runs with what waits.
void look_again(unsigned cpu) {
    if (cpu != vm::port::cpu()) return port::send_reschedule(cpu);
    here().give_way = true;
    port::request_user_return_work();
}

constexpr std::uint32_t killed_code = static_cast<std::uint32_t>(abi::status_killed);

} // namespace

void make_ready(Thread& thread) {
    const unsigned number = processor_count() == 1 ? unsigned{thread.cpu} : place(thread);
    Processor& cpu = processors[number];
    thread.state.store(RunState::ready, std::memory_order_relaxed);
    thread.cpu = number;
    const int priority = thread.priority;
    bool idle = false;
    bool urgent = false;
    {
        const vm::Guard guard(cpu.lock);
        cpu.ready.push_back(thread);
        idle = cpu.running == cpu.idle;
        urgent = idle || priority >= int{cpu.running->priority};
    }
    // From here on the thread may run, and be gone.
    if (number == vm::port::cpu()) {
        consider(cpu, priority);
    } else if (urgent) {
        port::send_reschedule(number);
    }
    if (!idle && processor_count() > 1) rouse_idle_processor();
}

bool wake(Thread& thread, Error error) {
    if (!claim(thread, error)) return false;
    make_ready(thread);
    return true;
}

void yield() {
    Thread& self = port::current_thread();
    Processor& cpu = processors[self.cpu];
    cpu.lock.lock();
    if (!cpu.ready.highest_is(self.priority)) [[unlikely]] {
        cpu.lock.unlock();
        return give_way(cpu, self, true);
    }
    self.state.store(RunState::ready, std::memory_order_relaxed);
    Thread* const next = cpu.ready.rotate(self);
    cpu.running = next;
    cpu.lock.unlock();
    run(cpu, self, *next, true);
}

void scheduling_point() {
    Processor& cpu = here();
    const bool slice_over = port::now() >= cpu.slice_end;
    if (slice_over || cpu.give_way) give_way(cpu, port::current_thread(), slice_over);
}

void exit_thread(std::uint32_t code) {
    Thread& self = port::current_thread();
    self.code = code;
    self.refuse_call();
    self.state.store(RunState::ended);
    Processor& cpu = here();
    cpu.leaving = Leaving::ends;
    run_next(cpu, self);
    vm::port::panic("an ended thread ran again");
}

void exit_process(std::uint32_t status) {
    current_process().end(status);
    exit_thread(status);
}

unsigned set_priority(Thread& thread, unsigned priority) {
    for (;;) {
        const unsigned number = thread.cpu;
        Processor& cpu = processors[number];
        unsigned old = 0;
        {
            const vm::Guard guard(cpu.lock);
            if (thread.cpu != number) continue; // it went to another CPU meanwhile
            old = thread.priority;
            const bool queued = cpu.ready.contains(thread);
            if (queued) cpu.ready.remove(thread);
            thread.priority = static_cast<std::uint8_t>(priority);
            if (queued) cpu.ready.push_back(thread);
        }
        // Either may now be the more urgent one; before_user_return finds out.
        look_again(number);
        return old;
    }
}

void set_affinity(Thread& thread, const vm::CpuSet& cpus) {
    thread.affinity.assign(cpus);
    thread.unsettled = true;
    const unsigned number = thread.cpu;
    Processor& cpu = processors[number];
    bool queued = false;
    {
        const vm::Guard guard(cpu.lock);
        queued = cpu.ready.contains(thread) && !cpus.contains(number) &&
                 !thread.on_cpu.load(std::memory_order_acquire);
        if (queued) cpu.ready.remove(thread);
    }
    if (queued) {
        make_ready(thread);
    } else {
        look_again(number); // if it runs there, it leaves on its way to user mode
    }
}

std::uint64_t time_of(const Thread& thread) {
    return port::time_run(thread.machine, thread.on_cpu.load(), thread.cpu);
}

Result<void> sleep(std::uint64_t nanoseconds) {
    Thread& self = port::current_thread();
    Processor& cpu = here();
    const std::uint64_t now = port::now();
    self.wake_time = nanoseconds < never - now ? now + nanoseconds : never - 1;
    cpu.sleepers.insert(self);
    need_alarm(cpu, self.wake_time);
    Result<void> result = block(self);
    cpu.sleepers.remove(self);
    return result;
}

void handle_timer() {
    Processor& cpu = here();
    const std::uint64_t now = port::now();
    cpu.alarm = never;
    cpu.sleepers.wake_until(now);
    const Thread& self = port::current_thread();
    if (&self != cpu.idle) {
        cpu.lock.lock();
        const bool contended = cpu.ready.highest() >= int{self.priority};
        cpu.lock.unlock();
        if (contended && now < cpu.slice_end) need_alarm(cpu, cpu.slice_end);
        if (contended && now >= cpu.slice_end) port::request_user_return_work();
    }
    need_alarm(cpu, cpu.sleepers.first());
}

void handle_reschedule() {
    Processor& cpu = here();
    const Thread& self = port::current_thread();
    if (self.killed() || self.unsettled) port::request_user_return_work();
    cpu.lock.lock();
    const int highest = cpu.ready.highest();
    cpu.lock.unlock();
    consider(cpu, highest);
}

void thread_started() {
    Thread& self = port::current_thread();
    finish_switch(self);
    if (self.killed()) exit_thread(killed_code);
}

void before_user_return() {
    Thread& self = port::current_thread();
    if (self.killed()) exit_thread(killed_code);
    Processor& cpu = here();
    cpu.give_way = false;
    if (!self.unsettled || settle(self, cpu)) [[likely]] {
        give_way(cpu, self, port::now() >= cpu.slice_end);
    } else {
        depart(cpu, self);
    }
    if (self.killed()) exit_thread(killed_code);
}

} // namespace proc
