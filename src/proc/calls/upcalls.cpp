// SPDX-License-Identifier: MIT
// Calls about upcalls: where a thread takes its faults, and its way back.
#include "proc/calls/calls.hpp"
#include "proc/scheduler.hpp"
#include "proc/upcall.hpp"
#include "proc/user_memory.hpp"

namespace proc::calls {

namespace {

constexpr std::uint64_t user_end = vm::user_range.end.value;
constexpr std::uint64_t system_call_bytes = 2; // of the instruction

Result<VirtRange> user_range_of(std::uint64_t start, std::uint64_t bytes) {
    TRY(UserRange::make(start, bytes));
    return VirtRange{VirtAddr{start}, VirtAddr{start + bytes}};
}

} // namespace

Answer thread_upcalls(std::uint64_t entry, std::uint64_t stack, std::uint64_t bytes,
                      std::uint64_t runtime, std::uint64_t runtime_bytes) {
    Thread& self = port::current_thread();
    VirtRange code{};
    if (runtime_bytes != 0) {
        // Nobody could answer what comes from elsewhere, or everything does.
        if (entry == 0 || runtime_bytes < system_call_bytes) return Error::invalid_argument;
        code = TRY(user_range_of(runtime, runtime_bytes));
    }
    UpcallHandler handler{};
    if (entry != 0) {
        if (entry >= user_end) return Error::bad_address;
        if (bytes < upcall_frame_room) return Error::invalid_argument;
        handler = {.entry = VirtAddr{entry}, .stack = TRY(user_range_of(stack, bytes))};
    }
    self.upcalls = handler;
    port::set_runtime(self.machine, code);
    return std::uint64_t{0};
}

Answer upcall_return(std::uint64_t frame) {
    // All of it is written before any is read.
    alignas(upcall_frame_alignment) abi::UpcallFrame registers [[gnu::uninitialized]];
    if (const auto copied = copy_in(frame, registers); !copied) return copied;
    if (registers.rip >= user_end) return Error::bad_address;
    if ((registers.rflags & ~free_user_flags) != fixed_user_flags) return Error::not_permitted;
    port::resume_user(registers);
}

} // namespace proc::calls
