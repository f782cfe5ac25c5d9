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
    if ((rights & abi::right_send) != 0) ++state_.lock()->can_signal;
}

void Notification::closed(std::uint32_t rights) {
    if ((rights & abi::right_send) == 0) return;
    auto state = state_.lock();
    if (--state->can_signal != 0) return;
    while (Thread* waiter = state->waiters.pop_front()) wake(*waiter, Error::peer_closed);
}

void Notification::signal(std::uint64_t bits) {
    auto state = state_.lock();
    state->bits |= bits;
    while (Thread* waiter = state->waiters.pop_front()) {
        if (!claim(*waiter)) continue; // on its way out
        waiter->bits = std::exchange(state->bits, 0);
        make_ready(*waiter);
        return;
    }
}

Result<std::uint64_t> Notification::wait() {
    Thread& self = port::current_thread();
    {
        auto state = state_.lock();
        if (state->bits != 0) return std::exchange(state->bits, 0);
        if (state->can_signal == 0) return Error::peer_closed;
        state->waiters.push_back(self);
        prepare_to_block();
    }
    const Result<void> woken = block();
    if (woken) return self.bits;
    auto state = state_.lock();
    if (Queue::contains(self)) state->waiters.remove(self);
    return woken.error();
}

} // namespace proc
