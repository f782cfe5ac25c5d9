// SPDX-License-Identifier: MIT
// What this processor can do, and the switching on of what Tabula uses.
#pragma once

#include <cstdint>

namespace arch {

/// The features that Tabula asks for: name, CPUID leaf, subleaf, register, bit (SDM vol. 2A, CPUID;
/// AMD APM vol. 3, appendix E). The names are those of the `features` line in the log.
#define TABULA_CPU_FEATURES(X)                                                                     \
    X(pat, 1, 0, edx, 16)                                                                          \
    X(pge, 1, 0, edx, 13)                                                                          \
    X(apic, 1, 0, edx, 9)                                                                          \
    X(fxsr, 1, 0, edx, 24)                                                                         \
    X(pcid, 1, 0, ecx, 17)                                                                         \
    X(x2apic, 1, 0, ecx, 21)                                                                       \
    X(tsc_deadline, 1, 0, ecx, 24)                                                                 \
    X(xsave, 1, 0, ecx, 26)                                                                        \
    X(avx, 1, 0, ecx, 28)                                                                          \
    X(rdrand, 1, 0, ecx, 30)                                                                       \
    X(hypervisor, 1, 0, ecx, 31)                                                                   \
    X(fsgsbase, 7, 0, ebx, 0)                                                                      \
    X(tsc_adjust, 7, 0, ebx, 1)                                                                    \
    X(smep, 7, 0, ebx, 7)                                                                          \
    X(erms, 7, 0, ebx, 9)                                                                          \
    X(invpcid, 7, 0, ebx, 10)                                                                      \
    X(rdseed, 7, 0, ebx, 18)                                                                       \
    X(smap, 7, 0, ebx, 20)                                                                         \
    X(umip, 7, 0, ecx, 2)                                                                          \
    X(la57, 7, 0, ecx, 16)                                                                         \
    X(arch_capabilities, 7, 0, edx, 29)                                                            \
    X(xsaveopt, 0xd, 1, eax, 0)                                                                    \
    X(syscall, 0x8000'0001, 0, edx, 11)                                                            \
    X(nx, 0x8000'0001, 0, edx, 20)                                                                 \
    X(gbpages, 0x8000'0001, 0, edx, 26)                                                            \
    X(rdtscp, 0x8000'0001, 0, edx, 27)                                                             \
    X(invariant_tsc, 0x8000'0007, 0, edx, 8)

struct CpuFeatures {
#define TABULA_CPU_FEATURE_MEMBER(name, leaf, subleaf, reg, bit) bool name = false;
    TABULA_CPU_FEATURES(TABULA_CPU_FEATURE_MEMBER)
#undef TABULA_CPU_FEATURE_MEMBER
    unsigned physical_bits = 36; ///< width of physical addresses
    /// Speculation follows the addresses of not-present entries (L1TF): memory whose address has
    /// the highest bit of max(physical_bits, 44) set must not be used.
    bool l1tf = false;
};

/// The boot CPU's features: every CPU that runs has them all (see missing_cpu_feature).
const CpuFeatures& cpu_features();

/// Reads the features, and refuses a processor without what Tabula can't do without: PAT, FXSAVE,
/// SYSCALL (every 64-bit processor has them). Where no-execute pages are switched off they are
/// switched on; where there are none, entries say so to nobody. Called once, first.
void detect_cpu_features();

/// What the boot CPU has and the running CPU lacks, by name; null when it lacks nothing. Nothing
/// says that processors of one machine are alike, and the kernel asks the boot CPU's features only.
const char* missing_cpu_feature();

/// Switches on, on the running CPU: write protection, SSE, and where the processor has them NX,
/// global pages, SMEP, SMAP, UMIP, FSGSBASE and XSAVE (which components is another's choice).
/// Sets PAT entry 1 to write-combining.
void enable_cpu_features();

/// Writes the `features` line to the log.
void log_cpu_features();

} // namespace arch
