// SPDX-License-Identifier: MIT
// Calls about threads.
#include "proc/calls/calls.hpp"
#include "proc/process.hpp"
#include "proc/processor.hpp"
#include "proc/scheduler.hpp"
#include "proc/user_memory.hpp"

#include <array>

namespace proc::calls {

namespace {

/// First address after those that user code may use: a stack may begin there.
constexpr std::uint64_t user_end = vm::user_range.end.value;

/// Rights of the handle to a new thread.
constexpr std::uint32_t thread_rights =
    abi::right_inspect | abi::right_control | abi::right_duplicate;

} // namespace

Answer thread_create(std::uint64_t entry, std::uint64_t stack, std::uint64_t argument,
                     std::uint64_t priority) {
    Process& process = current_process();
    if (entry >= user_end || stack > user_end) return Error::bad_address;
    if (priority >= abi::priority_count) return Error::invalid_argument;
    if (priority > process.priority_maximum()) return Error::not_permitted;
    const port::UserStart start{
        .entry = VirtAddr{entry}, .stack = VirtAddr{stack}, .arguments = {argument, 0}};
    const auto thread = TRY(Thread::create(process, start, static_cast<unsigned>(priority)));
    const abi::Handle handle = TRY(process.handles().insert(Grant(*thread, thread_rights)));
    if (const auto launched = thread->launch(); !launched) {
        static_cast<void>(process.handles().remove(handle));
        return launched.error();
    }
    return handle;
}

Answer thread_exit(std::uint64_t code) { exit_thread(static_cast<std::uint32_t>(code)); }

Answer thread_sleep(std::uint64_t nanoseconds) {
    if (nanoseconds != 0) return sleep(nanoseconds);
    yield();
    return std::uint64_t{0};
}

Answer thread_priority(std::uint64_t handle, std::uint64_t priority) {
    if (priority >= abi::priority_count) return Error::invalid_argument;
    Ref<Thread> thread(port::current_thread());
    if (handle != abi::no_handle)
        thread = TRY(current_process().handles().find<Thread>(handle, abi::right_control));
    if (priority > thread->process()->priority_maximum()) return Error::not_permitted;
    return std::uint64_t{set_priority(*thread, static_cast<unsigned>(priority))};
}

Answer thread_affinity(std::uint64_t handle, std::uint64_t address, std::uint64_t bytes) {
    Ref<Thread> thread(port::current_thread());
    if (handle != abi::no_handle) {
        const std::uint32_t needed = bytes == 0 ? abi::right_inspect : abi::right_control;
        thread = TRY(current_process().handles().find<Thread>(handle, needed));
    }
    const std::uint64_t processor = thread->cpu;
    if (bytes == 0) return processor;
    if (bytes > abi::processor_set_bytes) return Error::too_large;
    std::array<std::uint8_t, abi::processor_set_bytes> bits{};
    const UserRange range = TRY(UserRange::make(address, bytes));
    TRY(range.copy_in(bits.data()));
    vm::CpuSet cpus;
    for (unsigned cpu = 0; cpu < vm::port::cpu_limit; ++cpu)
        if ((bits[cpu / 8] >> (cpu % 8) & 1) != 0) cpus.add(cpu);
    if (!any_processor_of(cpus)) return Error::invalid_argument;
    set_affinity(*thread, cpus);
    return processor;
}

} // namespace proc::calls
