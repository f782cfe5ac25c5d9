// SPDX-License-Identifier: MIT
// The system calls as functions with types. src/abi/system_calls.def says what each one does.
#pragma once

#include "abi/types.hpp"
#include "lib/address.hpp"
#include "lib/result.hpp"
#include "user/lib/system_call.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace user {

/// A system call's result register as a Result.
inline Result<std::uint64_t> checked(std::int64_t word) {
    if (word < 0) return static_cast<Error>(-word);
    return static_cast<std::uint64_t>(word);
}
inline Result<void> checked_void(std::int64_t word) {
    if (word < 0) return static_cast<Error>(-word);
    return {};
}

using Call = abi::SystemCall;

// ---- memory ----------------------------------------------------------------------------------

struct MapOptions {
    std::uint64_t address = 0; ///< first-fit: at or above; down: below; fixed, replace: exactly
    std::uint32_t access = abi::access_read | abi::access_write;
    std::uint32_t flags = 0;     ///< abi::MapFlag
    std::uint64_t alignment = 0; ///< bytes; 0: the natural one
};

/// What memory mapped with abi::map_huge is made of where it fits.
inline constexpr std::uint64_t large_page = 2 << 20;

/// Maps lazy zero memory; `bytes` is a multiple of the page size.
inline Result<std::uint64_t> map(std::uint64_t bytes, const MapOptions& options = {}) {
    return checked(system_call<Call::map>(options.address, bytes, options.access, options.flags,
                                          options.alignment));
}
/// Continues the mapping that ends at `end` by zero pages with the same rights; gives `end`.
inline Result<std::uint64_t> grow(std::uint64_t end, std::uint64_t bytes) {
    return checked(system_call<Call::map>(end, bytes, 0, abi::map_grow, 0));
}
/// Continues the mapping that begins at `start` downwards; gives its new beginning.
inline Result<std::uint64_t> grow_down(std::uint64_t start, std::uint64_t bytes) {
    return checked(system_call<Call::map>(start, bytes, 0, abi::map_grow | abi::map_down, 0));
}
inline Result<void> unmap(std::uint64_t address, std::uint64_t bytes) {
    return checked_void(system_call<Call::unmap>(address, bytes));
}
inline Result<void> protect(std::uint64_t address, std::uint64_t bytes, std::uint32_t access) {
    return checked_void(system_call<Call::protect>(address, bytes, access));
}
inline Result<void> discard(std::uint64_t address, std::uint64_t bytes) {
    return checked_void(system_call<Call::discard>(address, bytes));
}
/// Runs at or above `address`, of the own process when `process` is no_handle; of the kernel's half
/// by the power over the machine.
inline Result<std::span<abi::Run>> query(abi::Handle process, std::uint64_t address,
                                         std::span<abi::Run> runs) {
    const auto written =
        TRY(checked(system_call<Call::query>(process, address, runs.data(), runs.size())));
    return runs.first(written);
}
inline Result<abi::Run> nearest(abi::Handle process, std::uint64_t address,
                                abi::Direction direction) {
    abi::Run run{};
    TRY(checked_void(system_call<Call::nearest>(process, address, direction, &run)));
    return run;
}
/// Maps a memory object from `offset` on, to its end when `bytes` is 0. `flags`: abi::MapFlag.
inline Result<std::uint64_t> map_object(abi::Handle object, std::uint64_t address,
                                        std::uint64_t bytes, std::uint32_t access,
                                        std::uint32_t flags = 0, std::uint64_t offset = 0) {
    return checked(system_call<Call::map_object>(object, address, bytes, access, flags, offset));
}
/// Moves a mapping, and makes it one of `new_bytes`; gives its address. `flags`: none, so that it
/// stays if it has room; fixed or replace: to exactly that address.
inline Result<std::uint64_t> remap(std::uint64_t address, std::uint64_t bytes,
                                   std::uint64_t new_bytes, std::uint32_t flags = 0,
                                   std::uint64_t to = 0) {
    return checked(system_call<Call::remap>(address, bytes, new_bytes, flags, to));
}
/// Rights that `share` cuts nothing off.
inline constexpr std::uint32_t all_access =
    abi::access_read | abi::access_write | abi::access_execute;
