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
        queues_[thread.priority].push_back(thread);
        ready_ |= 1U << thread.priority;
    }
    void push_front(Thread& thread) {
        queues_[thread.priority].push_front(thread);
        ready_ |= 1U << thread.priority;
    }
    void remove(Thread& thread) {
        auto& queue = queues_[thread.priority];
        queue.remove(thread);
        if (queue.empty()) ready_ &= ~(1U << thread.priority);
    }
    /// The first of the highest priority, or null.
    Thread* pop() {
        if (ready_ == 0) return nullptr;
        Thread* thread = queues_[static_cast<unsigned>(highest())].front();
        remove(*thread);
        return thread;
    }
    static bool contains(const Thread& thread) { return Queue::contains(thread); }

private:
    using Queue = List<Thread, &Thread::run_hook>;
    std::uint32_t ready_ = 0; ///< bit p: queue p is not empty
    std::array<Queue, abi::priority_count> queues_{};
    static_assert(abi::priority_count == 32);
};

} // namespace proc
