// SPDX-License-Identifier: MIT
// Exceptions: user mode's go up to the process, the kernel's own to the exception table or to
// panic. Called by entry.S with interrupts off.
//
//   page fault: trap_stubs -> exception_entry -> trap_from_user -> proc::resolve_page_fault
#include "arch/trap/dispatch.hpp"

#include "arch/boot/image.hpp"
#include "arch/cpu/area.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/ktest/probe.hpp"
#include "arch/ktest/user_fault.hpp"
#include "arch/layout.hpp"
#include "arch/panic.hpp"
#include "arch/trap/exception_table.hpp"
#include "lib/format.hpp"
#include "proc/port.hpp"
#include "vm/heap.hpp"

#include <atomic>

namespace arch {

static_assert(static_cast<int>(Error::bad_system_call) == 11, "system_call.S");

extern "C" {
extern const char trap_entry_start[];
extern const char trap_entry_end[];
extern const char system_call_entry[];
extern const char system_call_end[];
}

namespace {

using proc::FaultKind;

FaultKind kind_of(std::uint64_t vector) {
    if (vector == VECTOR_FOREIGN_CALL) return FaultKind::foreign_call;
    switch (static_cast<Vector>(vector)) {
    case Vector::page_fault: return FaultKind::page;
    case Vector::divide: return FaultKind::divide;
    case Vector::debug: return FaultKind::debug;
    case Vector::breakpoint: return FaultKind::breakpoint;
    case Vector::invalid_opcode: return FaultKind::illegal;
    case Vector::general_protection: return FaultKind::privileged;
    case Vector::stack_fault: return FaultKind::stack;
    case Vector::alignment_check: return FaultKind::alignment;
    case Vector::x87_error:
    case Vector::simd_error: return FaultKind::floating_point;
    default: return FaultKind::other;
    }
}

vm::FaultAccess access_of(std::uint64_t error) {
    return {.write = (error & page_fault_write) != 0, .execute = (error & page_fault_fetch) != 0};
}

/// The page fault in `frame` at `address`, which CR2 held.
proc::Fault page_fault(TrapFrame& frame, bool from_user, std::uint64_t address) {
    if ((frame.error & page_fault_reserved) != 0)
        panic(&frame, "a page-table entry has a reserved bit set");
    // The processor's own access on behalf of a user instruction, to a descriptor: no page that is
    // mapped for the user can satisfy it.
    const bool own = from_user && (frame.error & page_fault_user) == 0;
    return {.kind = own ? FaultKind::privileged : FaultKind::page,
            .from_user = from_user,
            .has_address = true,
            .access = access_of(frame.error),
            .address = {address},
            .instruction = {frame.rip},
            .registers = from_user ? registers_of(&frame) : nullptr};
}

bool in_entry_code(std::uint64_t instruction) {
    const auto within = [instruction](const char* start, const char* end) {
        return instruction >= reinterpret_cast<std::uint64_t>(start) &&
               instruction < reinterpret_cast<std::uint64_t>(end);
    };
    return within(trap_entry_start, trap_entry_end) || within(system_call_entry, system_call_end) ||
           within(image::guarded_text_start, image::guarded_text_end);
}

/// A stack has its own guard below it, and its neighbour's.
constexpr std::uint64_t guard_bytes = 2 * page_size;

[[noreturn]] void double_fault(const TrapFrame& frame) {
    // A push into the guard below a stack can't be reported on that stack: it becomes a double
    // fault, and CR2 tells where the first fault was.
    const CpuArea& area = this_cpu();
    const std::uint64_t top = area.kernel_stack + 8;
    const std::uint64_t bottom = top - vm::kernel_stack_bytes;
    const std::uint64_t address = read_cr2();
    if (area.kernel_stack != 0 && address < bottom && address >= bottom - guard_bytes) {
        lib::FixedText<160> text;
        text.format("kernel stack overflow: {} is in the guard below the stack that ends at {}",
                    VirtAddr{address}, VirtAddr{top});
        panic(&frame, text.view());
    }
    panic(&frame, "double fault");
}

/// An NMI says that another CPU panics; else it is the emulator's or a watchdog's, and counted.
/// NMIs stay blocked until the next IRET; should that be one inside this handler, the next NMI
/// takes the lower level of the stack instead of overwriting this frame.
void non_maskable_interrupt() {
    stop_if_panicking();
    CpuArea& area = this_cpu();
    constexpr unsigned index = static_cast<unsigned>(InterruptStack::nmi) - 1;
    const std::uint64_t upper = area.task_state.ist[index];
    area.task_state.ist[index] = interrupt_stack_below(upper);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    ++area.nmis;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    area.task_state.ist[index] = upper;
}

/// A user's page fault that is not plainly one of its own code on its own memory, or that the map
/// did not resolve.
[[gnu::noinline, gnu::cold]] bool refused_page_fault(TrapFrame& frame, std::uint64_t address,
                                                     const proc::Refusal* refusal) {
    const proc::Fault fault = page_fault(frame, true, address);
    return refusal != nullptr ? proc::handle_refused(fault, *refusal) : proc::handle_fault(fault);
}

} // namespace

void trap_from_user(TrapFrame* frame) {
    if (frame->vector == static_cast<std::uint64_t>(Vector::page_fault)) [[likely]] {
        const std::uint64_t address = read_cr2();
        const std::uint64_t error = frame->error;
        if ((error & (page_fault_reserved | page_fault_user)) == page_fault_user) [[likely]] {
            [[gnu::uninitialized]] proc::Refusal refusal;
            if (proc::resolve_page_fault({address}, access_of(error), refusal)) [[likely]]
                return;
            if (refused_page_fault(*frame, address, &refusal)) return;
        } else if (refused_page_fault(*frame, address, nullptr)) {
            return;
        }
    } else {
        ktest::catch_user_fault(*frame);
        if (frame->vector == static_cast<std::uint64_t>(Vector::debug)) write_dr6(0xffff'0ff0);
        if (proc::handle_fault({.kind = kind_of(frame->vector),
                                .from_user = true,
                                .has_address = false,
                                .access = {},
                                .address = {},
                                .instruction = {frame->rip},
                                .registers = registers_of(frame)}))
            return;
    }
    panic(frame, "a user fault was neither resolved, nor handed up, nor the process's end");
}

void trap_from_kernel(TrapFrame* frame) {
    if (ktest::catch_fault(*frame)) return;
    const ExceptionRecord* record = find_exception_record(frame->rip);
    if (record != nullptr) {
        if (frame->vector == static_cast<std::uint64_t>(Vector::page_fault)) {
            const std::uint64_t address = read_cr2();
            if (address < layout::user_end.value) {
                if (!proc::handle_fault(page_fault(*frame, false, address)))
                    frame->rip = record->fixup;
                return;
            }
            panic(frame, "a copy to or from user memory faulted on kernel memory");
        }
        if (frame->vector == static_cast<std::uint64_t>(Vector::general_protection)) {
            frame->rip = record->fixup; // an address that is not canonical
            return;
        }
    }
    if (frame->vector == static_cast<std::uint64_t>(Vector::page_fault))
        static_cast<void>(page_fault(*frame, false, read_cr2())); // reserved bits: its own words
    panic(frame, vector_name(frame->vector));
}

void trap_from_user_return(TrapFrame* frame) {
    ktest::catch_user_fault(*frame);
    // The fault was taken on the kernel stack: RSP at that point is where IRETQ read its frame.
    const std::uint64_t instruction = *reinterpret_cast<const std::uint64_t*>(frame->rsp);
    static_cast<void>(proc::handle_fault({.kind = FaultKind::privileged,
                                          .from_user = true,
                                          .has_address = false,
                                          .access = {},
                                          .address = {},
                                          .instruction = {instruction}}));
    panic(frame, "a thread with no valid place to return to was not ended");
}

void trap_own_stack(TrapFrame* frame) {
    switch (static_cast<Vector>(frame->vector)) {
    case Vector::nmi: return non_maskable_interrupt();
    case Vector::double_fault: double_fault(*frame);
    case Vector::debug:
        // MOV SS held it back until after SYSCALL or INT3 (SDM vol. 3A, 6.8.3): the user loses a
        // single step.
        write_dr6(0xffff'0ff0);
        if (in_entry_code(frame->rip)) return;
        break;
    default: break;
    }
    panic(frame, vector_name(frame->vector));
}

void trap_user_return_work() {
    this_cpu().user_return_work = 0;
    // A flush that waited for other CPUs did so with a table locked. Where CPUs take turns, as in
    // an emulator, one that does so over and over would hold that lock whenever another's turn
    // comes.
    vm::port::spin_wait();
    proc::before_user_return();
}

} // namespace arch
