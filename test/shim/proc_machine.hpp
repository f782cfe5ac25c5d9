// SPDX-License-Identifier: MIT
// The machine as processes and threads see it: a clock that tests advance, a console that tests
// type on, user code as host functions, and fibers for kernel stacks.
#pragma once

#include "abi/system_calls.hpp"
#include "abi/types.hpp"
#include "proc/port.hpp"
#include "shim/machine.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace shim {

/// proc::port::power was called.
struct PowerOff {
    abi::Power action;
};

/// Every thread waits, no alarm is set, and the test's idle hook had nothing to say.
struct Deadlock : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// User code: a host function in place of instructions. It may call what is below "for user
/// code". When it returns, its thread exits with code 0.
using UserCode = std::function<void(const proc::port::UserStart&)>;

/// What the test says and sees. Reset by each `run_machine` caller through `reset_proc_machine`.
struct ProcMachine {
    std::uint64_t now = 0;             ///< nanoseconds
    std::uint64_t alarm = ~0ULL;       ///< ~0: none
    std::uint64_t switches = 0;        ///< switch_thread calls
    std::vector<unsigned> rescheduled; ///< CPUs that were sent to look at their queues
    std::string console;               ///< all that was written
    std::string typed;                 ///< not yet read
    std::string boot_words;            ///< the kernel's command line
    std::string run_line;
    proc::port::Archive archive{};
    /// User code's, but for RIP and RFLAGS: what a fault finds, and what the last handler went on
    /// with.
    abi::UpcallFrame registers{};
    /// What the child does of a thread that forks: a host function's stack can't be copied. Looked
    /// at in the call. When it returns, the thread exits with code 0.
    std::function<void()> forked = [] {};
    /// Called when nothing can happen any more; true if it made something happen (typed, say).
    std::function<bool()> idle = [] { return false; };
};
ProcMachine& proc_machine();

/// Forgets everything above, user code and threads. First thing in a test case.
void reset_proc_machine();

/// User code that threads run whose entry address is this.
void set_user_code(VirtAddr entry, UserCode code);
/// Puts an archive into reserved memory and names it to proc::port::boot_archive.
void load_archive(std::span<const std::byte> bytes);
/// Types on the keyboard; the interrupt comes at the next chance.
void type(std::string_view text);

/// Runs kernel code (proc::run, mostly) on a stack of its own until the power goes: the action.
/// Exceptions (Panic, Deadlock, those of failed checks) come out of it.
abi::Power run_machine(std::function<void()> body);

// ---- for user code -----------------------------------------------------------------------------

/// A system call, as the entry code makes it: dispatch, then work before the return.
std::int64_t system_call(abi::SystemCall number, std::uint64_t a = 0, std::uint64_t b = 0,
                         std::uint64_t c = 0, std::uint64_t d = 0, std::uint64_t e = 0,
                         std::uint64_t f = 0);
/// `call` or `reply_receive` with words in registers.
std::int64_t message_call(abi::SystemCall number, abi::Handle endpoint, std::uint64_t message,
                          std::array<std::uint64_t, abi::register_words>& words);
/// Loads and stores by user instructions. A fault that can't be resolved goes to the thread's
/// handler, which is user code at its address: when it leaves RIP in the frame at its stack as it
/// was, the access is tried again, else it is left out. Without one it ends the process: these then
/// do not return.
void user_read(VirtAddr address, std::span<std::byte> to);
void user_write(VirtAddr address, std::span<const std::byte> from);
void user_execute(VirtAddr address);
/// Raises any other exception at `instruction`.
void user_fault(const proc::Fault& fault);
/// Computes for so long: the clock goes on, and interrupts come.
void user_compute(std::uint64_t nanoseconds);

} // namespace shim
