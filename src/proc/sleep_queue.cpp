// SPDX-License-Identifier: MIT
// The sleep queue: an ordered list, searched from its end, where most new sleepers belong.
#include "proc/sleep_queue.hpp"

#include "proc/scheduler.hpp"

namespace proc {

void SleepQueue::insert(Thread& self) {
    auto queue = queue_.lock();
    Thread* position = queue->back();
    while (position != nullptr && position->wake_time > self.wake_time)
        position = Queue::before(*position);
    queue->insert_after(position, self);
    prepare_to_block(self);
}

void SleepQueue::remove(Thread& thread) {
    auto queue = queue_.lock();
    if (Queue::contains(thread)) queue->remove(thread);
}

void SleepQueue::wake_until(std::uint64_t now) {
    auto queue = queue_.lock();
    while (Thread* thread = queue->front()) {
        if (thread->wake_time > now) return;
        queue->remove(*thread);
        wake(*thread);
    }
}

std::uint64_t SleepQueue::first() {
    auto queue = queue_.lock();
    return queue->front() != nullptr ? queue->front()->wake_time : ~0ULL;
}

} // namespace proc
