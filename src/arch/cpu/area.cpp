// SPDX-License-Identifier: MIT
// The boot CPU's area and interrupt stacks, and what the map and the scheduler ask of an area.
#include "arch/cpu/area.hpp"

#include "arch/cpu/registers.hpp"
#include "arch/cpu_features.hpp"
#include "proc/port.hpp"

namespace arch {

extern "C" const char first_stack_end[];

namespace {

constexpr std::size_t interrupt_stack_bytes = 2 * page_size;
constexpr std::size_t nmi_levels = 2;

/// One level of an interrupt stack. Entry code finds the area just above where the processor
/// begins to push, so it need not trust GS.
struct alignas(page_size) Level {
    std::array<std::byte, interrupt_stack_bytes - 16> stack;
    CpuArea* area;
    std::uint64_t padding;
};
static_assert(sizeof(Level) == interrupt_stack_bytes);

/// The NMI's has two: should one NMI be let in while another is handled, it takes the lower.
struct InterruptStacks {
    Level double_fault, machine_check, debug;
    std::array<Level, nmi_levels> nmi;
};

constinit CpuArea boot_area{};
constinit InterruptStacks boot_stacks{};
constinit std::array<InterruptStacks*, vm::port::cpu_limit> all_stacks{};

void name_area(InterruptStacks& stacks, CpuArea& area) {
    stacks.double_fault.area = stacks.machine_check.area = stacks.debug.area = &area;
    for (Level& level : stacks.nmi) level.area = &area;
}

} // namespace

constinit std::array<CpuArea*, vm::port::cpu_limit> cpu_areas{};

void initialise_boot_cpu() {
    boot_area.self = &boot_area;
    boot_area.root = read_cr3();
    // The boot stack is as large as any kernel stack, and has a guard as they have.
    boot_area.kernel_stack = reinterpret_cast<std::uint64_t>(first_stack_end) - 8;
    cpu_areas[0] = &boot_area;
    all_stacks[0] = &boot_stacks;
    name_area(boot_stacks, boot_area);
    boot_area.fsgsbase = cpu_features().fsgsbase;
    boot_area.smap = cpu_features().smap;
    load_descriptors(boot_area);
}

VirtRange interrupt_stack(unsigned cpu, InterruptStack stack) {
    const auto range = [](Level& top) {
        return VirtRange{{reinterpret_cast<std::uint64_t>(&top)},
                         {reinterpret_cast<std::uint64_t>(&top.area)}};
    };
    InterruptStacks& stacks = *all_stacks[cpu];
    switch (stack) {
    case InterruptStack::none: break;
    case InterruptStack::double_fault: return range(stacks.double_fault);
    case InterruptStack::machine_check: return range(stacks.machine_check);
    case InterruptStack::debug: return range(stacks.debug);
    case InterruptStack::nmi: return range(stacks.nmi.back());
    }
    return {};
}

std::uint64_t interrupt_stack_below(std::uint64_t top) { return top - interrupt_stack_bytes; }

} // namespace arch

namespace vm {

namespace port {
unsigned cpu() {
    unsigned number = 0;
    asm("movl %%gs:%c1, %0" : "=r"(number) : "i"(CPU_NUMBER));
    return number;
}
} // namespace port

} // namespace vm

namespace proc::port {

Thread& current_thread() {
    Thread* thread = nullptr;
    asm volatile("movq %%gs:%c1, %0" : "=r"(thread) : "i"(CPU_THREAD));
    return *thread;
}
void set_current_thread(Thread& thread) {
    asm volatile("movq %0, %%gs:%c1" : : "r"(&thread), "i"(CPU_THREAD) : "memory");
}
void request_user_return_work() {
    asm volatile("movb $1, %%gs:%c0" : : "i"(CPU_USER_RETURN_WORK) : "memory");
}

} // namespace proc::port
