// SPDX-License-Identifier: MIT
// Notification: bits to set and to wait for.
#pragma once

#include "proc/thread.hpp"
#include "vm/lock.hpp"

namespace proc {

class Notification : public Object {
public:
    static constexpr ObjectKind object_kind = ObjectKind::notification;

    /// Bits that may be signalled: a result must not look like an error.
    static constexpr std::uint64_t bits_mask = ~0ULL >> 1;

    /// Paid for by the process. Error: no_memory, limit_reached.
    static Result<Ref<Notification>> create(Process& payer);
    Notification();
    ~Notification();

    /// As Endpoint's. The end of the last grant that can signal wakes the waiters with peer_closed.
    void opened(std::uint32_t rights);
    void closed(std::uint32_t rights);

    /// As Endpoint's.
    void lock() { lock_.lock(); }
    void unlock() { lock_.unlock(); }

    // ---- both are called with the lock held, and give it back

    /// Sets bits; the first waiter, if any, wakes and takes all.
    void signal(std::uint64_t bits);
    /// Waits until a bit is set; takes and clears all. Errors: peer_closed, interrupted.
    Result<std::uint64_t> wait(Thread& self);

private:
    using Queue = List<Thread, &Thread::wait_hook>;
    Ref<Process> payer_; ///< outlives the charge
    Charge charge_;
    vm::SpinLock<vm::Rank::endpoint> lock_; ///< of all below
    std::uint64_t bits_ = 0;
    Queue waiters_;
    std::uint32_t can_signal_ = 0;
};

} // namespace proc
