// SPDX-License-Identifier: MIT
// Panic: says what it knows, in steps, so that a fault in one step loses that step only.
#include "arch/panic.hpp"

#include "arch/debug_exit.hpp"
#include "arch/log.hpp"
#include "arch/panic_report.hpp"
#include "proc/port.hpp"
#include "vm/port.hpp"

namespace arch {
namespace {

/// All that the report is made from. Kept outside of the stack, which may be the thing that broke.
struct Report {
    std::string_view what;
    std::source_location where;
    bool has_frame;
    TrapFrame frame;
    ControlRegisters control;
    std::uint64_t instruction;
    std::uint64_t frame_pointer;
};
constinit Report report{};
/// 0: no panic so far; otherwise one more than the step that runs.
constinit unsigned step = 0;

void say_what() {
    log("panic: {}", report.what);
    if (report.where.line() != 0)
        log("at {}:{}, in {}", report.where.file_name(), report.where.line(),
            report.where.function_name());
}

void say_trap() {
    if (report.has_frame) report_trap(report.frame, report.control);
}

void say_process() {
    const proc::Identity process = proc::running_process();
    if (process.name != nullptr) log("running process: {}[{}]", process.name, process.id);
}

void say_registers() {
    if (report.has_frame) report_registers(report.frame);
    report_control_registers(report.control);
}

void say_entries() {
    if (!report.has_frame) return;
    const auto is = [](Vector vector) {
        return report.frame.vector == static_cast<std::uint64_t>(vector);
    };
    // A double fault is mostly a page fault for which there was no stack.
    if (is(Vector::page_fault) || is(Vector::double_fault))
        report_entries(VirtAddr{report.control.cr2}, report.control);
}

void say_backtrace() { report_backtrace(report.instruction, report.frame_pointer); }

constexpr void (*steps[])() = {say_what,      say_trap,    say_process,
                               say_registers, say_entries, say_backtrace};
constexpr unsigned step_count = sizeof(steps) / sizeof(steps[0]);

[[noreturn]] void finish() {
    while (step < step_count) steps[step++]();
    debug_exit(ExitStatus::panic);
    while (true) asm volatile("cli\n\thlt");
}

/// A panic within a panic: one line about it, then on with the first one's next step.
[[noreturn]] void finish_again(std::string_view what) {
    if (step < step_count) log("(panic in step {} of the report: {})", step, what);
    finish();
}

} // namespace

void panic(std::string_view what, std::source_location where) {
    asm volatile("cli");
    if (step != 0) finish_again(what);
    report.what = what;
    report.where = where;
    report.control = ControlRegisters::read();
    report.frame_pointer = reinterpret_cast<std::uint64_t>(__builtin_frame_address(0));
    finish();
}

void panic(const TrapFrame* frame, std::string_view what) {
    asm volatile("cli");
    if (step != 0) finish_again(what);
    report.what = what;
    report.control = ControlRegisters::read();
    if (frame != nullptr) {
        report.has_frame = true;
        report.frame = *frame;
        report.instruction = frame->rip;
        report.frame_pointer = frame->rbp;
    } else {
        report.frame_pointer = reinterpret_cast<std::uint64_t>(__builtin_frame_address(0));
    }
    finish();
}

} // namespace arch

namespace vm::port {

void panic(const char* what, std::source_location where) { arch::panic(what, where); }

} // namespace vm::port
