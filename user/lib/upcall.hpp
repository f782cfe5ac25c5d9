// SPDX-License-Identifier: MIT
// A thread's own handler for its own faults: repair and go on, skip, or change registers.
#pragma once

#include "abi/upcall.hpp"
#include "lib/address.hpp"
#include "lib/result.hpp"

#include <cstdint>
#include <utility>

namespace user {

/// What happened, and the thread as it was; see abi::UpcallFrame.
using UpcallFrame = abi::UpcallFrame;

/// Looks at a fault. True: the thread goes on with what stands in the frame. False: not mine, so
/// the process ends by it, with the kernel's report.
///
/// Runs on the upcall stack. Any code may be called: vector registers and modes are saved around
/// it. Its own faults come to it too, until the stack is used up. It must not wait for what the
/// interrupted code holds: a lock, the heap, buffered output.
using UpcallHandler = bool (*)(UpcallFrame& frame);

/// Usable bytes of an upcall stack; one guard page lies below.
inline constexpr std::uint64_t upcall_stack_bytes = 60 * 1024;

/// The program's own instructions, as the runtime that alone makes system calls.
VirtRange own_code();

/// The calling thread's handler, for a scope. A thread has one at a time: the last one set.
class Upcalls {
public:
    /// System calls made outside `runtime` are faults, too; empty: all are the kernel's.
    /// Errors: no_memory, limit_reached, no_space.
    static Result<Upcalls> install(UpcallHandler handler, VirtRange runtime = {});
    /// The same for an entry in assembly that gets the thread as the kernel left it: RSP at the
    /// frame, 16-aligned, every other register (the flags aside) still the interrupted code's. It
    /// ends with the system call upcall_return.
    static Result<Upcalls> install_raw(const void* entry, VirtRange runtime = {});

    Upcalls(Upcalls&& other) noexcept : stack_(std::exchange(other.stack_, 0)) {}
    Upcalls& operator=(Upcalls&&) = delete;
    /// Precondition: in the thread that installed it, not in its handler.
    ~Upcalls();

private:
    explicit Upcalls(std::uint64_t stack) : stack_(stack) {}
    std::uint64_t stack_; ///< lowest address, the guard's
};

} // namespace user
