// SPDX-License-Identifier: MIT
// The process directory's server.
#include "user/init/server.hpp"

#include "user/lib/calls.hpp"
#include "user/lib/directory_protocol.hpp"
#include "user/lib/print.hpp"
#include "user/lib/start.hpp"

#include <span>

namespace init {

using user::DirectoryOperation;

void Server::serve() {
    abi::Message message{};
    for (;;) {
        // A caller that died meanwhile gets no answer and needs none.
        const auto received = user::reply_receive(endpoint_, message);
        given_.clear();
        if (!received) {
            user::print("init: cannot receive: {}\n", received.error());
            (void)user::sleep(1'000'000'000);
            message = {};
            continue;
        }
        const auto answered = answer(message);
        if (!answered) {
            message = {};
            message.words[0] = static_cast<std::uint64_t>(answered.error());
        }
    }
}

Result<void> Server::answer(abi::Message& message) {
    const auto operation = static_cast<DirectoryOperation>(message.words[0]);
    if (operation == DirectoryOperation::enroll) return answer_enroll(message);
    // Nothing else takes handles: what came along is closed.
    for (unsigned i = 0; i < message.handle_count; ++i) {
        (void)user::handle_close(message.handles[i]);
    }
    message.handle_count = 0;
    message.words[0] = 0;
    switch (operation) {
    case DirectoryOperation::enroll: break; // answered above
    case DirectoryOperation::remove: return processes_.remove(message.words[1]);
    case DirectoryOperation::next: return answer_next(message);
    case DirectoryOperation::state: return answer_state(message);
    case DirectoryOperation::find: return answer_find(message);
    case DirectoryOperation::own_runs: return answer_runs(message, false);
    case DirectoryOperation::kernel_runs: return answer_runs(message, true);
    case DirectoryOperation::power:
        return user::power(power_, static_cast<abi::Power>(message.words[1]));
    case DirectoryOperation::boot_time: message.words[1] = user::started_at; return {};
    }
    return Error::invalid_argument;
}

Result<void> Server::answer_enroll(abi::Message& message) {
    user::Vector<user::OwnedHandle> given;
    for (unsigned i = 0; i < message.handle_count; ++i) {
        given.push(user::OwnedHandle(message.handles[i]));
    }
    message.handle_count = 0;
    if (given.size() != 1) return Error::invalid_argument;
    const auto id = TRY(processes_.enroll(std::move(given[0]), message.sender));
    message.words[0] = 0;
    message.words[1] = id;
    return {};
}

Result<void> Server::answer_next(abi::Message& message) {
    const auto listed = TRY(processes_.next(message.words[1]));
    message.words[1] = listed.id;
    message.words[2] = listed.parent;
    __builtin_memcpy(message.words + 3, listed.name, sizeof listed.name);
    return {};
}

Result<void> Server::answer_state(abi::Message& message) {
    const auto info = TRY(processes_.info(message.words[1]));
    const std::uint64_t words[] = {0,           info.threads, info.committed, info.anonymous,
                                   info.tables, info.faults,  info.time,      info.exited};
    static_assert(sizeof words == sizeof message.words);
    __builtin_memcpy(message.words, words, sizeof words);
    return {};
}

Result<void> Server::answer_find(abi::Message& message) {
    constexpr std::uint32_t rights = abi::right_inspect | abi::right_control | abi::right_duplicate;
    auto process = TRY(processes_.find(message.words[1], rights));
    message.handles[0] = process.get();
    message.handle_count = 1;
    given_.push(std::move(process)); // closed after the reply
    return {};
}

Result<void> Server::answer_runs(abi::Message& message, bool kernel) {
    abi::Run run{};
    const std::span<abi::Run> one(&run, 1);
    const std::uint64_t address = message.words[1];
    const auto found = TRY(user::query(kernel ? power_ : abi::no_handle, address, one));
    if (found.empty()) return Error::not_found;
    __builtin_memcpy(message.words + 1, &run, sizeof run);
    return {};
}

} // namespace init
