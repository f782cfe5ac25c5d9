// SPDX-License-Identifier: MIT
// The scheduler: a run queue for each CPU, 32 priorities, turns among equals.
//
// The kernel is not preempted and its interrupts are off, so a thread leaves its CPU only in
// `block`, `yield`, `preempt`, `hand_over` and `exit_thread`. To wait for something:
//
// Each CPU has its own queue and its own idle thread, see processor.hpp; a thread may come out of
// those functions on another CPU than it went in.
//
//   lock the object; queue the thread; prepare_to_block(self); unlock; block(self);
//
// and its waker, under the same lock: take the thread out of the queue and `wake` it. A thread that
// was woken by something else (its process's end) takes itself out of the queue afterwards.
#pragma once

#include "proc/process.hpp"
#include "proc/thread.hpp"

#include <cstdint>

namespace proc {

/// How long a thread runs while others of its priority wait, in nanoseconds.
inline constexpr std::uint64_t time_slice = 4'000'000;

/// Makes the calling context this CPU's idle thread. Once for each CPU, before anything else here.
/// Error: no_memory.
Result<void> start_cpu();
/// What the idle thread does for ever: runs the others, takes some from other CPUs, halts.
[[noreturn]] void run_idle();

/// The running thread's process. Not for idle threads.
inline Process& current_process() { return *port::current_thread().process(); }

/// Switches to other threads until woken. Gives the waker's error: interrupted when the process
/// is to end.
Result<void> block(Thread& self);

/// Claims a waiting thread: only one of all wakers succeeds, and must then `make_ready` it (or
/// `hand_over`). Between the two the thread's message and error are the claimant's to write.
[[nodiscard]] inline bool claim(Thread& thread, Error error = {}) {
    RunState expected = RunState::blocked;
    if (!thread.state.compare_exchange_strong(expected, RunState::ready)) return false;
    thread.wake_error = error;
    return true;
}
/// Puts a claimed or new thread into a run queue: its CPU's, or that of one that is idle.
void make_ready(Thread& thread);
/// Claims and makes ready; false if somebody else did.
bool wake(Thread& thread, Error error = {});

/// Marks the running thread as waiting. From here on it can be claimed; `block` must follow.
inline void prepare_to_block(Thread& self) {
    self.state.store(RunState::blocked); // before the look at the mark: see Process::end
    if (self.killed()) [[unlikely]]
        wake(self, Error::interrupted);
}

/// Lets others of this priority, or higher, run.
void yield();
/// Where a long call can give way: yields when the time slice is over.
void scheduling_point();
/// Ends the running thread. Its last words are `code`.
[[noreturn]] void exit_thread(std::uint32_t code);
/// Ends the running thread's process.
[[noreturn]] void exit_process(std::uint32_t status);

/// Sets a priority, of a queued thread too; gives the old one.
unsigned set_priority(Thread& thread, unsigned priority);
/// Says which CPUs may run a thread: at least one that runs threads. It leaves others soon: if it
/// runs, before it next returns to user mode.
void set_affinity(Thread& thread, const vm::CpuSet& cpus);
/// Processor time that a thread has used, up to now if it is running.
std::uint64_t time_of(const Thread& thread);

/// Waits at least so long. Error: interrupted.
Result<void> sleep(std::uint64_t nanoseconds);

} // namespace proc
