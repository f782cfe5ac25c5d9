// SPDX-License-Identifier: MIT
// Endpoints: the rendezvous of callers and receivers.
#include "proc/endpoint.hpp"

#include "proc/process.hpp"
#include "proc/scheduler.hpp"
#include "vm/heap.hpp"

namespace proc {

namespace {

/// Moves a caller's message to its receiver. Under the endpoint's lock; both wait or run here.
void deliver(Thread& caller, Thread& receiver) {
    receiver.message = std::move(caller.message);
    receiver.caller = caller.reply.open();
}

} // namespace

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
    auto state = state_.lock();
    if ((rights & abi::right_send) != 0) ++state->can_send;
    if ((rights & abi::right_receive) != 0) ++state->can_receive;
}

void Endpoint::closed(std::uint32_t rights) {
    auto state = state_.lock();
    if ((rights & abi::right_receive) != 0 && --state->can_receive == 0) {
        while (Thread* caller = state->callers.pop_front()) wake(*caller, Error::peer_closed);
    }
    if ((rights & abi::right_send) != 0 && --state->can_send == 0) {
        while (Thread* receiver = state->receivers.pop_front()) wake(*receiver, Error::peer_closed);
    }
}

void Endpoint::enqueue(Queue& queue, Thread& thread) {
    Thread* position = queue.back();
    while (position != nullptr && position->priority < thread.priority)
        position = Queue::before(*position);
    queue.insert_after(position, thread);
}

void Endpoint::withdraw(Queue State::* queue) {
    auto state = state_.lock();
    const Thread& self = port::current_thread();
    if (Queue::contains(self)) ((*state).*queue).remove(port::current_thread());
}

Result<void> Endpoint::call() {
    Thread& self = port::current_thread();
    Thread* receiver = nullptr;
    const bool heard = [&] {
        auto state = state_.lock();
        if (state->can_receive == 0) return false;
        // A receiver that somebody else claimed is on its way out: the next one.
        do {
            receiver = state->receivers.pop_front();
        } while (receiver != nullptr && !claim(*receiver));
        self.reply_expected.store(true);
        if (receiver != nullptr) {
            deliver(self, *receiver);
        } else {
            enqueue(state->callers, self);
        }
        prepare_to_block();
        return true;
    }();
    if (!heard) {
        self.message.drop_grants();
        return Error::peer_closed;
    }
    Result<void> answered = receiver != nullptr ? hand_over(*receiver) : block();
    if (answered) return answered;
    withdraw(&State::callers);
    // If somebody took this, they may still be writing the message: it is theirs now.
    if (self.reply_expected.exchange(false)) self.message.drop_grants();
    return answered;
}

Result<void> Endpoint::receive() {
    Thread& self = port::current_thread();
    {
        auto state = state_.lock();
        if (Thread* caller = state->callers.pop_front(); caller != nullptr) {
            deliver(*caller, self);
            return {};
        }
        if (state->can_send == 0) return Error::peer_closed;
        enqueue(state->receivers, self);
        prepare_to_block();
    }
    Result<void> received = block();
    if (!received) withdraw(&State::receivers);
    return received;
}

Result<void> reply_to(Grant token, Message&& message) {
    const Ref<Thread> caller(static_cast<Reply*>(token.object())->caller());
    if (!caller->reply_expected.exchange(false)) return Error::peer_closed;
    // Claimed by its process's end: it unwinds, and no longer looks at its message.
    if (!claim(*caller)) return Error::peer_closed;
    caller->message = std::move(message);
    token.close(); // before the caller can call again
    make_ready(*caller);
    return {};
}

} // namespace proc
