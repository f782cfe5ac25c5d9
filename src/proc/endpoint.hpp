// SPDX-License-Identifier: MIT
// Endpoint: where callers and receivers meet. Synchronous: nothing is stored but waiting threads.
//
//   caller                                   receiver
//   call: a receiver waits: the words go     receive: waits in `receivers`, or takes the first of
//       from registers to registers, and       `callers`: gets words and handles, and has the
//       the CPU is handed over                 caller `to_answer`
//     else waits in `callers`                answer: the words go back, and the CPU is handed over
//   waits for whoever takes `reply_expected`   to the caller while this waits for the next call
//
// The short path: found and locked by one look at the handle table, all checks, then one point of
// commitment, the claim of the partner: from there on nothing fails. It neither allocates, nor
// writes a run queue, nor touches user memory. See short_path.hpp.
//
// Words and messages move between threads under this lock, or after `reply_expected` was taken, and
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

    /// Keeps it, too: a grant's end locks it before it lets go. See HandleTable::lock_object.
    void lock() { lock_.lock(); }
    void unlock() { lock_.unlock(); }

    // ---- both are called with the lock held, and give it back

    /// Sends what the running thread has to say and waits for the reply.
    /// Errors: peer_closed (no receiver, or it ended before it replied), interrupted.
    Result<void> call(Thread& self);
    /// Waits for a call, which the running thread has `to_answer` then. `next`, if any, is claimed:
    /// it goes on, at once if this thread must wait. Errors: peer_closed (nobody can send),
    /// interrupted.
    Result<void> receive(Thread& self, Thread* next);

private:
    using Queue = List<Thread, &Thread::wait_hook>;
    static void enqueue(Queue& queue, Thread& thread);
    /// Nobody waits, or is on its way out. The lock is held, and given back.
    Result<void> call_slowly(Thread& self);
    /// A caller waits already, or none will come. The lock is held, and given back.
    Result<void> take_caller(Thread& self, Thread* next);
    /// After `block` failed.
    void leave_receivers(Thread& self);

    Ref<Process> payer_; ///< outlives the charge
    Charge charge_;
    vm::SpinLock<vm::Rank::endpoint> lock_; ///< of all below
    Queue callers_;                         ///< by priority, equals in order of arrival
    Queue receivers_;                       ///< the same; one of the two queues is empty
    std::uint32_t can_send_ = 0;
    std::uint32_t can_receive_ = 0;
};

/// Answers a call that was kept: passes what the running thread says, and wakes the caller.
/// Error: peer_closed (the caller is gone).
Result<void> answer_kept(Thread& self, Grant call);

} // namespace proc