/// Lets a process (no_handle: this one) have a mapping too; with map_move, alone. Gives its address
/// there.
inline Result<std::uint64_t> share(abi::Handle process, std::uint64_t address, std::uint64_t bytes,
                                   std::uint32_t access = all_access, std::uint32_t flags = 0,
                                   std::uint64_t to = 0) {
    return checked(system_call<Call::share>(process, address, bytes, access, flags, to));
}
/// Makes memory that can be mapped by whoever has a handle to it.
inline Result<abi::Handle> memory_create(std::uint64_t bytes) {
    return checked(system_call<Call::object_create>(abi::ObjectKind::memory, bytes));
}
inline Result<void> object_resize(abi::Handle object, std::uint64_t bytes) {
    return checked_void(system_call<Call::object_resize>(object, bytes));
}
inline Result<abi::ObjectInfo> object_info(abi::Handle object) {
    abi::ObjectInfo info{};
    TRY(checked(system_call<Call::object_info>(object, &info, sizeof info)));
    return info;
}
inline Result<abi::MemoryInfo> memory_info() {
    abi::MachineInfo info{};
    TRY(checked(system_call<Call::machine_info>(&info, sizeof info)));
    return info.memory;
}

// ---- threads and time ------------------------------------------------------------------------

inline Result<abi::Handle> thread_create(std::uint64_t entry, std::uint64_t stack,
                                         std::uint64_t argument, std::uint64_t priority) {
    return checked(system_call<Call::thread_create>(entry, stack, argument, priority));
}
[[noreturn]] inline void thread_exit(std::uint64_t code) {
    system_call<Call::thread_exit>(code);
    __builtin_trap();
}
inline Result<std::uint64_t> thread_join(abi::Handle thread) {
    return checked(system_call<Call::wait>(thread));
}
/// Lets other threads of this priority run.
inline void yield() { system_call<Call::thread_sleep>(0); }
inline Result<void> sleep(std::uint64_t nanoseconds) {
    return checked_void(system_call<Call::thread_sleep>(nanoseconds));
}
inline Result<std::uint64_t> thread_priority(abi::Handle thread, std::uint64_t priority) {
    return checked(system_call<Call::thread_priority>(thread, priority));
}
/// The processor that runs a thread, or ran it last; no_handle: the calling thread's.
inline Result<std::uint64_t> thread_processor(abi::Handle thread) {
    return checked(system_call<Call::thread_affinity>(thread, 0, 0));
}
/// Says which processors may run a thread: see abi::processor_set_bytes.
inline Result<std::uint64_t> thread_affinity(abi::Handle thread,
                                             std::span<const std::uint8_t> processors) {
    return checked(
        system_call<Call::thread_affinity>(thread, processors.data(), processors.size()));
}
/// Says where the calling thread takes its faults; entry 0: nowhere. See user/lib/upcall.hpp.
inline Result<void> thread_upcalls(std::uint64_t entry, std::uint64_t stack, std::uint64_t bytes,
                                   VirtRange runtime) {
    return checked_void(system_call<Call::thread_upcalls>(entry, stack, bytes, runtime.start.value,
                                                          runtime.bytes()));
}
inline Result<abi::MachineInfo> machine_info() {
    abi::MachineInfo info{};
    TRY(checked(system_call<Call::machine_info>(&info, sizeof info)));
    return info;
}
/// Nanoseconds since boot.
inline std::uint64_t clock() { return static_cast<std::uint64_t>(system_call<Call::clock>()); }

// ---- processes -------------------------------------------------------------------------------

inline std::uint64_t process_id() {
    return static_cast<std::uint64_t>(system_call<Call::process_id>());
}
inline Result<abi::Handle> spawn_plan(const abi::SpawnPlan& plan) {
    return checked(system_call<Call::spawn>(&plan, sizeof plan));
}
/// The system call alone: the copy's handle, or 0 in the copy. Programs use user/lib/fork.hpp.
inline Result<abi::Handle> fork_process() { return checked(system_call<Call::fork>()); }
/// Ends the process at once; `user::exit` writes out buffered text first.
[[noreturn]] inline void process_exit(std::int64_t status) {
    system_call<Call::process_kill>(abi::no_handle, status);
    __builtin_trap();
}
/// Ends another process.
inline Result<void> process_kill(abi::Handle process, std::int64_t status) {
    if (process == abi::no_handle) return Error::bad_handle; // not by mistake the own
    return checked_void(system_call<Call::process_kill>(process, status));
}
/// Waits for a process's end; gives its status.
inline Result<std::int32_t> process_wait(abi::Handle process) {
    const auto word = TRY(checked(system_call<Call::wait>(process)));
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(word));
}
inline Result<abi::ProcessInfo> process_info(abi::Handle process) {
    abi::ProcessInfo info{};
    TRY(checked(system_call<Call::process_info>(process, &info, sizeof info)));
    return info;
}

