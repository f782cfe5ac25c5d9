// SPDX-License-Identifier: MIT
// What a panic says about the processor's state.
#include "arch/panic_report.hpp"

#include "arch/layout.hpp"
#include "arch/log.hpp"
#include "arch/symbols.hpp"

#include <string_view>

namespace arch {
namespace {

constexpr unsigned backtrace_limit = 32;

constexpr bool is_vector(std::uint64_t number, Vector vector) {
    return number == static_cast<std::uint64_t>(vector);
}

/// A page fault's error code (SDM vol. 3A, 4.7).
void report_page_fault(const TrapFrame& frame, VirtAddr address) {
    const std::uint64_t error = frame.error;
    const std::string_view what = (error & page_fault_fetch) != 0   ? "execute"
                                  : (error & page_fault_write) != 0 ? "write"
                                                                    : "read";
    const std::string_view why = (error & page_fault_reserved) != 0  ? "a reserved bit is set"
                                 : (error & page_fault_present) != 0 ? "the rights forbid it"
                                                                     : "no page is present";
    log("{} by {} code at {:016}: {}", what, (error & page_fault_user) != 0 ? "user" : "kernel",
        address, why);
}

/// The error codes that name a segment (SDM vol. 3A, 6.13).
void report_selector(std::uint64_t error) {
    const std::string_view table = (error & 2) != 0 ? "IDT" : (error & 4) != 0 ? "LDT" : "GDT";
    log("about entry {} of the {}{}", (error & 0xffff) >> 3, table,
        (error & 1) != 0 ? ", by an event from outside" : "");
}

/// `after`: by how much the address lies behind the instruction meant. A call may be its function's
/// last instruction, and then it returns to where the next function starts.
void log_function(std::uint64_t address, std::uint64_t after) {
    std::uint64_t offset = 0;
    if (const char* name = symbol_name(address - after, &offset); name != nullptr) {
        log("  {:016x} {} + {}", address, name, offset + after);
    } else {
        log("  {:016x}", address);
    }
}

} // namespace

ControlRegisters ControlRegisters::read() {
    ControlRegisters control{};
    asm volatile("mov %%cr0, %0" : "=r"(control.cr0));
    asm volatile("mov %%cr2, %0" : "=r"(control.cr2));
    asm volatile("mov %%cr3, %0" : "=r"(control.cr3));
    asm volatile("mov %%cr4, %0" : "=r"(control.cr4));
    return control;
}

void report_trap(const TrapFrame& frame, const ControlRegisters& control) {
    log("exception: {}, error code {:x}, in {} mode", vector_name(frame.vector), frame.error,
        frame.from_user() ? "user" : "kernel");
    if (is_vector(frame.vector, Vector::page_fault)) {
        report_page_fault(frame, VirtAddr{control.cr2});
    } else if (frame.error != 0 && !is_vector(frame.vector, Vector::control_protection)) {
        report_selector(frame.error);
    }
}

void report_registers(const TrapFrame& f) {
    log("rax {:016x}  rbx {:016x}  rcx {:016x}  rdx {:016x}", f.rax, f.rbx, f.rcx, f.rdx);
    log("rsi {:016x}  rdi {:016x}  rbp {:016x}  rsp {:016x}", f.rsi, f.rdi, f.rbp, f.rsp);
    log("r8  {:016x}  r9  {:016x}  r10 {:016x}  r11 {:016x}", f.r8, f.r9, f.r10, f.r11);
    log("r12 {:016x}  r13 {:016x}  r14 {:016x}  r15 {:016x}", f.r12, f.r13, f.r14, f.r15);
    log("rip {:016x}  cs {:x}  ss {:x}  rflags {:x}", f.rip, f.cs, f.ss, f.rflags);
}

void report_control_registers(const ControlRegisters& control) {
    log("cr0 {:x}  cr2 {:x}  cr3 {:x}  cr4 {:x}", control.cr0, control.cr2, control.cr3,
        control.cr4);
}

void report_backtrace(std::uint64_t instruction, std::uint64_t frame_pointer) {
    log("backtrace:");
    if (instruction != 0) log_function(instruction, 0);
    // A frame: the caller's frame pointer, then the address to which the function returns. Frames
    // lie one above the other: a chain that goes down is damaged, or another stack's.
    for (unsigned depth = 0; depth < backtrace_limit && frame_pointer != 0; ++depth) {
        if (frame_pointer < layout::direct_map.value) {
            log("  (user code)");
            return;
        }
        const std::optional<std::uint64_t> next = peek(VirtAddr{frame_pointer});
        const std::optional<std::uint64_t> caller = peek(VirtAddr{frame_pointer + 8});
        if (!next || !caller) {
            log("  (no frame at {:x})", frame_pointer);
            return;
        }
        if (*caller == 0) return;
        log_function(*caller, 1);
        if (*next != 0 && *next <= frame_pointer) {
            log("  (the next frame, {:x}, does not lie above)", *next);
            return;
        }
        frame_pointer = *next;
    }
}

} // namespace arch
