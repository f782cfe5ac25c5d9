// SPDX-License-Identifier: MIT
// The modelled CPUs as host threads, truly at once: each has its own TLB, and flushes and their
// acknowledgement go from one to the other as on the machine. Under ThreadSanitizer the host's
// addresses of physical memory are shadowed too: so whatever touches a frame or a table after it
// was freed, without the order that an acknowledged flush makes, is a race that it reports.
//
// Not for fibers, and so not for anything that blocks: see proc_machine.hpp.
#pragma once

#include "shim/machine.hpp"

#include <functional>
#include <optional>
#include <string>

namespace shim {

/// Runs body(cpu) on CPUs 0 to count - 1 of the machine, each on a host thread of its own, until
/// all have returned; every CPU answers flushes until then. Gives what went wrong, a line each:
/// what a body threw, what `complain` was told. After the first of these all others stop too.
/// A CPU that waits for minutes counts as wrong.
std::string run_parallel(Machine& machine, unsigned count,
                         const std::function<void(unsigned cpu)>& body);

// ---- for bodies --------------------------------------------------------------------------------

/// Takes interrupts, as user mode does between two instructions: others' flushes are answered.
void take_interrupts();
/// The same, and lets the host run others: in a wait for another CPU's body.
void pause_cpu();
/// Ends the run: something is not as it should be.
[[noreturn]] void complain(const std::string& what);

/// This CPU runs `space`, for a scope.
class Running {
public:
    explicit Running(vm::AddressSpace& space);
    ~Running();
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

private:
    vm::AddressSpace& space_;
};

/// Accesses of 8 bytes by a user instruction on this CPU, which runs the space. They take faults
/// as Machine's do. The word itself is accessed as an atomic: other CPUs may write it too.
vm::Resolution store_word(vm::AddressSpace& space, VirtAddr address, std::uint64_t value);
/// None if the space does not let it be read.
std::optional<std::uint64_t> load_word(vm::AddressSpace& space, VirtAddr address);

// ---- for vm::port ------------------------------------------------------------------------------

/// Whether this host thread is a CPU of run_parallel.
bool is_parallel();
void flush_parallel(const vm::port::FlushRequest& request);
void spin_parallel();

} // namespace shim
