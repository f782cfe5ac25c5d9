// SPDX-License-Identifier: MIT
// Fibers: the hosted machine's kernel stacks. One runs at a time, on the thread of the test.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>

#include <ucontext.h>

namespace shim {

/// A stack of its own and where it goes on.
class Fiber {
public:
    /// A fiber that runs `body` when first switched to. The body must not return.
    explicit Fiber(std::function<void()> body);
    ~Fiber();
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    /// Saves the running fiber and goes on with this one.
    void resume();
    /// The running fiber; null on the test's own stack.
    static Fiber* running();

    /// Runs a body on a fiber, from the test's own stack, until the body of any fiber returns or
    /// throws. What was thrown is thrown here. All fibers are then gone for good: none is resumed.
    static void run(std::function<void()> body);

private:
    static void start();
    static void leave_for(Fiber* to);
    static void arrived();
    [[noreturn]] static void finish(std::exception_ptr reason);

    std::function<void()> body_;
    std::byte* stack_;
    ucontext_t context_{};
    void* fake_stack_ = nullptr; ///< AddressSanitizer's
};

} // namespace shim
