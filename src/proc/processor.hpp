// SPDX-License-Identifier: MIT
// Processor: what one CPU schedules with, and how threads find their way to a CPU.
//
// A thread is put into the queue of one CPU: the one where it ran last, unless that is busy while
// another is idle. A CPU with nothing to run takes from the queues of others before it halts.
// Only one queue's lock is held at a time.
#pragma once

#include "proc/run_queue.hpp"
#include "proc/sleep_queue.hpp"
#include "vm/lock.hpp"

namespace proc {

inline constexpr std::uint64_t never = ~0ULL;

/// How a thread was switched away from.
enum class Leaving : std::uint8_t {
    waits,   ///< it goes on when it is picked again
    ends,    ///< never
    departs, ///< it is to go on on another CPU
};

/// All but `ready` and `running` is touched by the CPU itself only.
struct alignas(64) Processor {
    vm::SpinLock<vm::Rank::run_queue> lock; ///< of `ready` and `running`
    RunQueue ready;
    const Thread* running = nullptr; ///< as decided; the switch may still be under way

    SleepQueue sleepers;
    unsigned number = 0;
    Thread* idle = nullptr;
    Thread* previous = nullptr;       ///< switched away from, to be let go of by its successor
    Leaving leaving = Leaving::waits; ///< how `previous` left
    std::uint64_t slice_end = 0;
    std::uint64_t alarm = never; ///< what the alarm is set to
    bool give_way = false;       ///< something more urgent became ready
};

extern Processor processors[vm::port::cpu_limit];
inline Processor& here() { return processors[vm::port::cpu()]; }

/// Forgets all CPUs: a machine begins.
void reset_processors();
/// This CPU takes part from here on, with `idle` as the thread that runs when no other can.
void open_processor(Thread& idle);
extern std::atomic<unsigned> open_processors;
/// How many take part.
inline unsigned processor_count() { return open_processors.load(std::memory_order_relaxed); }
/// Whether one of the set takes part.
bool any_processor_of(const vm::CpuSet& cpus);

/// Where a thread that became ready should be queued. It is not queued anywhere.
unsigned place(const Thread& thread);
/// Marks this CPU as idle, or as no longer idle.
void set_idle(Processor& cpu, bool idle);
/// Lets an idle CPU, if there is one, look for threads to take.
void rouse_idle_processor();
/// Takes a thread out of another CPU's queue that may run here; null if there is none.
Thread* steal(Processor& thief);

} // namespace proc
