// SPDX-License-Identifier: MIT
// Threads of a program: each runs a callable on its own stack, with a guard below it.
#pragma once

#include "lib/result.hpp"
#include "user/lib/calls.hpp"

#include <cstdint>
#include <utility>

namespace user {

/// Usable bytes of a thread's stack; one guard page lies below.
inline constexpr std::uint64_t thread_stack_bytes = 64 * 1024;

/// A running thread. Joined at the latest by the destructor.
class Thread {
public:
    using Function = void (*)(void* argument);

    /// Starts function(argument) in a thread of its own. Errors: no_memory, limit_reached,
    /// invalid_argument (priority above the process's own maximum).
    static Result<Thread> start(Function function, void* argument,
                                unsigned priority = abi::priority_default);
    /// The same for a callable, which must outlive the thread.
    template <typename Callable>
        requires requires(Callable& callable) { callable(); }
    static Result<Thread> start(Callable& callable, unsigned priority = abi::priority_default) {
        return start([](void* context) { (*static_cast<Callable*>(context))(); }, &callable,
                     priority);
    }

    Thread(Thread&& other) noexcept
        : handle_(std::exchange(other.handle_, abi::no_handle)),
          stack_(std::exchange(other.stack_, 0)) {}
    Thread& operator=(Thread&&) = delete;
    ~Thread() { (void)join(); }

    /// Waits for its end; gives its exit code. Later calls give bad_handle.
    Result<std::uint64_t> join();
    abi::Handle handle() const { return handle_; }

private:
    Thread(abi::Handle handle, std::uint64_t stack) : handle_(handle), stack_(stack) {}
    abi::Handle handle_;
    std::uint64_t stack_; ///< lowest address, the guard's
};

} // namespace user
