// SPDX-License-Identifier: MIT
// User mode without a process: into it by hand, out of it by the first exception.
#include "arch/ktest/user_fault.hpp"

#include "arch/cpu/area.hpp"
#include "proc/port.hpp"
#include "vm/heap.hpp"

namespace arch::ktest {

extern "C" {
extern const char trap_return_to_user[];
extern const char guarded_return_to_user[];
}

namespace {

using proc::port::ThreadState;

struct Run {
    ThreadState tested{};
    ThreadState user{};
    TrapFrame frame{};
};
constinit Run* current = nullptr;

/// Leaves out proc::thread_started, which wants a proc::Thread, and keeps interrupts off.
void enter_directly(ThreadState& user) {
    constexpr std::uint64_t flags_without_interrupts = 2;
    *reinterpret_cast<std::uint64_t*>(user.stack_pointer) = reinterpret_cast<std::uint64_t>(
        this_cpu().guarded ? guarded_return_to_user : trap_return_to_user);
    auto* const frame = reinterpret_cast<TrapFrame*>(user.stack_top - sizeof(TrapFrame));
    frame->rflags = flags_without_interrupts;
}

} // namespace

std::optional<TrapFrame> run_user_code(VirtAddr entry, vm::AddressSpace& space) {
    const std::size_t bytes = proc::port::vector_state_bytes();
    const auto vectors = vm::heap_allocate(bytes);
    if (!vectors) return std::nullopt;
    const auto stack = vm::allocate_kernel_stack();
    if (!stack) {
        vm::heap_free(*vectors, bytes);
        return std::nullopt;
    }
    Run run;
    run.tested.stack_top = run.user.stack_top = stack->end.value;
    run.user.vector_state = *vectors;
    proc::port::prepare_user_thread(run.user, {.entry = entry, .stack = {}, .arguments = {}});
    enter_directly(run.user);
    current = &run;
    proc::port::switch_thread(run.tested, run.user, space);
    current = nullptr;
    vm::free_kernel_stack(*stack);
    vm::heap_free(*vectors, bytes);
    return run.frame;
}

void catch_user_fault(const TrapFrame& frame) {
    if (current == nullptr) return;
    current->frame = frame;
    proc::port::switch_thread(current->user, current->tested, vm::kernel_space());
}

} // namespace arch::ktest
