// SPDX-License-Identifier: MIT
// The scheduler: picking, switching, waking, time slices, the alarm.
#include "proc/scheduler.hpp"

#include "proc/process.hpp"
#include "proc/run_queue.hpp"
#include "proc/sleep_queue.hpp"
#include "vm/lock.hpp"

namespace proc {
namespace {

constexpr std::uint64_t never = ~0ULL;

/// What one CPU schedules with. All but the two queues is touched by the CPU itself only.
struct alignas(64) Processor {
    vm::Guarded<RunQueue, vm::Rank::run_queue> ready; ///< other CPUs' wakers push here
    SleepQueue sleepers;
    Thread* idle = nullptr;
    Thread* ended = nullptr;       ///< switched away from for ever, to be reaped by its successor
    std::uint64_t switched_at = 0; ///< when the running thread began to run
    std::uint64_t slice_end = 0;
    std::uint64_t alarm = never; ///< what the alarm is set to
    bool give_way = false;       ///< something more urgent became ready
};

constinit Processor processors[vm::port::cpu_limit];

Processor& here() { return processors[vm::port::cpu()]; }

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

/// First thing that a thread does on its CPU, whether it comes back or is new.
void finish_switch() {
    Processor& cpu = here();
    if (Thread* ended = std::exchange(cpu.ended, nullptr); ended != nullptr) [[unlikely]]
        reap(*ended);
    if (port::current_thread().killed()) [[unlikely]]
        port::request_user_return_work();
}

void switch_to(Processor& cpu, Thread& next, std::uint64_t now) {
    Thread& previous = port::current_thread();
    next.state.store(RunState::running, std::memory_order_relaxed);
    if (&next == &previous) return;
    previous.time += now - cpu.switched_at;
    cpu.switched_at = now;
    port::set_current_thread(next);
    port::switch_thread(previous.machine, next.machine, next.space());
    finish_switch();
}

/// Takes the next thread to run out of the queue; `contended` tells whether others want its turn.
Thread* pick(RunQueue& ready, bool& contended) {
    Thread* next = ready.pop();
    contended = next != nullptr && ready.highest() >= int{next->priority};
    return next;
}

/// Runs `next`, or the idle thread, with a new time slice. The alarm ends it only if somebody
/// waits for its end: else nothing rings.
void run(Processor& cpu, Thread* next, bool contended) {
    const std::uint64_t now = port::now();
    cpu.give_way = false;
    cpu.slice_end = now + time_slice;
    if (contended) need_alarm(cpu, cpu.slice_end);
    switch_to(cpu, next != nullptr ? *next : *cpu.idle, now);
}

void run_next(Processor& cpu) {
    bool contended = false;
    Thread* next = pick(*cpu.ready.lock(), contended);
    run(cpu, next, contended);
}

/// Puts the running thread back into the queue and runs the next one, if there is one as urgent.
void give_way(Processor& cpu, bool slice_over) {
    Thread& self = port::current_thread();
    Thread* next = nullptr;
    bool contended = true;
    {
        auto ready = cpu.ready.lock();
        const int highest = ready->highest();
        if (highest < int{self.priority}) return;
        if (highest == int{self.priority} && !slice_over) {
            need_alarm(cpu, cpu.slice_end);
            return;
        }
        self.state.store(RunState::ready, std::memory_order_relaxed);
        if (highest == int{self.priority}) {
            next = &ready->rotate(self);
        } else {
            // A turn that is not over goes on when the more urgent ones are done.
            if (slice_over) {
                ready->push_back(self);
            } else {
                ready->push_front(self);
            }
            next = pick(*ready, contended);
        }
    }
    run(cpu, next, contended);
}

/// What `block` and its like return to who was woken.
Result<void> wake_result() {
    const Error error = port::current_thread().wake_error;
    return error == Error{} ? Result<void>() : Result<void>(error);
}

constexpr std::uint32_t killed_code = static_cast<std::uint32_t>(abi::status_killed);

} // namespace

Result<void> start_cpu() {
    Processor& cpu = *std::construct_at(&here());
    cpu.idle = TRY(Thread::create_idle());
    cpu.idle->cpu = vm::port::cpu();
    cpu.idle->state.store(RunState::running);
    cpu.switched_at = port::now();
    port::set_current_thread(*cpu.idle);
    return {};
}

void run_ready_threads() {
    Processor& cpu = here();
    for (;;) {
        if (cpu.ready.lock()->empty()) return;
        run_next(cpu);
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
    Processor& cpu = processors[thread.cpu];
    thread.state.store(RunState::ready, std::memory_order_relaxed);
    cpu.ready.lock()->push_back(thread);
    Processor& own = here();
    if (&cpu != &own) return; // it finds the thread when it next schedules
    const Thread& self = port::current_thread();
    if (&self == own.idle) return; // the idle loop looks after every interrupt
    if (thread.priority > self.priority) {
        own.give_way = true;
        port::request_user_return_work();
    } else if (thread.priority == self.priority) {
        need_alarm(own, own.slice_end);
    }
}

bool wake(Thread& thread, Error error) {
    if (!claim(thread, error)) return false;
    make_ready(thread);
    return true;
}

Result<void> hand_over(Thread& thread) {
    Processor& cpu = here();
    if (&processors[thread.cpu] != &cpu || cpu.ready.lock()->highest() > int{thread.priority}) {
        make_ready(thread);
        return block();
    }
    switch_to(cpu, thread, port::now());
    return wake_result();
}

void yield() { give_way(here(), true); }

void scheduling_point() {
    Processor& cpu = here();
    const bool slice_over = port::now() >= cpu.slice_end;
    if (slice_over || cpu.give_way) give_way(cpu, slice_over);
}

void exit_thread(std::uint32_t code) {
    Thread& self = port::current_thread();
    Processor& cpu = here();
    self.code = code;
    self.state.store(RunState::ended);
    cpu.ended = &self;
    run_next(cpu);
    vm::port::panic("an ended thread ran again");
}

void exit_process(std::uint32_t status) {
    current_process().end(status);
    exit_thread(status);
}

unsigned set_priority(Thread& thread, unsigned priority) {
    Processor& cpu = processors[thread.cpu];
    unsigned old = 0;
    {
        auto ready = cpu.ready.lock();
        old = thread.priority;
        const bool queued = RunQueue::contains(thread);
        if (queued) ready->remove(thread);
        thread.priority = static_cast<std::uint8_t>(priority);
        if (queued) ready->push_back(thread);
    }
    // Either may now be the more urgent one; before_user_return finds out.
    here().give_way = true;
    port::request_user_return_work();
    return old;
}

std::uint64_t time_of(const Thread& thread) {
    const bool runs_here = &thread == &port::current_thread();
    return thread.time + (runs_here ? port::now() - here().switched_at : 0);
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
        const bool contended = cpu.ready.lock()->highest() >= int{self.priority};
        if (contended && now < cpu.slice_end) need_alarm(cpu, cpu.slice_end);
        if (contended && now >= cpu.slice_end) port::request_user_return_work();
    }
    need_alarm(cpu, cpu.sleepers.first());
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
    give_way(cpu, port::now() >= cpu.slice_end);
    if (self.killed()) exit_thread(killed_code);
}

} // namespace proc
