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
/// Runs at or above `address`, of the own process when `process` is no_handle.
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
/// Maps a memory object, whole when `bytes` is 0.
inline Result<std::uint64_t> map_object(abi::Handle object, std::uint64_t address,
                                        std::uint64_t bytes, std::uint32_t access) {
    return checked(system_call<Call::map_object>(object, address, bytes, access));
}
inline Result<abi::MemoryInfo> memory_info() {
    abi::MemoryInfo info{};
    TRY(checked(system_call<Call::memory_info>(&info, sizeof info)));
    return info;
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
    return checked(system_call<Call::thread_join>(thread));
}
inline void yield() { system_call<Call::thread_yield>(); }
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
/// Ends the process at once; `user::exit` writes out buffered text first.
[[noreturn]] inline void process_exit(std::int64_t status) {
    system_call<Call::process_exit>(status);
    __builtin_trap();
}
inline Result<void> process_kill(abi::Handle process, std::int64_t status) {
    return checked_void(system_call<Call::process_kill>(process, status));
}
/// Waits for a process's end; gives its status.
inline Result<std::int32_t> process_wait(abi::Handle process) {
    const auto word = TRY(checked(system_call<Call::process_wait>(process)));
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
    return checked(system_call<Call::endpoint_create>());
}
/// Sends `message` and waits; the reply replaces it.
inline Result<void> call(abi::Handle endpoint, abi::Message& message) {
    return checked_void(system_call<Call::call>(endpoint, &message));
}
/// Waits for a message; gives the token to reply with.
inline Result<std::uint64_t> receive(abi::Handle endpoint, abi::Message& message) {
    return checked(system_call<Call::receive>(endpoint, &message));
}
inline Result<void> reply(std::uint64_t token, const abi::Message& message) {
    return checked_void(system_call<Call::reply>(token, &message));
}
inline Result<abi::Handle> notification_create() {
    return checked(system_call<Call::notification_create>());
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
inline Result<std::span<abi::Run>> kernel_query(abi::Handle power_handle, std::uint64_t address,
                                                std::span<abi::Run> runs) {
    const auto written = TRY(
        checked(system_call<Call::kernel_query>(power_handle, address, runs.data(), runs.size())));
    return runs.first(written);
}

} // namespace user
