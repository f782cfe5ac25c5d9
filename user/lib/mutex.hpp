// SPDX-License-Identifier: MIT
// Mutual exclusion between threads of one process: tries a little, then lets others run.
#pragma once

#include "user/lib/calls.hpp"

#include <atomic>

namespace user {

/// Not recursive. A holder of lower priority than a waiter may be kept from running for long:
/// threads that share one should have the same priority.
class Mutex {
public:
    constexpr Mutex() = default;
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;

    void lock() {
        for (unsigned tries = 0; !try_lock(); ++tries) {
            if (tries < spin_limit) {
                __builtin_ia32_pause();
            } else if (tries < yield_limit) {
                yield();
            } else {
                (void)sleep(sleep_nanoseconds); // also lets lower priorities run
            }
        }
    }
    [[nodiscard]] bool try_lock() { return !held_.exchange(true, std::memory_order_acquire); }
    void unlock() { held_.store(false, std::memory_order_release); }

private:
    static constexpr unsigned spin_limit = 64;
    static constexpr unsigned yield_limit = 256;
    static constexpr std::uint64_t sleep_nanoseconds = 100'000;
    std::atomic<bool> held_{false};
};

/// Holds a Mutex for a scope.
class [[nodiscard]] MutexLock {
public:
    explicit MutexLock(Mutex& mutex) : mutex_(mutex) { mutex_.lock(); }
    MutexLock(const MutexLock&) = delete;
    MutexLock& operator=(const MutexLock&) = delete;
    ~MutexLock() { mutex_.unlock(); }

private:
    Mutex& mutex_;
};

} // namespace user
