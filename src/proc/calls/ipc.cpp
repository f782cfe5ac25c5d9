// SPDX-License-Identifier: MIT
// Calls about messages and notifications.
#include "proc/calls/calls.hpp"
#include "proc/notification.hpp"
#include "proc/process.hpp"
#include "proc/resources.hpp"
#include "proc/short_path.hpp"
#include "proc/user_memory.hpp"
#include "vm/reclaim.hpp"

#include <algorithm>

namespace proc::calls {

namespace {

/// The argument `message` of a call: the structure's address, and whether it is what is sent.
constexpr std::uint64_t below_alignment = alignof(abi::Message) - 1;
constexpr std::uint64_t address_of(std::uint64_t argument) { return argument & ~below_alignment; }

/// Reads a whole message and looks its handles up. `kept` is its call's handle.
/// Errors: bad_address, invalid_argument (too many handles), bad_handle, not_permitted (a handle
/// that may not be given away).
Result<void> read_message(Thread& self, std::uint64_t address, abi::Handle& kept) {
    abi::Message raw;
    TRY(copy_in(address, raw));
    if (raw.handle_count > abi::message_handles) return Error::invalid_argument;
    HandleTable& handles = self.process()->handles();
    Message& message = self.message;
    for (std::uint32_t i = 0; i < raw.handle_count; ++i) {
        Result<Grant> grant = handles.grant(raw.handles[i], abi::right_duplicate);
        if (!grant) {
            message.drop_grants();
            return grant.error();
        }
        message.grants[i] = std::move(*grant);
        message.grant_count = i + 1;
    }
    std::ranges::copy(raw.words, message.words.begin());
    *self.machine.call = {.r10 = raw.words[1],
                          .r9 = raw.words[3],
                          .r8 = raw.words[2],
                          .rdx = raw.words[0],
                          .rsi = self.machine.call->rsi,
                          .rdi = self.machine.call->rdi};
    kept = raw.call;
    return {};
}

/// Gives a whole message to user space: handles first, which are taken back when the rest fails.
/// Errors: bad_address; limit_reached, no_memory (for handles).
Result<void> write_message(Thread& self, std::uint64_t address) {
    HandleTable& handles = self.process()->handles();
    Message& message = self.message;
    abi::Message raw{};
    std::ranges::copy(message.words, raw.words);
    raw.sender = static_cast<std::uint32_t>(self.heard);
    Error error{};
    while (raw.handle_count < message.grant_count && error == Error{}) {
        const auto handle = handles.insert(std::move(message.grants[raw.handle_count]));
        if (handle) {
            raw.handles[raw.handle_count++] = *handle;
        } else {
            error = handle.error();
        }
    }
    message.drop_grants();
    if (error == Error{}) {
        const Result<void> copied = copy_out(address, raw);
        if (copied) return {};
        error = copied.error();
    }
    for (std::uint32_t i = 0; i < raw.handle_count; ++i)
        static_cast<void>(handles.remove(raw.handles[i]));
    return error;
}

/// What `call` and `reply_receive` give when a whole message has come.
[[gnu::noinline]] Answer tell_whole(Thread& self, std::uint64_t address) {
    if (address == 0) { // only the words have a place
        self.message.drop_grants();
        return self.heard;
    }
    const Result<void> written = write_message(self, address);
    return written ? Answer(self.heard) : Answer(written.error());
}

/// What they give when the words have come.
[[gnu::always_inline]] inline Answer tell_heard(Thread& self, std::uint64_t message) {
    if ((self.heard & abi::heard_whole) != 0) [[unlikely]]
        return tell_whole(self, address_of(message));
    return self.heard;
}

/// The same for `reply_receive`: a call that can't be told is refused.
[[gnu::noinline]] Answer tell_whole_call(Thread& self, std::uint64_t address) {
    const Answer told = tell_whole(self, address);
    if (told.value < 0) self.refuse_call();
    return told;
}
[[gnu::always_inline]] inline Answer tell_received(Thread& self, std::uint64_t message) {
    if ((self.heard & abi::heard_whole) != 0) [[unlikely]]
        return tell_whole_call(self, address_of(message));
    return self.heard;
}

/// Answers the call that was received last. Errors: bad_handle (none was), peer_closed (its caller
/// is gone).
Result<void> answer_received(Thread& self) {
    if (self.to_answer == nullptr) return Error::bad_handle;
    Thread* const caller = answer(self);
    if (caller == nullptr) {
        self.refuse_call();
        return Error::peer_closed;
    }
    make_ready(*caller);
    return {};
}

/// Answers that call, or the one that was kept; if it can't, nobody hears what was said.
Result<void> reply_only(Thread& self, abi::Handle kept) {
    const Result<void> answered = [&]() -> Result<void> {
        if (kept == abi::no_handle) return answer_received(self);
        return answer_kept(self, TRY(self.process()->handles().remove(kept, ObjectKind::reply)));
    }();
    if (!answered) self.message.drop_grants();
    return answered;
}

/// `reply_receive` where the call before can't be answered as usual: it was kept, or its caller is
/// gone. The endpoint is locked.
[[gnu::noinline]] Result<void> reply_and_receive(Thread& self, Endpoint& locked, abi::Handle kept) {
    const Ref<Endpoint> endpoint(locked);
    endpoint->unlock();
    if (kept != abi::no_handle || self.to_answer != nullptr) {
        const Result<void> answered = reply_only(self, kept);
        if (!answered && answered.error() != Error::peer_closed) return answered;
    }
    endpoint->lock();
    return endpoint->receive(self, nullptr);
}

/// Both calls where a whole message is sent.
[[gnu::noinline]] Answer call_whole(Thread& self, std::uint64_t handle, std::uint64_t message) {
    if ((message & below_alignment) != abi::message_whole) return Error::bad_address;
    abi::Handle unused = abi::no_handle;
    TRY(read_message(self, address_of(message), unused));
    const auto endpoint = self.process()->handles().lock_object<Endpoint>(handle, abi::right_send);
    if (!endpoint) {
        self.message.drop_grants();
        return endpoint.error();
    }
    self.sends_whole = true;
    TRY((*endpoint)->call(self));
    return tell_heard(self, message);
}

[[gnu::noinline]] Answer reply_receive_whole(Thread& self, std::uint64_t handle,
                                             std::uint64_t message) {
    if ((message & below_alignment) != abi::message_whole) return Error::bad_address;
    abi::Handle kept = abi::no_handle;
    TRY(read_message(self, address_of(message), kept));
    // Nobody will hear it: what it holds ends here.
    if (kept == abi::no_handle && self.to_answer == nullptr) self.message.drop_grants();
    self.sends_whole = true;
    if (handle == abi::no_handle) return reply_only(self, kept);
    const auto endpoint =
        self.process()->handles().lock_object<Endpoint>(handle, abi::right_receive);
    if (!endpoint) {
        self.message.drop_grants();
        return endpoint.error();
    }
    TRY(reply_and_receive(self, **endpoint, kept));
    return tell_received(self, message);
}

} // namespace

Answer object_create(std::uint64_t kind, std::uint64_t bytes) {
    Process& process = current_process();
    switch (static_cast<abi::ObjectKind>(kind)) {
    case abi::ObjectKind::memory: {
        // What was unmapped may be charged still, as long as its ids stay.
        const auto memory =
            TRY(vm::with_memory(process.space(), PageCount{bytes >> page_bits}, [&] {
                return MemoryObject::create(bytes, process.limits().memory);
            }));
        return process.handles().insert(Grant(*memory, abi::right_all));
    }
    case abi::ObjectKind::endpoint: {
        const Ref<Endpoint> endpoint = TRY(Endpoint::create(process));
        return process.handles().insert(Grant(*endpoint, abi::right_all));
    }
    case abi::ObjectKind::notification: {
        const Ref<Notification> notification = TRY(Notification::create(process));
        return process.handles().insert(Grant(*notification, abi::right_all));
    }
    }
    return Error::invalid_argument;
}

Answer call(std::uint64_t handle, std::uint64_t message, std::uint64_t, std::uint64_t,
            std::uint64_t, std::uint64_t) {
    Thread& self = port::current_thread();
    if ((message & below_alignment) != 0) [[unlikely]]
        return call_whole(self, handle, message);
    self.sends_whole = false;
    const auto endpoint = self.process()->handles().lock_object<Endpoint>(handle, abi::right_send);
    if (!endpoint) [[unlikely]]
        return endpoint.error();
    if (const auto answered = (*endpoint)->call(self); !answered) [[unlikely]]
        return answered;
    return tell_heard(self, message);
}

Answer reply_receive(std::uint64_t handle, std::uint64_t message, std::uint64_t, std::uint64_t,
                     std::uint64_t, std::uint64_t) {
    Thread& self = port::current_thread();
    if ((message & below_alignment) != 0) [[unlikely]]
        return reply_receive_whole(self, handle, message);
    self.sends_whole = false;
    if (handle == abi::no_handle) [[unlikely]]
        return reply_only(self, abi::no_handle);
    const auto endpoint =
        self.process()->handles().lock_object<Endpoint>(handle, abi::right_receive);
    if (!endpoint) [[unlikely]]
        return endpoint.error();
    Thread* caller = nullptr;
    Result<void> received;
    if (self.to_answer == nullptr || (caller = answer(self)) != nullptr) [[likely]] {
        received = (*endpoint)->receive(self, caller);
    } else {
        received = reply_and_receive(self, **endpoint, abi::no_handle);
    }
    if (!received) [[unlikely]]
        return received;
    return tell_received(self, message);
}

Answer signal(std::uint64_t handle, std::uint64_t bits) {
    if (bits == 0 || (bits & ~Notification::bits_mask) != 0) [[unlikely]]
        return Error::invalid_argument;
    Notification* const notification =
        TRY(current_process().handles().lock_object<Notification>(handle, abi::right_send));
    notification->signal(bits);
    return std::uint64_t{0};
}

namespace {

/// Waits for the end of a thread or a process.
[[gnu::noinline]] Answer wait_for_end(Process& own, std::uint64_t handle) {
    if (const auto thread = own.handles().find<Thread>(handle, abi::right_inspect)) {
        if (thread->get() == &port::current_thread()) return Error::invalid_argument;
        return (*thread)->process()->join(**thread);
    } else if (thread.error() != Error::bad_handle) {
        return thread.error();
    }
    const auto process = TRY(own.handles().find<Process>(handle, abi::right_inspect));
    if (process.get() == &own) return Error::invalid_argument;
    return process->wait();
}

} // namespace

Answer wait(std::uint64_t handle) {
    Thread& self = port::current_thread();
    HandleTable& handles = self.process()->handles();
    const auto notification = handles.lock_object<Notification>(handle, abi::right_receive);
    if (notification) [[likely]]
        return (*notification)->wait(self);
    if (notification.error() != Error::bad_handle) return notification.error();
    return wait_for_end(*self.process(), handle);
}

} // namespace proc::calls
