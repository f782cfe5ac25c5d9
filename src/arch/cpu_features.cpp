// SPDX-License-Identifier: MIT
// Reading CPUID, and setting control registers by it.
#include "arch/cpu_features.hpp"

#include "arch/cpuid.hpp"
#include "arch/log.hpp"
#include "arch/panic.hpp"
#include "vm/entry.hpp"

#include <algorithm>

namespace arch {

namespace {

constinit CpuFeatures features{};

// Bits of CR0 and CR4 (SDM vol. 3A, 2.5) and of EFER (vol. 4, table 2-2).
constexpr std::uint64_t cr0_monitor_coprocessor = 1ULL << 1;
constexpr std::uint64_t cr0_emulation = 1ULL << 2;
constexpr std::uint64_t cr0_task_switched = 1ULL << 3;
constexpr std::uint64_t cr0_numeric_error = 1ULL << 5;
constexpr std::uint64_t cr0_write_protect = 1ULL << 16;
constexpr std::uint64_t cr4_global_pages = 1ULL << 7;
constexpr std::uint64_t cr4_fxsave = 1ULL << 9;             // OSFXSR
constexpr std::uint64_t cr4_vector_exceptions = 1ULL << 10; // OSXMMEXCPT
constexpr std::uint64_t cr4_umip = 1ULL << 11;
constexpr std::uint64_t cr4_fsgsbase = 1ULL << 16;
constexpr std::uint64_t cr4_xsave = 1ULL << 18; // OSXSAVE
constexpr std::uint64_t cr4_smep = 1ULL << 20;
constexpr std::uint64_t cr4_smap = 1ULL << 21;
constexpr std::uint64_t efer_no_execute = 1ULL << 11;

enum class Register : std::uint32_t {
    arch_capabilities = 0x10a,
    misc_enable = 0x1a0,
    pat = 0x277,
    efer = 0xc000'0080,
};

std::uint64_t read_register(Register number) {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
    return (std::uint64_t{high} << 32) | low;
}

void write_register(Register number, std::uint64_t value) {
    asm volatile("wrmsr"
                 :
                 : "c"(number), "a"(static_cast<std::uint32_t>(value)),
                   "d"(static_cast<std::uint32_t>(value >> 32))
                 : "memory");
}

void change_cr0(std::uint64_t clear, std::uint64_t set) {
    std::uint64_t value = 0;
    asm volatile("movq %%cr0, %0" : "=r"(value));
    asm volatile("movq %0, %%cr0" : : "r"((value & ~clear) | set) : "memory");
}

void set_cr4(std::uint64_t set) {
    std::uint64_t value = 0;
    asm volatile("movq %%cr4, %0" : "=r"(value));
    asm volatile("movq %0, %%cr4" : : "r"(value | set) : "memory");
}

bool is_intel() {
    // "GenuineIntel"
    const CpuidResult vendor = cpuid(0);
    return vendor.ebx == 0x756e'6547 && vendor.edx == 0x4965'6e69 && vendor.ecx == 0x6c65'746e;
}

/// Intel processors of family 6 are affected unless they say RDCL_NO (bit 0).
bool has_l1tf(bool arch_capabilities) {
    const std::uint32_t signature = cpuid(1).eax;
    if (!is_intel() || ((signature >> 8) & 0xf) != 6) return false;
    if (!arch_capabilities) return true;
    return (read_register(Register::arch_capabilities) & 1) == 0;
}

bool says_no_execute() { return (cpuid(0x8000'0001).edx >> 20 & 1U) != 0; }

/// Firmware can hide no-execute pages on Intel's processors (SDM vol. 4, table 2-2,
/// IA32_MISC_ENABLE: XD Bit Disable). All of Intel's that have a 64-bit mode have that register; it
/// is read only where they are missing. trampoline.S does the same for the others.
void show_no_execute() {
    constexpr std::uint64_t disable = 1ULL << 34;
    if (!is_intel() || says_no_execute()) return;
    const std::uint64_t value = read_register(Register::misc_enable);
    if ((value & disable) != 0) write_register(Register::misc_enable, value & ~disable);
}

/// Those of the running CPU.
CpuFeatures read_features() {
    CpuFeatures read;
#define TABULA_CPU_FEATURE_READ(name, leaf, subleaf, reg, bit)                                     \
    read.name = ((cpuid(leaf, subleaf).reg >> (bit)) & 1U) != 0;
    TABULA_CPU_FEATURES(TABULA_CPU_FEATURE_READ)
#undef TABULA_CPU_FEATURE_READ
    const unsigned width = cpuid(0x8000'0008).eax & 0xff;
    if (width != 0) read.physical_bits = std::min(width, 52U);
    read.l1tf = has_l1tf(read.arch_capabilities);
    return read;
}

/// Only what CPUID allows: processors fault on the rest, and emulators may hang.
std::uint64_t bit_if(bool present, std::uint64_t bit) { return present ? bit : 0; }

/// PAT: entries 0 to 3 write-back, write-combining, uncached-, uncached; 4 to 7 the same, as after
/// reset except for the write-combining ones (SDM 11.12.2: 6 write-back, 1 write-combining,
/// 7 uncached-, 0 uncached).
constexpr std::uint64_t pat_value = 0x0007'0106'0007'0106;

} // namespace

const CpuFeatures& cpu_features() { return features; }

void detect_cpu_features() {
    show_no_execute();
    features = read_features();
    vm::Entry::expect_no_execute(features.nx);
    if (!features.pat) panic("this processor has no page attribute table (PAT)");
    if (!features.fxsr) panic("this processor has no FXSAVE");
    if (!features.syscall) panic("this processor has no SYSCALL");
}

const char* missing_cpu_feature() {
    const CpuFeatures mine = read_features();
#define TABULA_CPU_FEATURE_COMPARE(name, leaf, subleaf, reg, bit)                                  \
    if (features.name && !mine.name) return #name;
    TABULA_CPU_FEATURES(TABULA_CPU_FEATURE_COMPARE)
#undef TABULA_CPU_FEATURE_COMPARE
    if (mine.physical_bits < features.physical_bits) return "physical address bits";
    if (mine.l1tf && !features.l1tf) return "safety from l1tf";
    return nullptr;
}

void enable_cpu_features() {
    if (features.nx)
        write_register(Register::efer, read_register(Register::efer) | efer_no_execute);
    write_register(Register::pat, pat_value);
    change_cr0(cr0_emulation | cr0_task_switched,
               cr0_write_protect | cr0_monitor_coprocessor | cr0_numeric_error);
    set_cr4(cr4_fxsave | cr4_vector_exceptions | bit_if(features.pge, cr4_global_pages) |
            bit_if(features.umip, cr4_umip) | bit_if(features.fsgsbase, cr4_fsgsbase) |
            bit_if(features.xsave, cr4_xsave) | bit_if(features.smep, cr4_smep) |
            bit_if(features.smap, cr4_smap));
}

void log_cpu_features() {
    log_raw("features:");
#define TABULA_CPU_FEATURE_LOG(name, leaf, subleaf, reg, bit)                                      \
    if (features.name) log_raw(" " #name);
    TABULA_CPU_FEATURES(TABULA_CPU_FEATURE_LOG)
#undef TABULA_CPU_FEATURE_LOG
    if (features.l1tf) log_raw(" (l1tf)");
    log(", {} physical bits", features.physical_bits);
    if (!features.nx) log("no no-execute pages: data can be executed");
}

} // namespace arch
