// SPDX-License-Identifier: MIT
// One time on all CPUs: what a processor's clock was put wrong by, the comparison finds.
#include "arch/cpu/area.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/cpu_features.hpp"
#include "arch/ktest/ktest.hpp"
#include "arch/smp/start.hpp"
#include "arch/smp/waiting.hpp"
#include "proc/port.hpp"

namespace arch::ktest {
namespace {

/// Far more than a comparison can err, even where processors take turns.
constexpr std::uint64_t error = 1ULL << 40;

constinit Start* start = nullptr;

/// Compares CPU 1's clock with the boot CPU's, after `spoil` ran there.
bool compare(Start& with, void (*spoil)()) {
    start = &with;
    if (!run_on(1, spoil)) return false;
    begin_on(1, [] { start->comparison.answer(start->stage, Start::Stage::abandoned); });
    return with.comparison.ask() && run_on(1, [] {});
}

std::uint64_t difference(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : b - a; }

KERNEL_TEST(clock_start, "a clock that began at another time is set right") {
    if (cpu_count() < 2) return Verdict::skipped("one CPU");
    Start with;
    EXPECT(compare(with, [] { this_cpu().clock_start -= error; }), "no answer");
    EXPECT(difference(cpu_areas[1]->clock_start, cpu_areas[0]->clock_start) < error / 2,
           "it is still wrong");
    EXPECT(cpu_areas[1]->clock_start ==
               cpu_areas[0]->clock_start +
                   static_cast<std::uint64_t>(with.comparison.counted_with()),
           "what was found is not counted with");
    return Verdict::passed();
}

KERNEL_TEST(clock_adjust, "a time-stamp counter that runs ahead is adjusted") {
    if (cpu_count() < 2) return Verdict::skipped("one CPU");
    if (!cpu_features().tsc_adjust) return Verdict::skipped("no IA32_TSC_ADJUST");
    Start with;
    EXPECT(compare(with, [] { write_msr(Msr::tsc_adjust, read_msr(Msr::tsc_adjust) + error); }),
           "no answer");
    EXPECT(with.comparison.found().differ(), "it was not noticed");
    EXPECT(difference(static_cast<std::uint64_t>(with.comparison.found().ahead()), error) <
               error / 2,
           "what was found is far off");
    EXPECT(static_cast<std::uint64_t>(with.comparison.counted_with() + (1LL << 30)) < 1ULL << 31,
           "it was not adjusted");
    return Verdict::passed();
}

} // namespace
} // namespace arch::ktest
