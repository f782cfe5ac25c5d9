// SPDX-License-Identifier: MIT
// Asking the processor, telling the log, writing the registers.
#include "arch/cpu/measures.hpp"

#include "arch/boot/boot_information.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/cpu_features.hpp"
#include "arch/cpuid.hpp"
#include "arch/hypervisor.hpp"
#include "arch/log.hpp"
#include "vm/translations.hpp"

namespace arch {

using lib::BranchMeasure;
using lib::Choice;
using lib::Vendor;

extern "C" {
/// SPEC_CTRL in user mode and in the kernel, for guarded_entry.S; alike where it needn't change.
constinit std::uint32_t speculation_control_user = 0;
constinit std::uint32_t speculation_control_kernel = 0;
}

namespace {

constinit lib::Measures decided{};

constexpr std::uint32_t control_ibrs = 1;
constexpr std::uint32_t control_stibp = 2;
constexpr std::uint32_t control_ssbd = 4;
constexpr std::uint64_t command_ibpb = 1;
constexpr std::uint64_t efer_automatic_ibrs = 1ULL << 21;

Vendor vendor_of(const CpuidResult& leaf) {
    struct Name {
        std::uint32_t ebx, edx, ecx;
        Vendor vendor;
    };
    // GenuineIntel, AuthenticAMD, HygonGenuine, "  Shanghai  ", CentaurHauls.
    constexpr Name names[] = {{0x756e'6547, 0x4965'6e69, 0x6c65'746e, Vendor::intel},
                              {0x6874'7541, 0x6974'6e65, 0x444d'4163, Vendor::amd},
                              {0x6f67'7948, 0x6e65'476e, 0x656e'6975, Vendor::hygon},
                              {0x6853'2020, 0x6867'6e61, 0x2020'6961, Vendor::zhaoxin},
                              {0x746e'6543, 0x4872'7561, 0x736c'7561, Vendor::zhaoxin}};
    for (const Name& name : names)
        if (leaf.ebx == name.ebx && leaf.edx == name.edx && leaf.ecx == name.ecx)
            return name.vendor;
    return Vendor::other;
}

/// "TCGTCGTCGTCG" in the hypervisor's leaf.
bool emulated() {
    if (!hypervisor_announced()) return false;
    CpuidResult leaf;
    asm volatile("cpuid"
                 : "=a"(leaf.eax), "=b"(leaf.ebx), "=c"(leaf.ecx), "=d"(leaf.edx)
                 : "a"(0x4000'0000), "c"(0));
    return leaf.ebx == 0x5447'4354 && leaf.ecx == 0x4354'4743 && leaf.edx == 0x4743'5447;
}

lib::ProcessorFacts read_facts() {
    const auto bit = [](std::uint32_t word, unsigned number) { return (word >> number & 1) != 0; };
    const std::uint32_t signature = cpuid(1).eax;
    const CpuidResult structured = cpuid(7);
    const std::uint32_t amd = cpuid(0x8000'0008).ebx;
    lib::ProcessorFacts facts;
    facts.vendor = vendor_of(cpuid(0));
    facts.family = signature >> 8 & 0xf;
    facts.model = signature >> 4 & 0xf;
    if (facts.family == 6 || facts.family == 0xf) facts.model |= signature >> 12 & 0xf0;
    if (facts.family == 0xf) facts.family += signature >> 20 & 0xff;
    facts.emulated = emulated();
    if (cpu_features().arch_capabilities) facts.capabilities = read_msr(Msr::arch_capabilities);
    // Intel's bits mean all of IBRS and IBPB, and so on; AMD has one for each.
    const bool is_amd = facts.vendor == Vendor::amd || facts.vendor == Vendor::hygon;
    facts.ibrs = bit(structured.edx, 26) || (is_amd && bit(amd, 14));
    facts.ibpb = bit(structured.edx, 26) || (is_amd && bit(amd, 12));
    facts.stibp = bit(structured.edx, 27) || (is_amd && bit(amd, 15));
    facts.ssbd = bit(structured.edx, 31) || (is_amd && bit(amd, 24));
    facts.ibrs_always = is_amd && bit(amd, 16);
    facts.automatic_ibrs = is_amd && bit(cpuid(0x8000'0021).eax, 8);
    facts.md_clear = bit(structured.edx, 10);
    facts.rtm = bit(structured.ebx, 11);
    facts.pcid = cpu_features().pcid;
    return facts;
}

Choice choice_of(std::string_view name) {
    const auto value = boot_word_value(name);
    if (!value) return Choice::automatic;
    if (*value == "on") return Choice::on;
    if (*value == "off") return Choice::off;
    log("measures: {}={} is neither on nor off: ignored", name, *value);
    return Choice::automatic;
}

void log_measures() {
    log("kpti: {}, {}", decided.isolation ? "on" : "off", decided.isolation_reason);
    log("pcid: {}, {}", decided.pcid ? "on" : "off", decided.pcid_reason);
    log_raw("speculation:");
    if (!decided.speculation()) log_raw(" off, ");
    const auto name = [](bool taken, std::string_view text) {
        if (taken) log_raw(text);
    };
    log_raw(decided.speculation_reason);
    name(decided.fences, " fences");
    name(decided.retpolines, " retpolines");
    name(decided.branches == BranchMeasure::always, " ibrs");
    name(decided.branches == BranchMeasure::each_entry, " ibrs-at-entry");
    name(decided.barrier, " ibpb");
    name(decided.siblings_apart, " stibp");
    name(decided.fill_returns, " rsb");
    name(decided.buffers, " verw");
    name(decided.no_store_bypass, " ssbd");
    log("");
}

} // namespace

const lib::Measures& measures() { return decided; }

bool kernel_pages_global() { return cpu_features().pge && !decided.isolation; }

void decide_measures() {
    const lib::ProcessorFacts facts = read_facts();
    decided = lib::decide_measures(
        facts, {choice_of("kpti"), choice_of("pcid"), choice_of("speculation")});
    if (decided.siblings_apart) speculation_control_user |= control_stibp;
    if (decided.no_store_bypass) speculation_control_user |= control_ssbd;
    if (decided.branches == BranchMeasure::always && facts.ibrs)
        speculation_control_user |= control_ibrs;
    speculation_control_kernel = speculation_control_user;
    if (decided.branches == BranchMeasure::each_entry) speculation_control_kernel |= control_ibrs;
    if (decided.pcid) vm::Translations::expect_kept();
    log_measures();
}

void enable_measures() {
    // A global translation would stay when user mode's root is loaded.
    if (decided.isolation) write_cr4(read_cr4() & ~cr4_global_pages);
    // In 64-bit mode, with bits 0 to 11 of CR3 clear (SDM vol. 3A, 4.10.1): the roots so far are.
    if (decided.pcid) write_cr4(read_cr4() | cr4_pcid);
    if (decided.branches == BranchMeasure::always && speculation_control_kernel == 0)
        write_msr(Msr::efer, read_msr(Msr::efer) | efer_automatic_ibrs);
    if (speculation_control_kernel != 0)
        write_msr(Msr::speculation_control, speculation_control_kernel);
}

namespace {

/// The return predictor holds harmless places only.
void fill_returns() {
    // 32 calls, each to behind a trap that nothing but a wrong guess reaches.
    std::uint64_t count = 16;
    asm volatile("1:\n\t"
                 "call 3f\n"
                 "2:\tpause\n\tlfence\n\tjmp 2b\n"
                 "3:\tcall 5f\n"
                 "4:\tpause\n\tlfence\n\tjmp 4b\n"
                 "5:\taddq $16, %%rsp\n\t"
                 "decq %0\n\t"
                 "jnz 1b\n\t"
                 "lfence"
                 : "+r"(count)
                 :
                 : "memory", "cc");
}

} // namespace

void separate_spaces(bool user) {
    if (user && decided.barrier) write_msr(Msr::predictor_command, command_ibpb);
    if (decided.fill_returns) fill_returns();
}

} // namespace arch
