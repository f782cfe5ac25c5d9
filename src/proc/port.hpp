// SPDX-License-Identifier: MIT
// What processes and threads ask of the machine (implemented by src/arch and the hosted shim), and
// the three ways in which the machine calls up: fault, interrupt, system call.
#pragma once

#include "abi/system_calls.hpp"
#include "abi/types.hpp"
#include "abi/upcall.hpp"
#include "lib/address.hpp"
#include "lib/result.hpp"
#include "vm/published.hpp"
#include "vm/space.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace proc {
class Thread;

namespace port {

// ---- threads ---------------------------------------------------------------------------------

/// A system call's argument registers, where its entry code saved them. They go back from there: a
/// call that gives words beside its result leaves them here.
struct CallRegisters {
    std::uint64_t r10, r9, r8, rdx, rsi, rdi;
};

/// What the machine keeps of a thread that does not run. All other registers are on its kernel
/// stack. First member of nothing: proc::Thread holds one, the machine fills it.
struct ThreadState {
    std::uint64_t stack_pointer = 0; ///< kernel stack pointer while switched out
    std::uint64_t stack_top = 0;  ///< top of the kernel stack, loaded into the TSS and the CPU area
    void* vector_state = nullptr; ///< vector_state_bytes(), 64-byte aligned; null: kernel thread
    std::uint64_t fs_base = 0;    ///< saved user FS and GS base
    std::uint64_t gs_base = 0;
    Thread* thread = nullptr;                   ///< whose state this is
    CallRegisters* call = nullptr;              ///< of a user thread in a system call
    vm::Published<std::uint64_t> ticks_run;     ///< up to the last switch away; see time_run
    vm::Published<std::uint64_t> running_since; ///< ticks, as the CPU counts them that runs it
    VirtRange runtime{};                        ///< see set_runtime
};

/// Registers of a thread's first instruction in user mode; all others are zero.
struct UserStart {
    VirtAddr entry;
    VirtAddr stack;
    std::uint64_t arguments[2]; ///< rdi, rsi
};

/// Bytes that vector_state needs on this machine (XSAVE area in use, or 512 for FXSAVE).
std::size_t vector_state_bytes();
/// Prepares `state` so that the first switch to it enters user mode at `start`, by way of
/// `proc::thread_started()`. stack_top, vector_state and thread are set by the caller; vector_state
/// is given its initial content here.
void prepare_user_thread(ThreadState& state, const UserStart& start);
/// Prepares `state` so that the first switch to it goes on in user mode as `running` will, the
/// running thread, which is in the system call `fork` and gets another value from it: with its
/// registers, but 0 in rax, its vector state, segment bases and runtime; by way of
/// `proc::thread_started()`. The caller has set the same as for prepare_user_thread.
void prepare_forked_thread(ThreadState& state, const ThreadState& running);
/// Prepares `state` so that the first switch to it calls function(argument) in kernel mode,
/// which must not return.
void prepare_kernel_thread(ThreadState& state, void (*function)(void*), void* argument);
/// Saves the running thread into `from` and continues `to` in `space` (changes root, kernel stack,
/// vector state and segment bases; its thread is the running one then, and its time runs). Returns
/// when somebody switches back to `from`. Called with interrupts off and no lock held.
void switch_thread(ThreadState& from, ThreadState& to, const vm::AddressSpace& space);

/// Says where alone the running thread's code makes system calls, at any byte of the range; `state`
/// is the thread's. A call made elsewhere comes up as FaultKind::foreign_call. Empty: none does.
void set_runtime(ThreadState& state, VirtRange runtime);

/// Goes on in user mode with these registers, by way of `before_user_return` when that was asked
/// for. CS and SS are user mode's own, whatever stands there; RIP and RFLAGS were checked.
[[noreturn]] void resume_user(abi::UpcallFrame& registers);

/// The running thread.
Thread& current_thread();
/// Says that the context that calls it on this CPU is that of a thread.
void become_thread(Thread& thread, ThreadState& state);
/// Nanoseconds that a thread has run, up to now if it is `running`, on that CPU.
std::uint64_t time_run(const ThreadState& state, bool running, unsigned cpu);
/// Asks that the running CPU calls `proc::before_user_return()` before it next enters user mode.
/// A flag of this CPU, cleared by that call.
void request_user_return_work();

/// Has another CPU call `proc::handle_reschedule()` soon, out of its halt or user mode.
void send_reschedule(unsigned cpu);

/// Calls `work` while no other CPU is in the kernel. Only in builds that validate
/// (vm/validate.hpp): elsewhere nobody comes to a stop. Called with interrupts off and no lock
/// held.
void alone(void (*work)());

/// Halts this CPU until an interrupt came and was handled; interrupts are off before and after.
void wait_for_interrupt();

// ---- time ------------------------------------------------------------------------------------

/// Nanoseconds since boot; never goes backwards.
std::uint64_t now();
/// Asks for `proc::handle_timer()` once at or soon after that time (~0: not at all). One alarm per
/// CPU.
void set_alarm(std::uint64_t nanoseconds);

// ---- user memory -----------------------------------------------------------------------------

/// Copies from / to user memory of the running thread's space through the exception table. The
/// range was checked to lie in the user half. Faults on it are resolved as the user's own would be.
/// Error: bad_address (some of it may have been copied).
Result<void> copy_from_user(void* to, VirtAddr from, std::size_t bytes);
Result<void> copy_to_user(VirtAddr to, const void* from, std::size_t bytes);

// ---- console and power -----------------------------------------------------------------------

/// Writes text to all of the console's sinks (serial, screen).
void console_write(std::span<const char> text);
/// Takes what was typed and not yet read, without waiting; gives the number of bytes.
/// When more arrives later, the machine calls `proc::handle_console_input()`.
std::size_t console_read(std::span<char> buffer);
/// Does not return for actions that the machine can do; else Error unsupported.
/// exit_success / exit_failure use isa-debug-exit where it is, else power off.
Result<void> power(abi::Power action);
/// The kernel's command line.
std::span<const char> boot_words();
/// A line given by the machine's firmware configuration (fw_cfg opt/tabula/run) or by `run=` on
/// the command line; empty if none.
std::span<const char> run_line();
/// The boot archive (ustar): frames, and length in bytes. Empty if there is none.
struct Archive {
    PhysAddr start;
    std::uint64_t bytes;
};
Archive boot_archive();

} // namespace port

