// SPDX-License-Identifier: MIT
// SleepQueue: the threads of one CPU that sleep, the one to wake first in front.
#pragma once

#include "proc/thread.hpp"
#include "vm/lock.hpp"

namespace proc {

class SleepQueue {
public:
    /// Puts the running thread in by its wake_time, and has it prepared to block.
    void insert(Thread& self);
    /// Takes a thread out that was woken by something else; does nothing to others.
    void remove(Thread& thread);
    /// Wakes all whose time has come.
    void wake_until(std::uint64_t now);
    /// When the first one wants to wake; ~0 if there is none.
    std::uint64_t first();

private:
    using Queue = List<Thread, &Thread::sleep_hook>;
    vm::Guarded<Queue, vm::Rank::timers> queue_; ///< another CPU may remove a thread it has woken
};

} // namespace proc
