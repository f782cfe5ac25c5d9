// SPDX-License-Identifier: MIT
// Panic: says what it knows, in steps, so that a fault in one step loses that step only.
#include "arch/panic.hpp"

#include "arch/console/screen.hpp"
#include "arch/cpu/area.hpp"
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
    const char* file; ///< null: not known
    unsigned line;
    const char* function;
    bool has_frame;
    TrapFrame frame;
    ControlRegisters control;
    std::uint64_t instruction;
    std::uint64_t frame_pointer;
};
constinit Report report{};
/// 0: no panic so far; otherwise the number of the step that runs, from 1.
constinit unsigned step = 0;
/// Panics within the panic.
constinit unsigned nested = 0;

void say_what() {
    screen::begin_panic();
    log("panic: {}", report.what);
    if (report.file != nullptr) log("at {}:{}, in {}", report.file, report.line, report.function);
}

void say_trap() {
    if (report.has_frame) report_trap(report.frame, report.control);
}

void say_process() {
    // Before the CPU's area is set up, GS leads nowhere.
    if (cpu_areas[0] == nullptr || this_cpu().thread == nullptr) return;
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
        report_entries(VirtAddr{report.control.cr2});
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

/// A panic within a panic: one line about it, without the screen, which is the most that can be at
/// fault; then on with the first one's next step.
[[noreturn]] void finish_again(std::string_view what) {
    screen::disable();
    if (++nested > step_count) step = step_count;
    if (step < step_count) log("(panic in step {} of the report: {})", step, what);
    finish();
}

} // namespace

void panic(std::string_view what, std::source_location where) {
    panic_at(what, where.file_name(), where.line(), where.function_name());
}

void panic_at(std::string_view what, const char* file, unsigned line, const char* function) {
    asm volatile("cli");
    if (step != 0) finish_again(what);
    report.what = what;
    report.file = file;
    report.line = line;
    report.function = function;
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
