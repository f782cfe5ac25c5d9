// SPDX-License-Identifier: MIT
// Processors, and memory that others give back.
#include "user/selftest/machine.hpp"

#include <algorithm>
#include <cstring>

namespace selftest {

namespace {

constexpr std::uint64_t millisecond = 1'000'000;
constexpr int patience = 1'000; // milliseconds

struct CpuId {
    std::uint32_t a, b, c, d;
};
CpuId cpuid(std::uint32_t leaf) {
    CpuId id{};
    asm volatile("cpuid" : "=a"(id.a), "=b"(id.b), "=c"(id.c), "=d"(id.d) : "a"(leaf), "c"(0));
    return id;
}

bool alone() {
    const auto machine = user::machine_info();
    return machine.ok() && machine->processors == 1;
}

} // namespace

bool has_no_execute() { return (cpuid(0x8000'0001).d >> 20 & 1U) != 0; }

bool has_avx() {
    constexpr std::uint32_t os_xsave = 1U << 27;
    constexpr std::uint32_t avx = 1U << 28;
    const std::uint32_t features = cpuid(1).c;
    if ((features & os_xsave) == 0 || (features & avx) == 0) return false;
    std::uint32_t low = 0;
    asm volatile("xgetbv" : "=a"(low) : "c"(0) : "edx");
    return (low & 6) == 6;
}

bool has_fs_gs_base() { return cpuid(0).a >= 7 && (cpuid(7).b & 1) != 0; }

ProcessorSet only(std::uint64_t processor) {
    ProcessorSet set{};
    set[processor / 8 % set.size()] = static_cast<std::uint8_t>(1U << (processor % 8));
    return set;
}

OnOneProcessor::OnOneProcessor() {
    const auto here = user::thread_processor(abi::no_handle);
    if (here) (void)user::thread_affinity(abi::no_handle, only(*here));
}

OnOneProcessor::~OnOneProcessor() { (void)user::thread_affinity(abi::no_handle, every_processor); }

Result<abi::MemoryInfo> settled_memory() {
    if (!alone()) (void)user::sleep(20 * millisecond);
    return user::memory_info();
}

namespace {

/// What memory_info tells once `is_settled` of it, or after a second.
template <typename Condition>
Result<abi::MemoryInfo> memory_once(Condition is_settled) {
    for (int left = alone() ? 0 : patience;; --left) {
        auto info = user::memory_info();
        if (left == 0 || !info || is_settled(*info)) return info;
        (void)user::sleep(millisecond);
    }
}

struct Amount {
    std::string_view words;
    std::uint64_t now;
    std::uint64_t before;
    bool is_kept() const { return words == "free" ? now < before : now > before; }
};

std::array<Amount, sizeof(abi::MemoryInfo) / sizeof(std::uint64_t)>
amounts(const abi::MemoryInfo& now, const abi::MemoryInfo& before) {
#define TABULA_AMOUNT(name, words) Amount{words, now.name, before.name},
    return {TABULA_MEMORY_INFO(TABULA_AMOUNT)};
#undef TABULA_AMOUNT
}

} // namespace

Result<abi::MemoryInfo> settled_memory(const abi::MemoryInfo& goal) {
    return memory_once(
        [&](const abi::MemoryInfo& info) { return std::memcmp(&info, &goal, sizeof goal) == 0; });
}

void expect_nothing_kept(const abi::MemoryInfo& before, Place place) {
    const auto after = memory_once([&](const abi::MemoryInfo& info) {
        const auto all = amounts(info, before);
        return std::none_of(all.begin(), all.end(), [](const Amount& a) { return a.is_kept(); });
    });
    if (!expect_ok(after, "info", place)) return;
    for (const Amount& amount : amounts(*after, before)) {
        if (!amount.is_kept()) continue;
        fail_numbers(amount.words, static_cast<std::int64_t>(amount.now),
                     static_cast<std::int64_t>(amount.before), place);
    }
}

} // namespace selftest
