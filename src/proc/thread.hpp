// SPDX-License-Identifier: MIT
// Thread: a stream of execution in a process, with its kernel stack.
#pragma once

#include "proc/charge.hpp"
#include "proc/list.hpp"
#include "proc/message.hpp"
#include "proc/object.hpp"
#include "proc/port.hpp"
#include "proc/upcall.hpp"
#include "vm/published.hpp"
#include "vm/translations.hpp"

#include <atomic>

namespace proc {

class Process;
class RunQueue;
class Thread;

/// Where a thread stands with the scheduler. blocked -> ready is claimed by exactly one waker.
enum class RunState : std::uint8_t {
    running, ///< on its CPU
    ready,   ///< in a run queue, or about to be put there by who claimed it
    blocked, ///< waits to be claimed
    ended,   ///< never runs again
};

/// The right to answer one call, as an object: what a handle to a call that was kept refers to.
/// Stands in the calling thread and keeps it in memory. When it ends unused, the caller wakes with
/// peer_closed.
class Reply : public Object {
public:
    static constexpr ObjectKind object_kind = ObjectKind::reply;
    explicit Reply(Thread& caller) : Object(ObjectKind::reply, 0), caller_(caller) {}
    /// Comes to life for one call; takes a reference to the caller over, and gives its own only
    /// one.
    Ref<Reply> open();
    Thread& caller() { return caller_; }

private:
    friend class Object;
    void end();
    Thread& caller_;
};

class Thread : public Object {
public:
    static constexpr ObjectKind object_kind = ObjectKind::thread;

    /// A thread of `process` that will begin at `start` in user mode, once `launch` is called.
    /// Errors: no_memory, limit_reached.
    static Result<Ref<Thread>> create(Process& process, const port::UserStart& start,
                                      unsigned priority);
    /// A thread of `process`, a copy of the running thread's, that will go on where the running
    /// thread does when it comes back from the system call `fork`. Errors: no_memory,
    /// limit_reached.
    static Result<Ref<Thread>> fork(Process& process);
    /// The thread of the context that calls this first on a CPU: it runs when no other can.
    static Result<Thread*> create_idle();

    /// Lets a created thread run. Error: interrupted (its process is ending), limit_reached. From
    /// here on it holds a reference to itself until it was reaped.
    Result<void> launch();

    /// For `create` and the end of the last reference.
    Thread();
    ~Thread();

    /// Null only for idle threads.
    Process* process() const { return process_.get(); }
    const vm::AddressSpace& space() const { return *space_; }
    /// Its process was told to end: the thread unwinds to the boundary and ends there.
    /// Defined in proc/process.hpp.
    inline bool killed() const;

    /// If it has a call to answer, the caller wakes with peer_closed. No lock of rank `process` or
    /// above is held.
    void refuse_call();

    /// Gives back stack and vector state of a thread that was switched away from for ever.
    void free_machine_state();

    // ---- the scheduler's
    std::atomic<RunState> state{RunState::blocked};
    /// Its stack is in use: it runs, or a CPU is still on its way off it. Set and cleared by that
    /// CPU; while it is set no other may run the thread, and `cpu` stays as it is.
    std::atomic<bool> on_cpu{false};
    vm::Published<std::uint8_t> priority; ///< written under its CPU's run-queue lock
    /// Where it runs, ran last, or is queued. Written by whoever claimed it or took it out of a
    /// queue, before it is queued again.
    vm::Published<unsigned> cpu;
    vm::CpuSet affinity = vm::CpuSet::all(); ///< CPUs that may run it
    vm::Published<bool> unsettled;           ///< `affinity` changed: it may be where it may not run
    vm::Published<std::uint64_t> faults;     ///< resolved; written by itself only
    Error wake_error{};                      ///< what `block` returns; written by who claimed it
    port::ThreadState machine{};
    UpcallHandler upcalls{}; ///< its own alone

    // ---- its run queue's, under that CPU's lock
    const RunQueue* queued_in = nullptr;
    std::uint8_t queued_priority = 0;
    ListHook<Thread> run_hook{};

    // ---- the sleep queue's, under its lock
    std::uint64_t wake_time = 0;
    ListHook<Thread> sleep_hook{};

    // ---- waiting: under the lock of the object waited for
    ListHook<Thread> wait_hook{};
    std::uint64_t bits = 0; ///< a notification's, given by the signaller before it wakes

    // ---- messages: see endpoint.hpp
    std::uint64_t name = 0;                  ///< what receivers are told: its process's id, 32 bits
    std::uint64_t heard = 0;                 ///< what it received: as `call` gives it
    Thread* to_answer = nullptr;             ///< the caller that it received last; a reference
    std::atomic<bool> reply_expected{false}; ///< whoever takes this answers
    bool sends_whole = false; ///< `message` goes too, not the words in registers alone
    Message message;          ///< whole ones: sent, received, or replied
    Reply reply{*this};

    unsigned arena = 0; ///< number of its arena: the one wanted, until its process took it in

    // ---- under its process's lock
    ListHook<Thread> process_hook{};
    List<Thread, &Thread::wait_hook> joiners{};
    bool reaped = false;
    std::uint32_t code = 0; ///< exit code

private:
    /// A thread that can't run before the machine has prepared it.
    static Result<Ref<Thread>> make(Process& process, unsigned priority);

    Ref<Process> process_;
    const vm::AddressSpace* space_; ///< the process's, or the kernel's
    VirtRange stack_{};
    Charge charge_; ///< to the process's account: ends before process_ does
};

} // namespace proc
