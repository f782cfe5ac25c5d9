// SPDX-License-Identifier: MIT
// Endpoints: the rendezvous of callers and receivers.
#include "proc/endpoint.hpp"

#include "proc/process.hpp"
#include "proc/short_path.hpp"
#include "vm/heap.hpp"

namespace proc {

Endpoint::Endpoint() : Object(ObjectKind::endpoint) {}

Endpoint::~Endpoint() = default;

Result<Ref<Endpoint>> Endpoint::create(Process& payer) {
    Charge charge = TRY(Charge::make(payer.space().account(), PageCount{1}));
    Ref<Endpoint> endpoint = Ref<Endpoint>::adopt(*TRY(vm::heap_new<Endpoint>()));
    endpoint->payer_ = Ref<Process>(payer);
    endpoint->charge_ = std::move(charge);
    return endpoint;
}

void Endpoint::opened(std::uint32_t rights) {
    const vm::Guard guard(lock_);
    if ((rights & abi::right_send) != 0) ++can_send_;
    if ((rights & abi::right_receive) != 0) ++can_receive_;
}

void Endpoint::closed(std::uint32_t rights) {
    const vm::Guard guard(lock_);
    if ((rights & abi::right_receive) != 0 && --can_receive_ == 0) {
        while (Thread* caller = callers_.pop_front()) wake(*caller, Error::peer_closed);
    }
    if ((rights & abi::right_send) != 0 && --can_send_ == 0) {
        while (Thread* receiver = receivers_.pop_front()) wake(*receiver, Error::peer_closed);
    }
}

void pass_whole(Thread& from, Thread& to) {
    to.heard |= abi::heard_whole;
    to.message = std::move(from.message);
}

Error give_up_call(Thread& self) {
    if (self.reply_expected.exchange(false)) self.message.drop_grants();
    return self.wake_error;
}

void Endpoint::leave_receivers(Thread& self) {
    const vm::Guard guard(lock_);
    if (Queue::contains(self)) receivers_.remove(self);
}

Result<void> Endpoint::call_slowly(Thread& self) {
    if (can_receive_ == 0) {
        unlock();
        self.message.drop_grants();
        return Error::peer_closed;
    }
    const Ref<Endpoint> kept(*this);
    // A receiver that somebody else claimed is on its way out: the next one.
    Thread* receiver = nullptr;
    do {
        receiver = receivers_.pop_front();
    } while (receiver != nullptr && !claim(*receiver));
    self.reply_expected.store(true);
    if (receiver != nullptr) {
        deliver(self, *receiver);
    } else {
        enqueue(callers_, self);
    }
    prepare_to_block(self);
    unlock();
    if (receiver != nullptr ? hand_over(self, *receiver) : block(self)) return {};
    {
        const vm::Guard guard(lock_);
        if (Queue::contains(self)) callers_.remove(self);
    }
    return give_up_call(self);
}

Result<void> Endpoint::take_caller(Thread& self, Thread* next) {
    Thread* const caller = callers_.pop_front();
    if (caller != nullptr) deliver(*caller, self);
    unlock();
    if (next != nullptr) make_ready(*next);
    return caller != nullptr ? Result<void>() : Result<void>(Error::peer_closed);
}

Result<void> answer_kept(Thread& self, Grant call) {
    const Ref<Thread> caller(static_cast<Reply*>(call.object())->caller());
    if (!caller->reply_expected.exchange(false) || !claim(*caller)) return Error::peer_closed;
    pass(self, *caller);
    call.close(); // before the caller can call again
    make_ready(*caller);
    return {};
}

} // namespace proc
