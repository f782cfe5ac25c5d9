// SPDX-License-Identifier: MIT
// Process: an address space and handles, used by threads.
#pragma once

#include "proc/arenas.hpp"
#include "proc/handles.hpp"
#include "proc/limits.hpp"
#include "proc/thread.hpp"
#include "vm/lock.hpp"
#include "vm/space.hpp"

#include <optional>
#include <string_view>

namespace proc {

/// Rights of the handle to a new process.
inline constexpr std::uint32_t process_rights =
    abi::right_inspect | abi::right_control | abi::right_duplicate;

/// Life: created (no thread) -> running -> ending (told to end, or by its last thread's end) ->
/// exited (no thread, no memory, no handle; the status stays for who holds a handle).
/// Its threads hold references to it, so it stays until the last of them was reaped.
class Process : public Object {
public:
    static constexpr ObjectKind object_kind = ObjectKind::process;

    /// How many threads a process can have.
    static constexpr std::uint64_t thread_limit = 1024;

    /// A process without threads, with an empty map. `name` is cut, and stripped of what can't be
    /// printed. Errors: no_memory, limit_reached.
    static Result<Ref<Process>> create(std::string_view name, Limits limits);

    /// A process without threads: this one's name and limits, a copy of its map and of its handles.
    /// Called by one of its threads. Errors: no_memory, limit_reached.
    Result<Ref<Process>> fork();

    /// For `make` and the end of the last reference.
    Process() : Object(ObjectKind::process), handles_(space_.account()) {}
    ~Process();

    std::uint64_t id() const { return id_; }
    const char* name() const { return name_; }
    unsigned priority_maximum() const { return limits_.priority; }
    const Limits& limits() const { return limits_; }
    /// The map. Safe to use for its own threads; others use `query` and `nearest`.
    vm::AddressSpace& space() { return space_; }
    const vm::AddressSpace& space() const { return space_; }
    HandleTable& handles() { return handles_; }

    /// Whether it was told to end.
    bool killed() const { return killed_.load(); }

    /// Takes a thread in. Errors: interrupted (ending), limit_reached. Takes process rank.
    Result<void> add_thread(Thread& thread);
    /// Tells it to end, with this status unless another came first; wakes all its threads, which
    /// end at the boundary to user mode. The caller's own thread goes on until there.
    void end(std::uint32_t status);
    /// Called by the reaper for a thread that was switched away from for ever. The last one's
    /// code is the status, unless `end` was called.
    void reap_thread(Thread& thread, std::uint32_t code);

    /// Waits for the end; gives the status. Error: interrupted.
    Result<std::uint32_t> wait();
    /// Waits until a thread of this process was reaped; gives its code. Error: interrupted.
    Result<std::uint32_t> join(Thread& thread);

    /// As the map's own, from any process; nothing once it has exited.
    std::size_t query(VirtAddr from, std::span<abi::Run> runs);
    std::optional<abi::Run> nearest(VirtAddr address, abi::Direction direction);
    /// Memory that the caller's process gives it: AddressSpace::move_to, or share_with. Error,
    /// beside theirs: not_found (it has ended).
    Result<VirtAddr> receive(Process& from, const vm::TransferRequest& request, bool moves);
    abi::ProcessInfo info();
    /// What its map holds; nothing once it has exited.
    vm::AddressSpace::Counts map_counts();
    /// For validate_spaces.
    void validate_space();

    ListHook<Process> directory_hook{}; ///< the directory's, under its lock

private:
    /// A process without a map.
    static Result<Ref<Process>> make(std::string_view name, Limits limits);
    /// It has its map: from here on others can look at it.
    void open();
    /// Everything a process has but its record; the last thread is gone.
    void finish();

    struct State {
        List<Thread, &Thread::process_hook> threads;
        std::uint64_t thread_count = 0;
        Arenas arenas; ///< of its threads
        List<Thread, &Thread::wait_hook> waiters;
        std::uint64_t ended_time = 0; ///< processor time of threads that were reaped
        std::uint64_t ended_faults = 0;
        std::uint32_t status = 0;
        bool ending = false;     ///< takes no more threads; `status` stands
        bool space_open = false; ///< the map can be looked at
        bool exited = false;
    };

    Limits limits_; ///< outlives the account that counts against it
    vm::AddressSpace space_;
    HandleTable handles_; ///< pays from space_'s account
    Charge charge_;
    vm::Guarded<State, vm::Rank::process> state_;
    std::atomic<bool> killed_{false}; ///< read without the lock by its threads
    std::uint64_t id_ = 0;
    char name_[abi::name_limit] = {};
};

inline bool Thread::killed() const { return process_ && process_->killed(); }

/// Called once before the first process of a machine (hosted, one boots after the other).
void initialise_processes();

/// Panics if the map of any process, or the kernel's, does not agree with what is kept beside its
/// entries. In builds that validate (vm/validate.hpp) only. Takes directory rank.
void validate_spaces();

/// What the maps of all spaces hold, the kernel's included. Takes directory rank.
vm::AddressSpace::Counts map_counts();

} // namespace proc
