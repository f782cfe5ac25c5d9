// SPDX-License-Identifier: MIT
// What tests need to know of a machine with several processors.
#pragma once

#include "user/selftest/framework.hpp"

#include <array>

namespace selftest {

using ProcessorSet = std::array<std::uint8_t, abi::processor_set_bytes>;

/// Whether the processor has no-execute pages (CPUID).
bool has_no_execute();

/// Whether the kernel lets programs use AVX (SDM vol. 1, 14.3).
bool has_avx();
/// Whether programs may change their FS and GS base.
bool has_fs_gs_base();

/// The set of one.
ProcessorSet only(std::uint64_t processor);
/// All that there may be.
inline constexpr ProcessorSet every_processor = [] {
    ProcessorSet set{};
    set.fill(0xff);
    return set;
}();

/// Keeps the calling thread, and the threads and processes that it starts, on one processor for a
/// scope: for tests of the order in which one processor runs its threads.
class OnOneProcessor {
public:
    OnOneProcessor();
    ~OnOneProcessor();
    OnOneProcessor(const OnOneProcessor&) = delete;
    OnOneProcessor& operator=(const OnOneProcessor&) = delete;
};

/// What memory_info tells now that whatever ended on other processors had time to be cleared away.
Result<abi::MemoryInfo> settled_memory();
/// The same, and as soon as it equals `goal`; waits for that at most a second.
Result<abi::MemoryInfo> settled_memory(const abi::MemoryInfo& goal);
/// Expects that within a second no kind of memory is more than it was, and no less is free. Less
/// may be: which pages the kernel's small objects lie in depends on the order in which others end.
void expect_nothing_kept(const abi::MemoryInfo& before, Place place = {});

} // namespace selftest
