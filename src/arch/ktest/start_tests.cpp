// SPDX-License-Identifier: MIT
// Processors that don't answer, and processors that come when nobody waits for them.
#include "arch/apic/controllers.hpp"
#include "arch/apic/local_apic.hpp"
#include "arch/cpu/area.hpp"
#include "arch/ktest/ktest.hpp"
#include "arch/ktest/probe.hpp"
#include "arch/smp/processors.hpp"
#include "arch/smp/start.hpp"
#include "arch/smp/trampoline.hpp"
#include "arch/smp/waiting.hpp"
#include "arch/time/clock.hpp"
#include "vm/frames.hpp"

#include <algorithm>
#include <atomic>

namespace arch::ktest {
namespace {

constexpr std::uint64_t moment = 20'000'000; // nanoseconds

KERNEL_TEST(start_nobody, "a processor that does not answer is left out") {
    std::uint32_t nobody = 0;
    while (std::ranges::find(listed_processors(), nobody, &lib::ListedProcessor::apic_id) !=
           listed_processors().end()) {
        ++nobody;
    }
    EXPECT(trampoline::prepare().ok(), "no memory below 1 MiB");
    const unsigned count = cpu_count();
    trampoline::open();
    const bool started = start_processor(nobody);
    trampoline::close(true);
    EXPECT(!started && cpu_count() == count, "it is counted");
    return Verdict::passed();
}

/// The first processor that the command line's `cpus=` left out; null: there is none.
const lib::ListedProcessor* left_out() {
    const auto listed = listed_processors();
    return cpu_count() < listed.size() ? &listed[cpu_count()] : nullptr;
}

void reset(std::uint32_t apic_id) {
    local_apic::send(apic_id, local_apic::command_init);
    wait_nanoseconds(moment);
}

/// Sends a start-up command that nobody waits for; whether the processor came.
bool come_late(std::uint32_t apic_id) {
    const std::uint32_t before = trampoline::arrivals();
    local_apic::send(apic_id, local_apic::command_startup | trampoline::start_page());
    for (unsigned i = 0; i < 100 && trampoline::arrivals() == before; ++i) wait_nanoseconds(moment);
    wait_nanoseconds(moment);
    return trampoline::arrivals() == before + 1;
}

KERNEL_TEST(start_late, "a processor that comes too late halts, and can still be started") {
    const lib::ListedProcessor* other = left_out();
    if (other == nullptr) return Verdict::skipped("no processor is left over");
    const unsigned count = cpu_count();
    EXPECT(trampoline::prepare().ok(), "no memory below 1 MiB");
    reset(other->apic_id);
    EXPECT(come_late(other->apic_id), "it did not come to the closed trampoline");
    // Open, but the offer is another's.
    reset(other->apic_id);
    trampoline::open();
    Start start;
    start.area = cpu_areas[0];
    offer_start(other->apic_id + 1, start);
    EXPECT(come_late(other->apic_id), "it did not come to the open trampoline");
    EXPECT(start.stage.load() == Start::Stage::offered, "it took what was another's");
    EXPECT(withdraw_start(other->apic_id + 1), "the offer is gone");
    EXPECT(cpu_count() == count, "it is counted");

    reset(other->apic_id);
    EXPECT(start_processor(other->apic_id) && cpu_count() == count + 1, "it was not started");
    trampoline::close(true);
    EXPECT(run_on(count, [] {}), "it does not run");
    return Verdict::passed();
}

KERNEL_TEST(start_abandoned, "a processor that was given up on its way halts") {
    const lib::ListedProcessor* other = left_out();
    if (other == nullptr) return Verdict::skipped("no processor is left over");
    const unsigned count = cpu_count();
    EXPECT(trampoline::prepare().ok(), "no memory below 1 MiB");
    const auto area = make_cpu_area();
    EXPECT(area.ok(), "out of memory");
    Start start;
    start.area = *area;
    start.stage.store(Start::Stage::abandoned);
    reset(other->apic_id);
    trampoline::open();
    offer_start(other->apic_id, start);
    const bool came = come_late(other->apic_id);
    const bool took = !withdraw_start(other->apic_id);
    trampoline::close(true);
    reset(other->apic_id); // so that it lets go of its stack
    free_cpu_area(**area);
    EXPECT(came && took, "it did not take the offer");
    EXPECT(start.stage.load() == Start::Stage::abandoned && cpu_count() == count, "it went on");
    return Verdict::passed();
}

KERNEL_TEST(start_identity, "nothing of the way into the kernel is left mapped") {
    const std::uint64_t page = std::uint64_t{trampoline::start_page()} << page_bits;
    if (page == 0) return Verdict::skipped("one processor");
    EXPECT(probe_read(VirtAddr{page}).happened, "the trampoline's page is still mapped");
    return Verdict::passed();
}

} // namespace
} // namespace arch::ktest
