// SPDX-License-Identifier: MIT
// Upcalls: the frame, and where it goes.
#include "proc/upcall.hpp"

#include "proc/thread.hpp"

#include <optional>

namespace proc {

namespace {

using abi::UpcallCause;
using abi::UpcallFrame;

UpcallCause cause_of(FaultKind kind, vm::Resolution resolution) {
    switch (kind) {
    case FaultKind::page: break;
    case FaultKind::divide: return UpcallCause::divide;
    case FaultKind::debug: return UpcallCause::single_step;
    case FaultKind::breakpoint: return UpcallCause::breakpoint;
    case FaultKind::illegal: return UpcallCause::illegal;
    case FaultKind::privileged: return UpcallCause::privileged;
    case FaultKind::stack: return UpcallCause::stack;
    case FaultKind::alignment: return UpcallCause::alignment;
    case FaultKind::floating_point: return UpcallCause::floating_point;
    case FaultKind::other: return UpcallCause::other;
    case FaultKind::foreign_call: return UpcallCause::foreign_call;
    }
    switch (resolution) {
    case vm::Resolution::resolved:
    case vm::Resolution::forbidden: return UpcallCause::forbidden;
    case vm::Resolution::hole: return UpcallCause::hole;
    case vm::Resolution::no_memory: return UpcallCause::no_memory;
    case vm::Resolution::over_quota: return UpcallCause::over_limit;
    case vm::Resolution::beyond_end:
    case vm::Resolution::needs_page: return UpcallCause::no_page;
    case vm::Resolution::watched: return UpcallCause::watch;
    }
    return UpcallCause::forbidden;
}

abi::Access access_of(vm::FaultAccess access) {
    if (access.execute) return abi::access_execute;
    return access.write ? abi::access_write : abi::access_read;
}

/// The words of a frame that are not registers.
void describe(UpcallFrame& frame, const Fault& fault, vm::Resolution resolution,
              const vm::AddressSpace::Located& refused) {
    frame.cause = cause_of(fault.kind, resolution);
    frame.reserved = 0;
    if (fault.kind != FaultKind::page) {
        frame.access = 0;
        frame.state = abi::State::empty;
        frame.rights = 0;
        frame.address = 0;
        return;
    }
    frame.access = static_cast<std::uint8_t>(access_of(fault.access));
    frame.state = vm::state_of(refused.entry, refused.level);
    frame.rights = refused.entry.access().bits();
    frame.address = fault.address.value;
}

/// Where the next frame goes; none when the stack is used up.
std::optional<VirtAddr> place_frame(const VirtRange& stack, std::uint64_t rsp) {
    const bool nested = rsp > stack.start.value && rsp <= stack.end.value;
    const std::uint64_t top = nested ? rsp : stack.end.value;
    const std::uint64_t kept = nested ? abi::red_zone_bytes : 0;
    if (top - stack.start.value < kept + upcall_frame_room) return std::nullopt;
    return VirtAddr{align_down(top - kept, upcall_frame_alignment) - sizeof(UpcallFrame)};
}

} // namespace

Delivery deliver_upcall(const Thread& self, const Fault& fault, vm::Resolution resolution,
                        const vm::AddressSpace::Located& refused) {
    const UpcallHandler& handler = self.upcalls;
    if (handler.entry.value == 0 || fault.registers == nullptr) return Delivery::no_handler;
    UpcallFrame& registers = *fault.registers;
    const auto frame = place_frame(handler.stack, registers.rsp);
    if (!frame) return Delivery::no_room;
    describe(registers, fault, resolution, refused);
    if (!port::copy_to_user(*frame, &registers, sizeof registers)) return Delivery::bad_stack;
    registers.rip = handler.entry.value;
    registers.rsp = frame->value;
    registers.rflags = fixed_user_flags;
    return Delivery::done;
}

} // namespace proc
