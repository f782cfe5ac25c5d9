// SPDX-License-Identifier: MIT
// Processors, and memory that others give back.
#include "user/selftest/machine.hpp"

#include <cstring>

namespace selftest {

namespace {

constexpr std::uint64_t millisecond = 1'000'000;
constexpr int patience = 1'000; // milliseconds

bool alone() {
    const auto machine = user::machine_info();
    return machine.ok() && machine->processors == 1;
}

} // namespace

bool has_no_execute() {
    std::uint32_t eax = 0x8000'0001;
    std::uint32_t edx = 0;
    asm("cpuid" : "+a"(eax), "=d"(edx) : : "rbx", "rcx");
    return (edx >> 20 & 1U) != 0;
}

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

Result<abi::MemoryInfo> settled_memory(const abi::MemoryInfo& goal) {
    for (int left = alone() ? 0 : patience;; --left) {
        auto info = user::memory_info();
        if (left == 0 || !info || std::memcmp(&*info, &goal, sizeof goal) == 0) return info;
        (void)user::sleep(millisecond);
    }
}

} // namespace selftest
