// SPDX-License-Identifier: MIT
// Switching: what the scheduler does with the CPU that it runs on.
#pragma once

#include "proc/processor.hpp"
#include "proc/scheduler.hpp"

namespace proc {

/// The alarm rings at `time` or earlier.
void need_alarm(Processor& cpu, std::uint64_t time);
/// First thing that a thread does on its CPU, whether it comes back or is new: lets go of the one
/// that was switched away from.
void finish_switch();
/// Goes on with `next`, which is in no queue; returns when somebody switches back.
void switch_to(Processor& cpu, Thread& next, std::uint64_t now);
/// Takes the next thread to run out of the queue, or the idle thread; `contended` tells whether
/// others want its turn. Under the queue's lock.
Thread& pick(Processor& cpu, bool& contended);
/// Runs `next` with a new time slice. The alarm ends it only if somebody waits for its end: else
/// nothing rings.
void run(Processor& cpu, Thread& next, bool contended);
/// Runs what is first in the queue.
void run_next(Processor& cpu);

} // namespace proc
