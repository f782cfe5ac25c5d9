// SPDX-License-Identifier: MIT
// Endpoint: where callers and receivers meet. Synchronous: nothing is stored but waiting threads.
//
//   caller                                   receiver
//   call: message into its own Thread        receive: waits in `receivers_`, or takes the first
//     receiver waits: message moved to it,     of `callers_`: its message is moved to it
//       and the CPU handed over              gets words, handles and a reply token
//     else waits in `callers_`               reply: message moved to the caller, which wakes
//   waits for whoever takes `reply_expected`
//
// Messages move between Thread records under this lock, or after `reply_expected` was taken, and
// only to threads that were claimed: so nobody else touches the record meanwhile.
#pragma once

#include "proc/thread.hpp"
#include "vm/lock.hpp"

namespace proc {

class Endpoint : public Object {
public:
    static constexpr ObjectKind object_kind = ObjectKind::endpoint;

    /// Paid for by the process. Error: no_memory, limit_reached.
    static Result<Ref<Endpoint>> create(Process& payer);
    Endpoint();
    ~Endpoint();

    /// A grant appeared / ended. The end of the last that can receive wakes all callers, that of
    /// the last that can send all receivers, with peer_closed. Takes endpoint rank.
    void opened(std::uint32_t rights);
    void closed(std::uint32_t rights);

    /// Sends the running thread's `message` and waits until the reply stands there.
    /// Errors: peer_closed (no receiver, or it ended before it replied), interrupted.
    Result<void> call();
    /// Waits for a message, which then stands in the running thread's `message`, and its sender's
    /// reply in `caller`. Errors: peer_closed (nobody can send), interrupted.
    Result<void> receive();

private:
    using Queue = List<Thread, &Thread::wait_hook>;
    struct State {
        Queue callers;   ///< by priority, equals in order of arrival
        Queue receivers; ///< the same; one of the two queues is empty
        std::uint32_t can_send = 0;
        std::uint32_t can_receive = 0;
    };
    static void enqueue(Queue& queue, Thread& thread);
    /// After `block` failed: takes the running thread out of the queue if it is still there.
    void withdraw(Queue State::* queue);

    Ref<Process> payer_; ///< outlives the charge
    Charge charge_;
    vm::Guarded<State, vm::Rank::endpoint> state_;
};

/// Answers a call by its token: moves `message` to the caller and wakes it. Error: peer_closed (the
/// caller is gone).
Result<void> reply_to(Grant token, Message&& message);

} // namespace proc
