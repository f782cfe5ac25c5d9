// SPDX-License-Identifier: MIT
// Faults of user code: resolved by the map, handed to the thread's own handler, or the process's
// end and one line that says why.
#include "proc/port.hpp"

#include "lib/format.hpp"
#include "proc/fault_words.hpp"
#include "proc/process.hpp"
#include "proc/scheduler.hpp"
#include "proc/upcall.hpp"
#include "vm/reclaim.hpp"

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

/// Hands a fault of user mode to its thread's handler, or ends the process.
bool handle_own(const Fault& fault, const Refusal& refusal) {
    const Delivery upcall =
        deliver_upcall(port::current_thread(), fault, refusal.resolution, refusal.entry);
    if (upcall == Delivery::done) return true;
    end_by_fault(fault, refusal.resolution, upcall);
}

/// The same for the first access to a page; whoever else comes to it meanwhile just goes on.
[[gnu::noinline]] bool handle_watched(const Fault& fault, Refusal refusal) {
    refusal.resolution = current_process().space().tell(fault.address, fault.access, refusal.entry);
    return refusal.resolution == vm::Resolution::resolved || handle_own(fault, refusal);
}

} // namespace

bool resolve_page_fault(VirtAddr address, vm::FaultAccess access, Refusal& refusal) {
    Thread& self = port::current_thread();
    // Addresses outside the user range are holes to the map: resolve says so itself.
    vm::AddressSpace& space = self.process()->space();
    refusal.resolution = space.resolve(address, access, refusal.entry);
    while (refusal.resolution != vm::Resolution::resolved) [[unlikely]] {
        if (!vm::reclaim(space, refusal.resolution)) return false;
        refusal.resolution = space.resolve(address, access, refusal.entry);
    }
    self.faults += 1;
    return true;
}

bool handle_refused(const Fault& fault, const Refusal& refusal) {
    if (!fault.from_user) return false; // who copies for the thread can't call up
    if (refusal.resolution == vm::Resolution::watched) [[unlikely]]
        return handle_watched(fault, refusal);
    return handle_own(fault, refusal);
}

bool handle_fault(const Fault& fault) {
    Refusal refusal;
    if (fault.kind == FaultKind::page && resolve_page_fault(fault.address, fault.access, refusal))
        return true;
    return handle_refused(fault, refusal);
}

} // namespace proc
