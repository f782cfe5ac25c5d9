// SPDX-License-Identifier: MIT
// The process directory's client side.
#include "user/lib/directory.hpp"

#include "user/lib/directory_protocol.hpp"
#include "user/lib/program.hpp"

#include <bit>

namespace user::directory {

namespace {

/// Sends one request; `message` holds the arguments, then the answer.
Result<void> ask(DirectoryOperation operation, abi::Message& message) {
    message.words[0] = static_cast<std::uint64_t>(operation);
    TRY(call(handles.directory, message));
    if (message.words[0] != 0) return static_cast<Error>(message.words[0]);
    return {};
}

Result<abi::Message> ask(DirectoryOperation operation, std::uint64_t argument) {
    abi::Message message{};
    message.words[1] = argument;
    TRY(ask(operation, message));
    return message;
}

Result<abi::Run> ask_run(DirectoryOperation operation, std::uint64_t address) {
    const auto answer = TRY(ask(operation, address));
    abi::Run run;
    __builtin_memcpy(&run, answer.words + 1, sizeof run);
    return run;
}

} // namespace

std::string_view Entry::name_view() const {
    const std::string_view whole(name.data(), name.size());
    return whole.substr(0, whole.find('\0'));
}

Result<std::uint64_t> enroll(abi::Handle process) {
    abi::Message message{};
    message.handles[0] = process;
    message.handle_count = 1;
    TRY(ask(DirectoryOperation::enroll, message));
    return message.words[1];
}

Result<void> remove(std::uint64_t id) {
    TRY(ask(DirectoryOperation::remove, id));
    return {};
}

Result<Entry> next(std::uint64_t id) {
    const auto answer = TRY(ask(DirectoryOperation::next, id));
    Entry entry{answer.words[1], answer.words[2], {}};
    __builtin_memcpy(entry.name.data(), answer.words + 3, abi::name_limit);
    return entry;
}

Result<State> state(std::uint64_t id) {
    const auto answer = TRY(ask(DirectoryOperation::state, id));
    const std::uint64_t* word = answer.words;
    return State{word[1], word[2], word[3], word[4], word[5], word[6], word[7]};
}

Result<OwnedHandle> find(std::uint64_t id) {
    const auto answer = TRY(ask(DirectoryOperation::find, id));
    if (answer.handle_count != 1) return Error::bad_format;
    return OwnedHandle(answer.handles[0]);
}

Result<abi::Run> init_run(std::uint64_t address) {
    return ask_run(DirectoryOperation::own_runs, address);
}

Result<abi::Run> kernel_run(std::uint64_t address) {
    return ask_run(DirectoryOperation::kernel_runs, address);
}

Result<void> power(abi::Power action) {
    TRY(ask(DirectoryOperation::power, static_cast<std::uint64_t>(action)));
    return {};
}

Result<std::uint64_t> boot_time() { return TRY(ask(DirectoryOperation::boot_time, 0)).words[1]; }

} // namespace user::directory
