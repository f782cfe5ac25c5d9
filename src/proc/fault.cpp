// SPDX-License-Identifier: MIT
// Faults of user code: resolved by the map, or the process's end and one line that says why.
#include "proc/port.hpp"

#include "lib/format.hpp"
#include "proc/fault_words.hpp"
#include "proc/process.hpp"
#include "proc/scheduler.hpp"

namespace proc {

namespace {

/// Prints the report and ends the running thread's process.
[[noreturn]] void end_by_fault(const Fault& fault, vm::Resolution resolution) {
    const Process& process = current_process();
    lib::FixedText<256> line;
    write_fault_report(line, {process.name(), process.id()}, process.space(), fault, resolution,
                       process.limits().memory.limit());
    port::console_write(std::span(line.view().data(), line.view().size()));
    exit_process(static_cast<std::uint32_t>(abi::status_fault));
}

} // namespace

bool handle_fault(const Fault& fault) {
    vm::Resolution resolution = vm::Resolution::forbidden;
    if (fault.kind == FaultKind::page) {
        // Addresses outside the user range are holes to the map: resolve says so itself.
        Thread& thread = port::current_thread();
        resolution = thread.process()->space().resolve(fault.address, fault.access);
        if (resolution == vm::Resolution::resolved) {
            thread.faults += 1;
            return true;
        }
    }
    if (!fault.from_user) return false;
    end_by_fault(fault, resolution);
}

} // namespace proc
