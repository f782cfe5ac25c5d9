// SPDX-License-Identifier: MIT
// What is typed: read by a thread of its own, so that Ctrl-C is seen while a program runs.
#pragma once

#include "lib/result.hpp"
#include "user/lib/calls.hpp"
#include "user/lib/mutex.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <span>

namespace sh {

/// The program that the shell waits for, if any: what Ctrl-C ends.
class Foreground {
public:
    /// `process` stays valid until `clear`.
    void set(abi::Handle process);
    void clear();
    /// Ends the program, if there is one.
    bool interrupt();

private:
    user::Mutex mutex_;
    abi::Handle process_ = abi::no_handle;
};

/// Characters on their way from the console to the prompt.
class Input {
public:
    explicit Input(Foreground& foreground) : foreground_(foreground) {}
    Input(const Input&) = delete;
    Input& operator=(const Input&) = delete;

    /// Starts reading. The object then lives as long as the program. Errors: what the console said
    /// (not_permitted: this program may only write), no_memory.
    Result<void> start(abi::Handle console);
    /// Waits for at least one character; gives what there is.
    std::span<char> read(std::span<char> buffer);
    /// Whether Ctrl-C was typed since the last call while no prompt waited.
    bool take_interrupt() { return interrupted_.exchange(false); }
    bool interrupt_pending() const { return interrupted_.load(); }

private:
    static void run(void* self);
    void pump();
    void accept(char c);

    Foreground& foreground_;
    abi::Handle console_ = abi::no_handle;
    abi::Handle arrived_ = abi::no_handle; ///< notification: there are characters
    std::atomic<bool> interrupted_{false};
    std::atomic<bool> prompting_{false}; ///< somebody waits in `read`

    user::Mutex mutex_; ///< for the characters
    std::array<char, 1024> ring_{};
    std::size_t first_ = 0;
    std::size_t count_ = 0;
};

} // namespace sh
