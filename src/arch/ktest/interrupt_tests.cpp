// SPDX-License-Identifier: MIT
// Interrupts that may come anywhere.
#include "arch/apic/local_apic.hpp"
#include "arch/cpu/area.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/ktest/ktest.hpp"

#include <array>

namespace arch::ktest {
namespace {

/// Sends an NMI and gives it time to arrive. Touches nothing that is reached through GS.
void take_nmi() {
    local_apic::send(local_apic::id(), local_apic::command_nmi);
    for (unsigned i = 0; i < 10'000; ++i) asm volatile("pause");
}

KERNEL_TEST(nmi_counts, "an NMI is counted and returns") {
    const std::uint64_t before = this_cpu().nmis;
    take_nmi();
    EXPECT(this_cpu().nmis == before + 1, "it did not arrive once");
    return Verdict::passed();
}

// Between SYSCALL and SWAPGS, and between SWAPGS and SYSRET, GS is the user's; with FSGSBASE the
// user gives its base any value, of the kernel's half too. An NMI there must find its CPU all the
// same, and leave GS as it was.
KERNEL_TEST(nmi_with_user_gs, "an NMI trusts no GS base") {
    constexpr std::array<std::uint64_t, 3> bases{0, 0x0000'7fff'ffff'f000, 0xffff'8000'0000'0000};
    const std::uint64_t before = this_cpu().nmis;
    const std::uint64_t kernel_base = read_msr(Msr::kernel_gs_base);
    bool kept = true;
    for (const std::uint64_t base : bases) {
        write_msr(Msr::kernel_gs_base, base);
        asm volatile("swapgs" : : : "memory");
        take_nmi();
        kept = kept && read_msr(Msr::gs_base) == base;
        asm volatile("swapgs" : : : "memory");
    }
    write_msr(Msr::kernel_gs_base, kernel_base);
    EXPECT(kept, "GS changed");
    EXPECT(this_cpu().nmis == before + bases.size(), "one did not arrive");
    return Verdict::passed();
}

} // namespace
} // namespace arch::ktest
