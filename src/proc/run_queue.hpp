// SPDX-License-Identifier: MIT
// RunQueue: the ready threads of one CPU, by priority; the highest is found by a bitmap.
#pragma once

#include "abi/types.hpp"
#include "proc/thread.hpp"

#include <array>
#include <bit>

namespace proc {

/// All under its CPU's lock, but for `empty`.
class RunQueue {
public:
    /// Without the lock: a hint.
    bool empty() const { return ready_ == 0; }
    /// The highest priority that is ready, or -1.
    int highest() const { return static_cast<int>(std::bit_width(ready())) - 1; }

    /// Whether the highest that is ready is this one / is above it.
    bool highest_is(unsigned priority) const { return ready() >> priority == 1; }
    bool has_above(unsigned priority) const { return ready() >> priority > 1; }

    void push_back(Thread& thread) { queue_for(thread).push_back(thread); }
    void push_front(Thread& thread) { queue_for(thread).push_front(thread); }
    /// Whether the thread is queued here, not in another CPU's.
    bool contains(const Thread& thread) const { return thread.queued_in == this; }
    /// Precondition: it is queued here.
    void remove(Thread& thread) {
        queue(thread.queued_priority).remove(thread);
        taken(thread);
    }
    /// The first of the highest priority, or null.
    Thread* pop() {
        if (ready() == 0) return nullptr;
        Thread* thread = queue(static_cast<unsigned>(highest())).pop_front();
        if (thread != nullptr) taken(*thread);
        return thread;
    }
    /// Takes the first thread of the highest priority for which fits(thread) holds, or none.
    template <typename Fits>
    Thread* take_first(Fits&& fits) {
        for (std::uint32_t left = ready(); left != 0;) {
            const auto priority = static_cast<unsigned>(std::bit_width(left)) - 1;
            Queue& equals = queue(priority);
            for (Thread* thread = equals.front(); thread != nullptr;
                 thread = Queue::after(*thread)) {
                if (!fits(*thread)) continue;
                remove(*thread);
                return thread;
            }
            left &= ~(1U << priority);
        }
        return nullptr;
    }
    /// The first of the threads that are as urgent as this one, which takes its place behind them:
    /// so what is ready stays the same. Precondition: there is one.
    Thread* rotate(Thread& thread) {
        const std::uint8_t priority = thread.priority;
        Queue& equals = queue(priority);
        Thread* first = equals.pop_front();
        if (first != nullptr) first->queued_in = nullptr;
        thread.queued_in = this;
        thread.queued_priority = priority;
        equals.push_back(thread);
        return first;
    }

private:
    using Queue = List<Thread, &Thread::run_hook>;
    std::uint32_t ready() const { return ready_; }
    Queue& queue(unsigned priority) { return queues_[priority % abi::priority_count]; }
    /// Where it goes. Its priority may change while it is queued: it is found by the one it had.
    Queue& queue_for(Thread& thread) {
        thread.queued_in = this;
        thread.queued_priority = thread.priority;
        ready_ = ready() | 1U << thread.queued_priority;
        return queue(thread.queued_priority);
    }
    void taken(Thread& thread) {
        thread.queued_in = nullptr;
        const unsigned priority = thread.queued_priority;
        if (queue(priority).empty()) ready_ = ready() & ~(1U << priority);
    }

    vm::Published<std::uint32_t> ready_; ///< bit p: queue p is not empty
    std::array<Queue, abi::priority_count> queues_{};
    static_assert(abi::priority_count == 32);
};

} // namespace proc
