// SPDX-License-Identifier: MIT
// Control and model-specific registers, by the names of Intel's SDM.
#pragma once

#include <cstdint>

namespace arch {

/// Model-specific registers (SDM vol. 4, table 2-2).
enum class Msr : std::uint32_t {
    apic_base = 0x1b,
    tsc_adjust = 0x3b,
    speculation_control = 0x48,
    predictor_command = 0x49,
    arch_capabilities = 0x10a,
    sysenter_cs = 0x174,
    tsc_deadline = 0x6e0,
    x2apic_first = 0x800,
    efer = 0xc000'0080,
    star = 0xc000'0081,
    lstar = 0xc000'0082,
    cstar = 0xc000'0083,
    fmask = 0xc000'0084,
    fs_base = 0xc000'0100,
    gs_base = 0xc000'0101,
    kernel_gs_base = 0xc000'0102,
};

inline std::uint64_t read_msr(Msr number) {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
    return (std::uint64_t{high} << 32) | low;
}
inline void write_msr(Msr number, std::uint64_t value) {
    asm volatile("wrmsr"
                 :
                 : "c"(number), "a"(static_cast<std::uint32_t>(value)),
                   "d"(static_cast<std::uint32_t>(value >> 32))
                 : "memory");
}

inline std::uint64_t read_cr0() {
    std::uint64_t value = 0;
    asm volatile("movq %%cr0, %0" : "=r"(value));
    return value;
}
inline void write_cr0(std::uint64_t value) { asm volatile("movq %0, %%cr0" : : "r"(value)); }
/// The address of the last page fault.
inline std::uint64_t read_cr2() {
    std::uint64_t value = 0;
    asm volatile("movq %%cr2, %0" : "=r"(value));
    return value;
}
inline std::uint64_t read_cr3() {
    std::uint64_t value = 0;
    asm volatile("movq %%cr3, %0" : "=r"(value));
    return value;
}
inline void write_cr3(std::uint64_t value) {
    asm volatile("movq %0, %%cr3" : : "r"(value) : "memory");
}
inline std::uint64_t read_cr4() {
    std::uint64_t value = 0;
    asm volatile("movq %%cr4, %0" : "=r"(value));
    return value;
}
inline void write_cr4(std::uint64_t value) {
    asm volatile("movq %0, %%cr4" : : "r"(value) : "memory");
}
inline std::uint64_t read_dr6() {
    std::uint64_t value = 0;
    asm volatile("movq %%dr6, %0" : "=r"(value));
    return value;
}
inline void write_dr6(std::uint64_t value) { asm volatile("movq %0, %%dr6" : : "r"(value)); }
inline void write_dr7(std::uint64_t value) { asm volatile("movq %0, %%dr7" : : "r"(value)); }

/// Bits of the control registers (SDM vol. 3A, 2.5).
inline constexpr std::uint64_t cr4_machine_check = 1ULL << 6;
inline constexpr std::uint64_t cr4_global_pages = 1ULL << 7;
inline constexpr std::uint64_t cr4_pcid = 1ULL << 17;
/// Written to CR3 while CR4.PCIDE is set: what is cached under the PCID in its lowest 12 bits stays
/// (SDM vol. 3A, 4.10.4.1). Never read back.
inline constexpr std::uint64_t cr3_keep = 1ULL << 63;
inline constexpr std::uint64_t cr3_pcid_mask = 0xfff;

/// Forgets the translation of one page, global ones too, and the paging-structure caches. Under the
/// running PCID only.
inline void invalidate_page(std::uint64_t address) {
    asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

/// Forgets what is cached under a PCID for one page, but not where that is global (SDM vol. 2A,
/// INVPCID, type 0). Only where the processor has it.
inline void invalidate_page_of(std::uint64_t pcid, std::uint64_t address) {
    const struct {
        std::uint64_t pcid, address;
    } which{pcid, address};
    constexpr std::uint64_t individual_address = 0;
    asm volatile("invpcid %0, %1" : : "m"(which), "r"(individual_address) : "memory");
}

/// The time-stamp counter. The processor may read it a little earlier or later than it stands.
inline std::uint64_t read_tsc() {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (std::uint64_t{high} << 32) | low;
}

/// The same, but not before everything ahead of it is done (SDM vol. 2B, RDTSC).
inline std::uint64_t read_tsc_in_order() {
    asm volatile("lfence" : : : "memory");
    return read_tsc();
}

/// Interrupts of this CPU. The kernel runs with them off, but where it waits for one.
inline void disable_interrupts() { asm volatile("cli" : : : "memory"); }
/// Lets interrupts in and halts until one was handled. STI takes effect after the next instruction,
/// so no interrupt comes between it and HLT (SDM vol. 2B, STI): none is slept through.
inline void halt_until_interrupt() { asm volatile("sti\n\thlt\n\tcli" : : : "memory"); }
/// The end of this CPU's work.
[[noreturn]] inline void halt_for_ever() {
    while (true) asm volatile("cli\n\thlt");
}

} // namespace arch
