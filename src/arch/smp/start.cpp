// SPDX-License-Identifier: MIT
// What a started processor does, until it is a CPU like others.
#include "arch/smp/start.hpp"

#include "arch/apic/local_apic.hpp"
#include "arch/boot/paging.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/cpu/vector_state.hpp"
#include "arch/cpu_features.hpp"
#include "arch/memory/translation.hpp"
#include "arch/smp/waiting.hpp"
#include "arch/time/clock.hpp"

namespace arch {

namespace {
constexpr std::uint32_t nobody = ~0U;
} // namespace

extern "C" {
// Read by trampoline.S. The number is written last: a processor reads nothing else before it has
// exchanged its own number for nobody's.
extern std::uint32_t offered_apic_id;
extern std::uint64_t offered_root;
extern std::uint64_t offered_apic_registers;
extern std::uint64_t offered_stack;
extern Start* offered_start;
constinit std::uint32_t offered_apic_id = nobody;
constinit std::uint64_t offered_root = 0;
constinit std::uint64_t offered_apic_registers = 0;
constinit std::uint64_t offered_stack = 0;
constinit Start* offered_start = nullptr;

/// Called by trampoline.S on the offered stack, interrupts off, without descriptors of its own.
[[noreturn]] void arch_start_processor(Start* start);
}

namespace {

/// Halts, having said why unless nobody listens any more.
[[noreturn]] void refuse(Start& start, const char* missing) {
    start.missing = missing;
    start.advance(Start::Stage::arrived, Start::Stage::refused);
    halt_for_ever();
}

} // namespace

void arch_start_processor(Start* offered) {
    Start& start = *offered;
    CpuArea& area = *start.area;
    write_msr(Msr::gs_base, reinterpret_cast<std::uint64_t>(&area));
    if (!start.advance(Start::Stage::offered, Start::Stage::arrived)) halt_for_ever();
    // Before anything is switched on that may not be there.
    if (const char* missing = missing_cpu_feature(); missing != nullptr) refuse(start, missing);
    enable_cpu_features();
    take_cpu_area(area);
    if (!initialise_cpu_vector_units()) refuse(start, "vector registers");
    local_apic::initialise_cpu();
    initialise_cpu_clock();
    if (!start.advance(Start::Stage::arrived, Start::Stage::comparing)) halt_for_ever();
    start.comparison.answer(start.stage, Start::Stage::abandoned);
    if (!start.advance(Start::Stage::comparing, Start::Stage::joined)) halt_for_ever();
    join_kernel_space(); // not before: who is left out answers nobody
    start_perturbation();
    wait_for_work();
}

void offer_start(std::uint32_t apic_id, Start& start) {
    offered_root = kernel_root().value;
    offered_apic_registers = local_apic::register_address();
    offered_stack = start.area->kernel_stack + 8;
    offered_start = &start;
    std::atomic_ref(offered_apic_id).store(apic_id);
}

bool withdraw_start(std::uint32_t apic_id) {
    return std::atomic_ref(offered_apic_id).compare_exchange_strong(apic_id, nobody);
}

} // namespace arch
