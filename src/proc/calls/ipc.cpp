// SPDX-License-Identifier: MIT
// Calls about messages and notifications.
#include "proc/calls/calls.hpp"
#include "proc/endpoint.hpp"
#include "proc/notification.hpp"
#include "proc/process.hpp"
#include "proc/scheduler.hpp"
#include "proc/user_memory.hpp"

#include <algorithm>

namespace proc::calls {

namespace {

/// Reads a message and looks its handles up. Errors: bad_address, invalid_argument (too many
/// handles), bad_handle, not_permitted (a handle that may not be given away).
Result<void> read_message(const UserRange& range, Message& message) {
    abi::Message raw;
    TRY(range.copy_in(&raw));
    if (raw.handle_count > abi::message_handles) return Error::invalid_argument;
    Process& process = current_process();
    message.sender = static_cast<std::uint32_t>(process.id());
    std::ranges::copy(raw.words, message.words.begin());
    for (std::uint32_t i = 0; i < raw.handle_count; ++i) {
        Result<Grant> grant = process.handles().grant(raw.handles[i], abi::right_duplicate);
        if (!grant) {
            message.drop_grants();
            return grant.error();
        }
        message.grants[i] = std::move(*grant);
        message.grant_count = i + 1;
    }
    return {};
}

/// Gives the running thread's message to user space: handles first, which are taken back when the
/// rest fails. Errors: bad_address; limit_reached, no_memory (for handles).
Result<void> write_message(const UserRange& range, Message& message) {
    HandleTable& handles = current_process().handles();
    abi::Message raw{};
    std::ranges::copy(message.words, raw.words);
    raw.sender = message.sender;
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
        const Result<void> copied = range.copy_out(&raw);
        if (copied) return {};
        error = copied.error();
    }
    for (std::uint32_t i = 0; i < raw.handle_count; ++i)
        static_cast<void>(handles.remove(raw.handles[i]));
    return error;
}

} // namespace

Answer endpoint_create() {
    Process& process = current_process();
    const Ref<Endpoint> endpoint = TRY(Endpoint::create(process));
    return process.handles().insert(Grant(*endpoint, abi::right_all));
}

Answer call(std::uint64_t handle, std::uint64_t address) {
    const auto endpoint = TRY(current_process().handles().find<Endpoint>(handle, abi::right_send));
    const UserRange range = TRY(UserRange::make(address, sizeof(abi::Message)));
    Message& message = port::current_thread().message;
    TRY(read_message(range, message));
    TRY(endpoint->call());
    return write_message(range, message);
}

Answer receive(std::uint64_t handle, std::uint64_t address) {
    HandleTable& handles = current_process().handles();
    const auto endpoint = TRY(handles.find<Endpoint>(handle, abi::right_receive));
    const UserRange range = TRY(UserRange::make(address, sizeof(abi::Message)));
    TRY(endpoint->receive());

    // From here on the token alone holds the call: if it ends, the caller wakes with peer_closed.
    Thread& self = port::current_thread();
    const auto token = handles.insert(Grant(std::move(self.caller)));
    if (!token) {
        self.message.drop_grants();
        return token.error();
    }
    if (const auto written = write_message(range, self.message); !written) {
        static_cast<void>(handles.remove(*token));
        return written.error();
    }
    return *token;
}

Answer reply(std::uint64_t token, std::uint64_t address) {
    const UserRange range = TRY(UserRange::make(address, sizeof(abi::Message)));
    Message message;
    TRY(read_message(range, message));
    // Whoever takes the token out answers; a message that can't be sent leaves it valid.
    return reply_to(TRY(current_process().handles().remove(token, ObjectKind::reply)),
                    std::move(message));
}

Answer notification_create() {
    Process& process = current_process();
    const Ref<Notification> notification = TRY(Notification::create(process));
    return process.handles().insert(Grant(*notification, abi::right_all));
}

Answer signal(std::uint64_t handle, std::uint64_t bits) {
    const auto notification =
        TRY(current_process().handles().find<Notification>(handle, abi::right_send));
    if (bits == 0 || (bits & ~Notification::bits_mask) != 0) return Error::invalid_argument;
    notification->signal(bits);
    return std::uint64_t{0};
}

Answer wait(std::uint64_t handle) {
    const auto notification =
        TRY(current_process().handles().find<Notification>(handle, abi::right_receive));
    return notification->wait();
}

} // namespace proc::calls
