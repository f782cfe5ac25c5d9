// SPDX-License-Identifier: MIT
// The short path of messages, in one piece with the system calls: calls/ipc.cpp.
#pragma once

#include "proc/endpoint.hpp"
#include "proc/switching.hpp"

namespace proc {

/// A whole message goes where the words went.
void pass_whole(Thread& from, Thread& to);

/// After the wait for a reply failed: if somebody took this call, they may still be writing what
/// they say: it is theirs now. Gives why it failed.
Error give_up_call(Thread& self);

/// Gives what a thread says to another that was claimed, or runs here.
[[gnu::always_inline]] inline void pass(Thread& from, Thread& to) {
    const port::CallRegisters& said = *from.machine.call;
    port::CallRegisters& heard = *to.machine.call;
    heard.rdx = said.rdx;
    heard.r10 = said.r10;
    heard.r8 = said.r8;
    heard.r9 = said.r9;
    to.heard = from.name;
    if (from.sends_whole) [[unlikely]]
        pass_whole(from, to);
}

/// A caller that waits for its reply alone becomes the receiver's to answer.
[[gnu::always_inline]] inline void deliver(Thread& caller, Thread& receiver) {
    caller.retain();
    receiver.to_answer = &caller;
    pass(caller, receiver);
}

/// Takes the caller that the running thread has to answer, claims it and passes what is said: it
/// must go on. Null if it is gone: then it is still there to be refused.
[[gnu::always_inline]] inline Thread* answer(Thread& self) {
    Thread* const caller = self.to_answer;
    // Claimed by its process's end it unwinds, and no longer looks at what it hears.
    if (!caller->reply_expected.exchange(false) || !claim(*caller)) [[unlikely]]
        return nullptr;
    self.to_answer = nullptr;
    caller->let_go(); // waiting, it has a reference to itself
    pass(self, *caller);
    return caller;
}

inline void Endpoint::enqueue(Queue& queue, Thread& thread) {
    Thread* position = queue.back();
    if (position == nullptr) [[likely]]
        return queue.push_back(thread);
    while (position != nullptr && position->priority < thread.priority)
        position = Queue::before(*position);
    queue.insert_after(position, thread);
}

[[gnu::always_inline]] inline Result<void> Endpoint::call(Thread& self) {
    Thread* const receiver = receivers_.front();
    if (receiver == nullptr || !claim(*receiver)) [[unlikely]]
        return call_slowly(self);
    receivers_.pop_front();
    self.reply_expected.store(true, std::memory_order_relaxed); // told by the lock, or the switch
    deliver(self, *receiver);
    prepare_to_block(self);
    unlock();
    if (hand_over(self, *receiver)) [[likely]]
        return {};
    return give_up_call(self);
}

[[gnu::always_inline]] inline Result<void> Endpoint::receive(Thread& self, Thread* next) {
    if (!callers_.empty() || can_send_ == 0) [[unlikely]]
        return take_caller(self, next);
    const Ref<Endpoint> kept(*this);
    enqueue(receivers_, self);
    prepare_to_block(self);
    unlock();
    const Result<void> woken = next != nullptr ? hand_over(self, *next) : block(self);
    if (!woken) [[unlikely]]
        leave_receivers(self);
    return woken;
}

} // namespace proc