// ---- handles, endpoints, notifications -------------------------------------------------------

inline Result<void> handle_close(abi::Handle handle) {
    return checked_void(system_call<Call::handle_close>(handle));
}
inline Result<abi::Handle> handle_duplicate(abi::Handle handle, std::uint32_t rights) {
    return checked(system_call<Call::handle_duplicate>(handle, rights));
}
inline Result<abi::Handle> endpoint_create() {
    return checked(system_call<Call::object_create>(abi::ObjectKind::endpoint, 0));
}
/// Sends a message, whole where it is more than the words that travel in registers; what comes back
/// replaces it.
template <Call which>
Result<void> exchange(abi::Handle endpoint, abi::Message& message) {
    const auto address = reinterpret_cast<std::uintptr_t>(&message);
    std::uint64_t more = message.handle_count | message.call;
    for (unsigned i = abi::register_words; i < abi::message_words; ++i) more |= message.words[i];
    std::uint64_t words[] = {message.words[0], message.words[1], message.words[2],
                             message.words[3]};
    const std::uint64_t heard = TRY(checked(
        message_call<which>(endpoint, more != 0 ? address | abi::message_whole : address, words)));
    message.call = abi::no_handle;
    if ((heard & abi::heard_whole) != 0) return {}; // it was written
    message = {};
    for (unsigned i = 0; i < abi::register_words; ++i) message.words[i] = words[i];
    message.sender = static_cast<std::uint32_t>(heard);
    return {};
}
/// Sends `message` and waits; the reply replaces it.
inline Result<void> call(abi::Handle endpoint, abi::Message& message) {
    return exchange<Call::call>(endpoint, message);
}
/// Answers the call that was received last, if one was, with `message`, and waits for the next,
/// which replaces it.
inline Result<void> reply_receive(abi::Handle endpoint, abi::Message& message) {
    return exchange<Call::reply_receive>(endpoint, message);
}
/// Makes the call that was received last a handle, so that another can be received before it is
/// answered; closed, it is refused.
inline Result<abi::Handle> keep_call() {
    return checked(system_call<Call::handle_duplicate>(abi::received_call, 0));
}
/// Waits for a message. A call that was received before and not answered is refused.
inline Result<void> receive(abi::Handle endpoint, abi::Message& message) {
    if (const auto unanswered = keep_call()) TRY(handle_close(*unanswered));
    message = {};
    return reply_receive(endpoint, message);
}
/// Answers a call that was kept, or the one that was received last.
inline Result<void> reply(const abi::Message& message, abi::Handle call = abi::received_call) {
    abi::Message answer = message;
    answer.call = call == abi::received_call ? abi::no_handle : call;
    return reply_receive(abi::no_handle, answer);
}
inline Result<abi::Handle> notification_create() {
    return checked(system_call<Call::object_create>(abi::ObjectKind::notification, 0));
}
inline Result<void> signal(abi::Handle notification, std::uint64_t bits) {
    return checked_void(system_call<Call::signal>(notification, bits));
}
inline Result<std::uint64_t> wait(abi::Handle notification) {
    return checked(system_call<Call::wait>(notification));
}

// ---- the machine -----------------------------------------------------------------------------

inline Result<std::uint64_t> console_write(abi::Handle console, std::string_view text) {
    return checked(system_call<Call::console_write>(console, text.data(), text.size()));
}
/// Waits for at least one byte.
inline Result<std::span<char>> console_read(abi::Handle console, std::span<char> buffer) {
    const auto bytes =
        TRY(checked(system_call<Call::console_read>(console, buffer.data(), buffer.size())));
    return buffer.first(bytes);
}
inline Result<std::uint64_t> boot_words(std::span<char> buffer) {
    return checked(system_call<Call::boot_words>(buffer.data(), buffer.size()));
}
inline Result<void> power(abi::Handle handle, abi::Power action) {
    return checked_void(system_call<Call::power>(handle, action));
}

} // namespace user