// ---- the three ways up -----------------------------------------------------------------------
// All are called on the running thread's kernel stack with interrupts off.

/// Processor exceptions, as far as user code can cause them.
enum class FaultKind : std::uint8_t {
    page,           ///< #PF
    divide,         ///< #DE
    debug,          ///< #DB
    breakpoint,     ///< #BP
    illegal,        ///< #UD
    privileged,     ///< #GP: a privileged instruction or a non-canonical address, among others
    stack,          ///< #SS
    alignment,      ///< #AC
    floating_point, ///< #MF, #XM
    other,          ///< #OF, #BR, #NP, #TS …
    foreign_call,   ///< SYSCALL outside the runtime: the return address is the instruction's
};

struct Fault {
    FaultKind kind;
    bool from_user;         ///< false: in the kernel's user-memory routines
    bool has_address;       ///< `address` is what the processor told (CR2)
    vm::FaultAccess access; ///< page faults
    VirtAddr address;
    VirtAddr instruction;
    /// The thread's registers, as user mode will have them again; the words about the fault are
    /// free. Null for !from_user, and where they are lost.
    abi::UpcallFrame* registers = nullptr;
};

/// Why a fault was not resolved.
struct Refusal {
    vm::Resolution resolution = vm::Resolution::forbidden;
    vm::AddressSpace::Located entry{}; ///< the one that was in the way
};

/// A page fault of the running thread, or of the kernel's user-memory routines for it. True:
/// restart the instruction. Otherwise `handle_refused` is called next.
[[nodiscard]] bool resolve_page_fault(VirtAddr address, vm::FaultAccess access, Refusal& refusal);

/// Handles any fault; of page faults, what `resolve_page_fault` refused.
/// True: go on in user mode, with the registers as they stand now: restart the instruction, or
/// begin the thread's handler. False, only for !from_user: take the routine's fix-up. A fault from
/// user mode that can't be resolved ends the process: then this does not return. Faults elsewhere
/// in the kernel never come here: they panic in the machine's own code.
[[nodiscard]] bool handle_refused(const Fault& fault, const Refusal& refusal);
/// Both, one after the other.
[[nodiscard]] bool handle_fault(const Fault& fault);

/// Another CPU asked for it by `send_reschedule`.
void handle_reschedule();
/// The alarm rang / characters arrived.
void handle_timer();
void handle_console_input();

/// What a system call gives: a value of at least 0 or a negated error, as it goes into rax.
struct Answer {
    std::int64_t value;
    constexpr Answer(std::uint64_t number) : value(static_cast<std::int64_t>(number)) {}
    constexpr Answer(Error error) : value(-static_cast<std::int64_t>(error)) {}
    constexpr Answer(const Result<void>& result)
        : value(result ? 0 : -static_cast<std::int64_t>(result.error())) {}
    template <typename T>
    constexpr Answer(const Result<T>& result)
        : value(result ? static_cast<std::int64_t>(*result)
                       : -static_cast<std::int64_t>(result.error())) {}
};

/// One function a system call, indexed by number, called by the machine's entry code with the six
/// argument registers. Numbers at or above abi::system_call_count are answered by the entry code
/// with Error::bad_system_call.
using SystemCallFunction = Answer (*)(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                      std::uint64_t, std::uint64_t);
extern "C" const SystemCallFunction system_call_table[abi::system_call_count];

/// Stands in the table for `fork`, and is the machine's own: keeps the registers that no other call
/// need look at, those that functions give back as they were, for prepare_forked_thread; then calls
/// `fork_from_entry`.
extern "C" Answer fork_entry(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                             std::uint64_t, std::uint64_t);
extern "C" Answer fork_from_entry();

/// First thing on a new user thread's kernel stack, before it enters user mode.
void thread_started();
/// Work asked for by request_user_return_work: reschedule, or end a killed thread.
void before_user_return();

/// Starts the first process and runs threads for ever. Called by the machine on the boot CPU, on
/// a boot stack, when everything in port works.
[[noreturn]] void run();

/// The same for each other CPU, once it is initialised, on a stack of its own: runs threads once
/// `run` has got so far.
[[noreturn]] void run_cpu();

/// The first lines of `panic`'s report about the running process, if any: name and id.
struct Identity {
    const char* name;
    std::uint64_t id;
};
Identity running_process();

} // namespace proc
