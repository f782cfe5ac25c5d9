// SPDX-License-Identifier: MIT
// The scheduler: picking, switching, waking, time slices, the alarm.
#include "proc/scheduler.hpp"

#include "proc/process.hpp"
#include "proc/processor.hpp"

namespace proc {
namespace {

/// The alarm rings at `time` or earlier.
void need_alarm(Processor& cpu, std::uint64_t time) {
    if (time >= cpu.alarm) return;
    cpu.alarm = time;
    port::set_alarm(time);
}

/// Frees what a thread left that could not free its own stack.
void reap(Thread& thread) {
    thread.free_machine_state();
    const Ref<Thread> last = Ref<Thread>::adopt(thread); // its own, see Thread::launch
    thread.process()->reap_thread(thread, thread.code);
}

/// First thing that a thread does on its CPU, whether it comes back or is new: lets go of the one
/// that was switched away from.
void finish_switch() {
    Processor& cpu = here();
    Thread& previous = *cpu.previous;
    // Whether it ends is looked at first: let go of, it may run elsewhere at once.
    const bool ended = previous.state.load(std::memory_order_relaxed) == RunState::ended;
    const bool departs = std::exchange(cpu.departing, false);
    previous.on_cpu.store(false, std::memory_order_release);
    if (ended) [[unlikely]]
        reap(previous);
    if (departs) [[unlikely]]
        make_ready(previous);
    if (!cpu.ready.empty() && processor_count() > 1) rouse_idle_processor();
    const Thread& self = port::current_thread();
    if (self.killed() || !self.affinity.contains(cpu.number)) [[unlikely]]
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

/// Takes the next thread to run out of the queue, or the idle thread; `contended` tells whether
/// others want its turn. Under the queue's lock.
Thread& pick(Processor& cpu, bool& contended) {
    Thread* next = cpu.ready.pop();
    if (next == nullptr) next = cpu.idle;
    contended = next != cpu.idle && cpu.ready.highest() >= int{next->priority};
    cpu.running = next;
    return *next;
}

/// Runs `next` with a new time slice. The alarm ends it only if somebody waits for its end: else
/// nothing rings.
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

/// Puts the running thread back into the queue and runs the next one, if there is one as urgent.
void give_way(Processor& cpu, bool slice_over) {
    Thread& self = port::current_thread();
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
    run(cpu, *next, contended);
}

/// Leaves this CPU for one that may run the thread.
void depart(Processor& cpu) {
    port::current_thread().state.store(RunState::ready, std::memory_order_relaxed);
    cpu.departing = true;
    run_next(cpu);
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

/// What `block` and its like return to who was woken.
Result<void> wake_result() {
    const Error error = port::current_thread().wake_error;
    return error == Error{} ? Result<void>() : Result<void>(error);
}

/// Has a CPU compare what it runs with what waits.
void look_again(unsigned cpu) {
    if (cpu != vm::port::cpu()) return port::send_reschedule(cpu);
    here().give_way = true;
    port::request_user_return_work();
}

constexpr std::uint32_t killed_code = static_cast<std::uint32_t>(abi::status_killed);

} // namespace

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

void prepare_to_block() {
    Thread& self = port::current_thread();
    self.wake_error = {};
    self.state.store(RunState::blocked); // before the look at the mark: see Process::end
    if (self.killed()) [[unlikely]]
        wake(self, Error::interrupted);
}

Result<void> block() {
    run_next(here());
    return wake_result();
}

bool claim(Thread& thread, Error error) {
    RunState expected = RunState::blocked;
    if (!thread.state.compare_exchange_strong(expected, RunState::ready)) return false;
    thread.wake_error = error;
    return true;
}

void make_ready(Thread& thread) {
    const unsigned number = place(thread);
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

Result<void> hand_over(Thread& thread) {
    Processor& cpu = here();
    if (!thread.on_cpu.load(std::memory_order_acquire) && thread.affinity.contains(cpu.number)) {
        cpu.lock.lock();
        const bool first = cpu.ready.highest() <= int{thread.priority};
        if (first) cpu.running = &thread;
        cpu.lock.unlock();
        if (first) {
            thread.cpu = cpu.number;
            switch_to(cpu, thread, port::now());
            return wake_result();
        }
    }
    make_ready(thread);
    return block();
}

void yield() { give_way(here(), true); }

void scheduling_point() {
    Processor& cpu = here();
    const bool slice_over = port::now() >= cpu.slice_end;
    if (slice_over || cpu.give_way) give_way(cpu, slice_over);
}

void exit_thread(std::uint32_t code) {
    Thread& self = port::current_thread();
    self.code = code;
    self.state.store(RunState::ended);
    run_next(here());
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
    const std::uint64_t now = port::now();
    const std::uint64_t since = thread.running_since;
    return thread.time + (thread.on_cpu.load() && now > since ? now - since : 0);
}

Result<void> sleep(std::uint64_t nanoseconds) {
    Thread& self = port::current_thread();
    Processor& cpu = here();
    const std::uint64_t now = port::now();
    self.wake_time = nanoseconds < never - now ? now + nanoseconds : never - 1;
    cpu.sleepers.insert(self, prepare_to_block);
    need_alarm(cpu, self.wake_time);
    Result<void> result = block();
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
    if (self.killed() || !self.affinity.contains(cpu.number)) port::request_user_return_work();
    cpu.lock.lock();
    const int highest = cpu.ready.highest();
    cpu.lock.unlock();
    consider(cpu, highest);
}

void thread_started() {
    finish_switch();
    if (port::current_thread().killed()) exit_thread(killed_code);
}

void before_user_return() {
    Thread& self = port::current_thread();
    if (self.killed()) exit_thread(killed_code);
    Processor& cpu = here();
    cpu.give_way = false;
    if (self.affinity.contains(cpu.number)) [[likely]] {
        give_way(cpu, port::now() >= cpu.slice_end);
    } else {
        depart(cpu);
    }
    if (self.killed()) exit_thread(killed_code);
}

} // namespace proc
