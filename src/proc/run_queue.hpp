// SPDX-License-Identifier: MIT
// RunQueue: the ready threads of one CPU, by priority; the highest is found by a bitmap.
#pragma once

#include "abi/types.hpp"
#include "proc/thread.hpp"

#include <array>
#include <bit>

namespace proc {

class RunQueue {
public:
    bool empty() const { return ready_ == 0; }
    /// The highest priority that is ready, or -1.
    int highest() const { return static_cast<int>(std::bit_width(ready_)) - 1; }

    void push_back(Thread& thread) {
        queue(thread.priority).push_back(thread);
        ready_ |= 1U << thread.priority;
    }
    void push_front(Thread& thread) {
        queue(thread.priority).push_front(thread);
        ready_ |= 1U << thread.priority;
    }
    void remove(Thread& thread) {
        queue(thread.priority).remove(thread);
        forget_if_empty(thread.priority);
    }
    /// The first of the highest priority, or null.
    Thread* pop() {
        if (ready_ == 0) return nullptr;
        const unsigned priority = static_cast<unsigned>(highest());
        Thread* thread = queue(priority).pop_front();
        forget_if_empty(priority);
        return thread;
    }
    /// The first of the threads that are as urgent as this one, which takes its place behind them.
    /// Precondition: there is one.
    Thread& rotate(Thread& thread) {
        Queue& equals = queue(thread.priority);
        Thread* first = equals.pop_front();
        equals.push_back(thread);
        return *first;
    }
    static bool contains(const Thread& thread) { return Queue::contains(thread); }

private:
    using Queue = List<Thread, &Thread::run_hook>;
    Queue& queue(unsigned priority) { return queues_[priority % abi::priority_count]; }
    void forget_if_empty(unsigned priority) {
        if (queue(priority).empty()) ready_ &= ~(1U << priority);
    }

    std::uint32_t ready_ = 0; ///< bit p: queue p is not empty
    std::array<Queue, abi::priority_count> queues_{};
    static_assert(abi::priority_count == 32);
};

} // namespace proc
