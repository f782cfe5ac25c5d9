// SPDX-License-Identifier: MIT
// Which measures against speculative execution a processor needs: decided from what it says of
// itself, once, at boot. doc/security.md says what each one is for.
#pragma once

#include <cstdint>
#include <string_view>

namespace lib {

enum class Vendor : std::uint8_t { intel, amd, hygon, zhaoxin, other };

/// What CPUID and IA32_ARCH_CAPABILITIES say (SDM vol. 2A, CPUID leaf 7; vol. 4, MSR 0x10a; AMD APM
/// vol. 3, Fn8000_0008 and Fn8000_0021).
struct ProcessorFacts {
    Vendor vendor = Vendor::other;
    unsigned family = 0; ///< with the extended family added
    unsigned model = 0;  ///< with the extended model
    /// Run by an emulator that translates instructions (QEMU's TCG): nothing is speculated.
    bool emulated = false;
    std::uint64_t capabilities = 0; ///< IA32_ARCH_CAPABILITIES; 0 without it
    bool ibrs = false;              ///< SPEC_CTRL has IBRS
    bool ibrs_always = false;       ///< AMD: it may and should stay set
    bool automatic_ibrs = false;    ///< AMD: EFER.AIBRSE
    bool ibpb = false;              ///< PRED_CMD has IBPB
    bool stibp = false;             ///< SPEC_CTRL has STIBP
    bool ssbd = false;              ///< SPEC_CTRL has SSBD
    bool md_clear = false;          ///< VERW overwrites buffers
    bool rtm = false;               ///< transactions
    bool pcid = false;
};

/// Bits of IA32_ARCH_CAPABILITIES.
enum Capability : std::uint64_t {
    rdcl_no = 1ULL << 0,
    ibrs_all = 1ULL << 1,
    ssb_no = 1ULL << 4,
    mds_no = 1ULL << 5,
    taa_no = 1ULL << 8,
    sbdr_ssdp_no = 1ULL << 13,
    fbsdp_no = 1ULL << 14,
    psdp_no = 1ULL << 15,
    fb_clear = 1ULL << 17,
    rfds_clear = 1ULL << 28,
};

/// What the command line says of a measure.
enum class Choice : std::uint8_t { automatic, on, off };

/// How indirect branches in the kernel are kept from user mode's advice.
enum class BranchMeasure : std::uint8_t {
    none,
    always,    ///< SPEC_CTRL.IBRS or EFER.AIBRSE, set once
    each_entry ///< SPEC_CTRL.IBRS, set at each entry and cleared at each return
};

struct Measures {
    bool isolation = false; ///< user mode has roots of its own (KPTI)
    std::string_view isolation_reason;
    bool pcid = false; ///< what is cached is tagged with the space (CR4.PCIDE)
    std::string_view pcid_reason;

    bool fences = false;          ///< no guess gets past SWAPGS or a checked user pointer
    bool retpolines = false;      ///< indirect branches of the kernel ask no predictor
    bool buffers = false;         ///< VERW before each return to user mode
    bool barrier = false;         ///< IBPB between processes
    bool siblings_apart = false;  ///< STIBP
    bool no_store_bypass = false; ///< SSBD
    bool fill_returns = false;    ///< the return predictor is filled between spaces
    BranchMeasure branches = BranchMeasure::none;
    std::string_view speculation_reason; ///< of none of these

    /// Whether the kernel is entered and left by the ways that do all this.
    bool guarded() const {
        return isolation || fences || retpolines || buffers ||
               branches == BranchMeasure::each_entry;
    }
    bool speculation() const {
        return fences || retpolines || buffers || barrier || siblings_apart || no_store_bypass ||
               fill_returns || branches != BranchMeasure::none;
    }
};

/// The words `kpti=`, `pcid=` and `speculation=`. `on` means all that the processor has, needed or
/// not; PCIDs that err are not used even then.
struct Choices {
    Choice isolation = Choice::automatic;
    Choice pcid = Choice::automatic;
    Choice speculation = Choice::automatic;
};

Measures decide_measures(const ProcessorFacts& facts, Choices choices);

} // namespace lib
