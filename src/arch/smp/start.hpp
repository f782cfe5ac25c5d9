// SPDX-License-Identifier: MIT
// One processor's way from the trampoline into the kernel: what it is offered, and how far it came.
#pragma once

#include "arch/cpu/area.hpp"
#include "arch/smp/tsc_comparison.hpp"

#include <atomic>
#include <cstdint>

namespace arch {

/// A start, shared between the boot CPU and the processor that is started. Each step is taken by
/// one of the two; `abandoned` can be set by the boot CPU at any time before `joined`, and then the
/// processor halts for ever.
struct Start {
    enum class Stage : std::uint8_t {
        offered,   ///< the boot CPU waits for it
        arrived,   ///< it runs on its own stack
        comparing, ///< it is set up, and answers questions about its TSC
        refused,   ///< it can't be used: `missing` says why; it halts
        joined,    ///< it is a CPU like others
        abandoned, ///< it took too long
    };
    CpuArea* area = nullptr;
    std::atomic<Stage> stage{Stage::offered};
    const char* missing = nullptr;
    TscComparison comparison{};

    /// From one stage to the next; false where the other side was quicker.
    bool advance(Stage from, Stage to) { return stage.compare_exchange_strong(from, to); }
};

/// Offers `start` to the processor with that local APIC: its next start-up command leads it there.
void offer_start(std::uint32_t apic_id, Start& start);
/// Takes the offer back; false if the processor took it meanwhile.
bool withdraw_start(std::uint32_t apic_id);

} // namespace arch
