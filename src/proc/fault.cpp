// SPDX-License-Identifier: MIT
// Faults of user code: resolved by the map, handed to the thread's own handler, or the process's
// end and one line that says why.
#include "proc/port.hpp"

#include "lib/format.hpp"
#include "proc/fault_words.hpp"
#include "proc/process.hpp"
#include "proc/scheduler.hpp"
#include "proc/upcall.hpp"

namespace proc {

namespace {

/// Prints the report and ends the running thread's process.
[[noreturn]] void end_by_fault(const Fault& fault, vm::Resolution resolution, Delivery upcall) {
    const Process& process = current_process();
    lib::FixedText<256> line;
    write_fault_report(line, {process.name(), process.id()}, process.space(), fault, resolution,
                       upcall, process.limits().memory.limit());
    port::console_write(std::span(line.view().data(), line.view().size()));
    exit_process(static_cast<std::uint32_t>(abi::status_fault));
}

} // namespace

bool handle_fault(const Fault& fault) {
    Thread& self = port::current_thread();
    vm::Resolution resolution = vm::Resolution::forbidden;
    vm::AddressSpace::Located refused{};
    if (fault.kind == FaultKind::page) {
        // Addresses outside the user range are holes to the map: resolve says so itself.
        resolution = self.process()->space().resolve(fault.address, fault.access, refused);
        if (resolution == vm::Resolution::resolved) {
            self.faults += 1;
            return true;
        }
    }
    if (!fault.from_user) return false;
    const Delivery upcall = deliver_upcall(self, fault, resolution, refused);
    if (upcall == Delivery::done) return true;
    end_by_fault(fault, resolution, upcall);
}

} // namespace proc
