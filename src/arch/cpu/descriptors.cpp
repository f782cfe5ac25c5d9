// SPDX-License-Identifier: MIT
// Descriptor tables and the system-call registers, filled and loaded.
#include "arch/cpu/descriptors.hpp"

#include "arch/cpu/area.hpp"
#include "arch/cpu/measures.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/cpuid.hpp"
#include "arch/trap/frame.hpp"

#include <array>

namespace arch {

namespace {

// Segment descriptors; base and limit are ignored in 64-bit mode (SDM vol. 3A, 3.4.5).
constexpr std::uint64_t segment_present = 1ULL << 47;
constexpr std::uint64_t segment_user = 3ULL << 45;
constexpr std::uint64_t segment_code = (1ULL << 44) | (0xbULL << 40) | (1ULL << 53);
constexpr std::uint64_t segment_data = (1ULL << 44) | (0x3ULL << 40);
constexpr std::uint64_t segment_task = 0x9ULL << 40; // available 64-bit TSS

static_assert(offsetof(GlobalDescriptors, kernel_code) == SELECTOR_KERNEL_CODE);
static_assert(offsetof(GlobalDescriptors, kernel_data) == SELECTOR_KERNEL_CODE + 8);
static_assert((offsetof(GlobalDescriptors, user_data) | 3) == SELECTOR_USER_DATA);
static_assert((offsetof(GlobalDescriptors, user_code) | 3) == SELECTOR_USER_CODE);
static_assert(offsetof(GlobalDescriptors, task) == SELECTOR_TASK);

/// An interrupt gate: interrupts are off in the handler (SDM vol. 3A, figure 6-8).
struct Gate {
    std::uint16_t offset_low = 0;
    std::uint16_t selector = 0;
    std::uint8_t ist = 0;
    std::uint8_t attributes = 0;
    std::uint16_t offset_middle = 0;
    std::uint32_t offset_high = 0;
    std::uint32_t reserved = 0;
};
static_assert(sizeof(Gate) == 16);

struct [[gnu::packed]] TableRegister {
    std::uint16_t limit;
    std::uint64_t base;
};

constexpr unsigned vector_count = 256;
constexpr unsigned stub_bytes = 16;

/// A page of its own, which user roots show for reading.
alignas(page_size) constinit std::array<Gate, vector_count> gates{};
static_assert(sizeof(gates) == page_size);

extern "C" {
extern const char trap_stubs[];
extern const char system_call_entry[];
extern const char guarded_stubs[];
extern const char guarded_system_call[];
}

InterruptStack stack_of(Vector vector) {
    switch (vector) {
    case Vector::double_fault: return InterruptStack::double_fault;
    case Vector::nmi: return InterruptStack::nmi;
    case Vector::machine_check: return InterruptStack::machine_check;
    case Vector::debug: return InterruptStack::debug;
    default: return InterruptStack::none;
    }
}

void fill_gates() {
    const char* const stubs = measures().guarded() ? guarded_stubs : trap_stubs;
    for (unsigned vector = 0; vector < vector_count; ++vector) {
        const std::uint64_t stub =
            reinterpret_cast<std::uint64_t>(stubs) + std::uint64_t{vector} * stub_bytes;
        // INT3 alone may be used from user mode; any other INT n is a #GP (SDM vol. 3A, 6.12.1.2).
        const bool user = vector == static_cast<unsigned>(Vector::breakpoint);
        Gate& gate = gates[vector];
        gate.offset_low = static_cast<std::uint16_t>(stub);
        gate.offset_middle = static_cast<std::uint16_t>(stub >> 16);
        gate.offset_high = static_cast<std::uint32_t>(stub >> 32);
        gate.selector = SELECTOR_KERNEL_CODE;
        gate.ist = static_cast<std::uint8_t>(stack_of(static_cast<Vector>(vector)));
        gate.attributes = static_cast<std::uint8_t>(0x8e | (user ? 0x60 : 0));
    }
}

void fill_descriptors(CpuArea& area) {
    GlobalDescriptors& table = area.descriptors;
    table.kernel_code = segment_present | segment_code;
    table.kernel_data = segment_present | segment_data;
    table.user_data = segment_present | segment_user | segment_data;
    table.user_code = segment_present | segment_user | segment_code;
    const auto task = reinterpret_cast<std::uint64_t>(&area.task_state);
    table.task[0] = (sizeof(TaskState) - 1) | ((task & 0xff'ffff) << 16) |
                    ((task >> 24 & 0xff) << 56) | segment_task | segment_present;
    table.task[1] = task >> 32;

    // Else each thread's own stack, put there when it is switched to.
    if (area.guarded)
        area.task_state.rsp[0] = reinterpret_cast<std::uint64_t>(&area.entry.user_stack);
    area.task_state.io_map_base = sizeof(TaskState); // none: no port is open to user code
    for (unsigned i = 1; i <= interrupt_stack_count; ++i) {
        const VirtRange stack = interrupt_stack(area, static_cast<InterruptStack>(i));
        area.task_state.ist[i - 1] = stack.end.value;
    }
}

void load_tables(CpuArea& area) {
    const TableRegister gdt{sizeof(GlobalDescriptors) - 1,
                            reinterpret_cast<std::uint64_t>(&area.descriptors)};
    const TableRegister idt{sizeof(gates) - 1, reinterpret_cast<std::uint64_t>(&gates)};
    // Data segments stay null: their contents are ignored in 64-bit mode, and a null SS is what
    // an interrupt from user mode leaves as well (SDM vol. 3A, 6.14.3).
    asm volatile("lgdt %0\n\t"
                 "pushq %2\n\t"
                 "leaq 1f(%%rip), %%rax\n\t"
                 "pushq %%rax\n\t"
                 "lretq\n"
                 "1:\n\t"
                 "movl %3, %%eax\n\t"
                 "movl %%eax, %%ss\n\t"
                 "xorl %%eax, %%eax\n\t"
                 "movl %%eax, %%ds\n\t"
                 "movl %%eax, %%es\n\t"
                 "movl %%eax, %%fs\n\t"
                 "movl %%eax, %%gs\n\t"
                 "lldt %%ax\n\t"
                 "lidt %1\n\t"
                 "movl %4, %%eax\n\t"
                 "ltr %%ax"
                 :
                 : "m"(gdt), "m"(idt), "i"(SELECTOR_KERNEL_CODE), "i"(SELECTOR_KERNEL_DATA),
                   "i"(SELECTOR_TASK)
                 : "rax", "memory");
}

/// SYSCALL and SYSRET (SDM vol. 3A, 5.8.8). SYSENTER is closed: a null code selector makes it #GP.
void load_system_call_registers() {
    constexpr std::uint64_t syscall_enable = 1;
    // Flags that must not come along into the kernel: TF IF DF IOPL NT RF AC, and the status flags.
    constexpr std::uint64_t cleared_flags = 0x5'7fd5;
    write_msr(Msr::efer, read_msr(Msr::efer) | syscall_enable);
    write_msr(Msr::star, (std::uint64_t{SELECTOR_USER_DATA - 8} << 48) |
                             (std::uint64_t{SELECTOR_KERNEL_CODE} << 32));
    write_msr(Msr::lstar, reinterpret_cast<std::uint64_t>(
                              measures().guarded() ? guarded_system_call : system_call_entry));
    write_msr(Msr::cstar, 0); // compatibility mode can't be entered
    write_msr(Msr::fmask, cleared_flags);
    write_msr(Msr::sysenter_cs, 0);
}

} // namespace

VirtRange interrupt_table() {
    const VirtAddr start{reinterpret_cast<std::uint64_t>(&gates)};
    return {start, start + sizeof(gates)};
}

void load_descriptors(CpuArea& area) {
    // CR4.MCE: without it a machine check is a reset (SDM vol. 3B, 16.3).
    if ((cpuid(1).edx & (1U << 7)) != 0) write_cr4(read_cr4() | cr4_machine_check);
    if (gates[0].selector == 0) fill_gates();
    fill_descriptors(area);
    load_tables(area);
    write_msr(Msr::fs_base, 0);
    write_msr(Msr::gs_base, reinterpret_cast<std::uint64_t>(&area));
    write_msr(Msr::kernel_gs_base, 0); // user mode's until the first SWAPGS
    write_dr7(0x400);                  // no breakpoints; the kernel never meets one of its own
    load_system_call_registers();
}

} // namespace arch
