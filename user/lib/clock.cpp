// SPDX-License-Identifier: MIT
// Reading the clock page.
#include "user/lib/clock.hpp"

#include "user/lib/calls.hpp"
#include "user/lib/start.hpp"
#include "user/lib/time_stamp.hpp"

#include <atomic>

namespace user {

namespace {

/// Others may be writing it.
template <typename T>
T load(const T& word) {
    return __atomic_load_n(&word, __ATOMIC_RELAXED);
}

} // namespace

std::optional<std::uint64_t> read_clock(const abi::ClockPage& page) {
    __extension__ using Wide = unsigned __int128;
    for (;;) {
        const std::uint32_t before = load(page.sequence);
        std::atomic_thread_fence(std::memory_order_acquire);
        const bool usable = load(page.usable) != 0;
        const std::uint64_t start = load(page.start);
        const std::uint64_t factor = load(page.factor);
        const std::uint64_t ticks = time_stamp() - start;
        std::atomic_thread_fence(std::memory_order_acquire);
        if (before % 2 != 0 || load(page.sequence) != before) continue;
        if (!usable) return std::nullopt;
        return static_cast<std::uint64_t>((Wide{ticks} * factor) >> 32);
    }
}

std::uint64_t now() {
    if (clock_page != nullptr)
        if (const auto time = read_clock(*clock_page)) return *time;
    return clock();
}

} // namespace user
