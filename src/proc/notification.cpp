// SPDX-License-Identifier: MIT
// Notifications.
#include "proc/notification.hpp"

#include "proc/process.hpp"
#include "proc/scheduler.hpp"
#include "vm/heap.hpp"

namespace proc {

Notification::Notification() : Object(ObjectKind::notification) {}

Notification::~Notification() = default;

Result<Ref<Notification>> Notification::create(Process& payer) {
    Charge charge = TRY(Charge::make(payer.space().account(), PageCount{1}));
    Ref<Notification> made = Ref<Notification>::adopt(*TRY(vm::heap_new<Notification>()));
    made->payer_ = Ref<Process>(payer);
    made->charge_ = std::move(charge);
    return made;
}

void Notification::opened(std::uint32_t rights) {
    if ((rights & abi::right_send) == 0) return;
    const vm::Guard guard(lock_);
    ++can_signal_;
}

void Notification::closed(std::uint32_t rights) {
    // Whatever the rights: who has found this by its handle holds the lock.
    const vm::Guard guard(lock_);
    if ((rights & abi::right_send) == 0 || --can_signal_ != 0) return;
    while (Thread* waiter = waiters_.pop_front()) wake(*waiter, Error::peer_closed);
}

void Notification::signal(std::uint64_t bits) {
    bits_ |= bits;
    Thread* waiter = waiters_.pop_front();
    while (waiter != nullptr && !claim(*waiter)) waiter = waiters_.pop_front(); // on its way out
    if (waiter != nullptr) waiter->bits = std::exchange(bits_, 0);
    unlock();
    if (waiter != nullptr) make_ready(*waiter);
}

Result<std::uint64_t> Notification::wait(Thread& self) {
    if (const std::uint64_t bits = std::exchange(bits_, 0); bits != 0) {
        unlock();
        return bits;
    }
    if (can_signal_ == 0) [[unlikely]] {
        unlock();
        return Error::peer_closed;
    }
    const Ref<Notification> kept(*this);
    waiters_.push_back(self);
    prepare_to_block(self);
    unlock();
    if (const Result<void> woken = block(self); !woken) [[unlikely]] {
        const vm::Guard guard(lock_);
        if (Queue::contains(self)) waiters_.remove(self);
        return woken.error();
    }
    return self.bits;
}

} // namespace proc
