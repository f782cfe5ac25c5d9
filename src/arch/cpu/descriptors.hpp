// SPDX-License-Identifier: MIT
// GDT, TSS and IDT (Intel SDM vol. 3A, 3.4.5, 7.7, 6.14).
#pragma once

#include "lib/address.hpp"

#include <cstddef>
#include <cstdint>

namespace arch {

struct CpuArea;

/// Interrupt stacks: exceptions that can come while the stack or GS is not the kernel's. The number
/// is the gate's IST field.
enum class InterruptStack : std::uint8_t { none, double_fault, nmi, machine_check, debug };
inline constexpr unsigned interrupt_stack_count = 4;

/// The 64-bit task state segment (SDM vol. 3A, figure 7-11).
struct [[gnu::packed]] TaskState {
    std::uint32_t reserved0 = 0;
    std::uint64_t rsp[3] = {};
    std::uint64_t reserved1 = 0;
    std::uint64_t ist[7] = {}; ///< ist[n-1] is IST n
    std::uint64_t reserved2 = 0;
    std::uint16_t reserved3 = 0;
    std::uint16_t io_map_base = 0;
};
static_assert(sizeof(TaskState) == 104);

/// The descriptors, in the order that SYSCALL and SYSRET want (SDM vol. 3A, 5.8.8). There is no
/// 32-bit user code segment: compatibility mode can't be entered.
struct GlobalDescriptors {
    std::uint64_t null = 0;
    std::uint64_t kernel_code = 0;
    std::uint64_t kernel_data = 0;
    std::uint64_t user_code_32 = 0; ///< empty; SYSRET to 64-bit mode counts from here
    std::uint64_t user_data = 0;
    std::uint64_t user_code = 0;
    std::uint64_t task[2] = {};
};

/// The IDT: one page, the same for all CPUs.
VirtRange interrupt_table();

/// Fills the area's GDT and TSS, loads them, the IDT, GS and the system-call registers.
/// Afterwards traps work on this CPU. Called once by each CPU, before anything that may trap.
void load_descriptors(CpuArea& area);

} // namespace arch
