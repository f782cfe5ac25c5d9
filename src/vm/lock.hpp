// SPDX-License-Identifier: MIT
// Ranked spin locks: a CPU takes locks in rising rank only (tables: in rising address order within
// their rank). Ranks are checked at run time wherever the port keeps a record of them.
#pragma once

#include "vm/atomic.hpp"
#include "vm/port.hpp"

namespace vm {

/// Every lock has a rank; a lock may be taken only while none of the same or a higher rank is held.
/// `table` is the exception: a range operation holds many, from the top down and left to right.
enum class Rank : std::uint8_t {
    none,
    directory, ///< the list of all processes
    process,   ///< one process: its threads and state
    handles,   ///< one handle table
    endpoint,  ///< one endpoint or notification
    space,     ///< creation and end of one address space's root slots
    table,     ///< one table of a paging structure and its descriptor
    ids,       ///< one space's id table
    object,    ///< one memory object's resident pages, and who maps it
    users,     ///< the spaces that use each id table
    heap,      ///< the kernel heap
    slab,      ///< descriptors
    frames,    ///< one zone of the buddy allocator
    commit,    ///< the pool of commit credit
    timers,    ///< the timer queue
    run_queue, ///< one CPU's run queue
    log,       ///< the log's sinks
};

/// Whether locks check their ranks: in hosted tests and debug builds.
#if defined(TABULA_HOSTED) || defined(TABULA_DEBUG)
inline constexpr bool check_ranks = true;
#else
inline constexpr bool check_ranks = false;
#endif

/// Per CPU: which ranks are held, one bit each.
struct HeldRanks {
    std::uint32_t mask = 0;
    std::uint32_t tables = 0; ///< table locks held
};
HeldRanks& held_ranks();

#ifdef TABULA_HOSTED
/// Called when a lock was taken. Set while one thread runs only.
using LockWatcher = void (*)(const volatile void* lock);
inline constinit LockWatcher lock_watcher = nullptr;
#endif

/// A test-and-set lock. Interrupts are off in the kernel, so a holder is never preempted; who waits
/// still answers other CPUs' flushes, since the holder may wait for that answer.
template <Rank rank>
class SpinLock {
public:
    void lock() {
        enter();
        if (word_.exchange(1, std::memory_order_acquire) != 0) [[unlikely]]
            wait();
        tell_taken();
    }
    [[nodiscard]] bool try_lock() {
        if (word_.exchange(1, std::memory_order_acquire) != 0) return false;
        enter();
        tell_taken();
        return true;
    }
    void unlock() {
        leave();
        word_.store(0, std::memory_order_release);
    }
    bool locked() const { return word_.load(std::memory_order_relaxed) != 0; }

private:
    /// Apart, so that it costs nothing where nobody holds it.
    [[gnu::noinline, gnu::cold]] void wait() {
        do {
            while (word_.load(std::memory_order_relaxed) != 0) port::spin_wait();
        } while (word_.exchange(1, std::memory_order_acquire) != 0);
    }
    static constexpr std::uint32_t bit = 1U << static_cast<unsigned>(rank);
    static void enter() {
        if constexpr (!check_ranks) return;
        HeldRanks& held = held_ranks();
        const std::uint32_t forbidden = rank == Rank::table ? ~((bit << 1) - 1) : ~(bit - 1);
        require((held.mask & forbidden) == 0, "lock taken out of rank");
        held.mask |= bit;
        if constexpr (rank == Rank::table) ++held.tables;
    }
    void tell_taken() const {
#ifdef TABULA_HOSTED
        if (lock_watcher != nullptr) lock_watcher(&word_);
#endif
    }
    static void leave() {
        if constexpr (!check_ranks) return;
        HeldRanks& held = held_ranks();
        if constexpr (rank == Rank::table) {
            if (--held.tables != 0) return;
        }
        held.mask &= ~bit;
    }
    Atomic<std::uint32_t> word_{0};
};

/// Holds a lock for a scope.
template <typename Lock>
class [[nodiscard]] Guard {
public:
    explicit Guard(Lock& lock) : lock_(lock) { lock_.lock(); }
    ~Guard() { lock_.unlock(); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

private:
    Lock& lock_;
};

/// Data that only its lock hands out: `auto data = guarded.lock(); data->…`.
template <typename T, Rank rank>
class Guarded {
public:
    class [[nodiscard]] Access {
    public:
        explicit Access(Guarded& owner) : owner_(owner) { owner_.lock_.lock(); }
        ~Access() { owner_.lock_.unlock(); }
        Access(const Access&) = delete;
        Access& operator=(const Access&) = delete;
        T* operator->() { return &owner_.value_; }
        T& operator*() { return owner_.value_; }

    private:
        Guarded& owner_;
    };
    Access lock() { return Access{*this}; }

private:
    SpinLock<rank> lock_;
    T value_{};
};

} // namespace vm
