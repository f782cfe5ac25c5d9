// SPDX-License-Identifier: MIT
// Panic: says what it knows, in steps, so that a fault in one step loses that step only.
#include "arch/panic.hpp"

#include "arch/apic/interprocessor.hpp"
#include "arch/console/screen.hpp"
#include "arch/cpu/area.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/debug_exit.hpp"
#include "arch/log.hpp"
#include "arch/panic_report.hpp"
#include "proc/port.hpp"
#include "vm/port.hpp"

#include <atomic>

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
/// The number of the step that runs, from 1.
constinit unsigned step = 0;
/// Panics within the panic.
constinit unsigned nested = 0;

constexpr unsigned nobody = ~0U;
/// The CPU whose panic is reported.
constinit std::atomic<unsigned> panicking{nobody};
/// Other CPUs that will do nothing any more.
constinit std::atomic<unsigned> stopped{0};

/// Before the CPU's area is set up, GS leads nowhere.
bool has_area() { return cpu_areas[0] != nullptr; }
unsigned this_number() { return has_area() ? this_cpu().number : 0; }

[[noreturn]] void stop() {
    stopped.fetch_add(1);
    halt_for_ever();
}

/// Stops all others, so that the report is one and the log's hold nobody's. One that doesn't answer
/// is not waited for: it may be what broke.
void stop_others(unsigned self) {
    unsigned others = 0;
    for (unsigned cpu = 0; cpu < cpu_count(); ++cpu) {
        if (cpu == self) continue;
        send_nmi(cpu);
        ++others;
    }
    constexpr unsigned polls = 5'000'000;
    for (unsigned poll = 0; poll < polls && stopped.load() < others; ++poll) asm volatile("pause");
    break_log_hold();
}

/// The first CPU that comes here goes on; later ones stop. True: this one panicked before.
bool enter() {
    asm volatile("cli");
    const unsigned self = this_number();
    unsigned owner = nobody;
    if (panicking.compare_exchange_strong(owner, self)) {
        stop_others(self);
        return false;
    }
    if (owner != self) stop();
    return true;
}

void say_what() {
    screen::begin_panic();
    log("panic: {}", report.what);
    if (report.file != nullptr) log("at {}:{}, in {}", report.file, report.line, report.function);
    log("on CPU {} of {}", this_number(), cpu_count());
}

void say_trap() {
    if (report.has_frame) report_trap(report.frame, report.control);
}

void say_process() {
    if (!has_area() || this_cpu().thread == nullptr) return;
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
    halt_for_ever();
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

void stop_if_panicking() {
    const unsigned owner = panicking.load();
    if (owner != nobody && owner != this_number()) stop();
}

void panic(std::string_view what, std::source_location where) {
    panic_at(what, where.file_name(), where.line(), where.function_name());
}

void panic_at(std::string_view what, const char* file, unsigned line, const char* function) {
    if (enter()) finish_again(what);
    report.what = what;
    report.file = file;
    report.line = line;
    report.function = function;
    report.control = ControlRegisters::read();
    report.frame_pointer = reinterpret_cast<std::uint64_t>(__builtin_frame_address(0));
    finish();
}

void panic(const TrapFrame* frame, std::string_view what) {
    if (enter()) finish_again(what);
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
