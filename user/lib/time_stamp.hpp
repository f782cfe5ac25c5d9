// SPDX-License-Identifier: MIT
// The time-stamp counter.
#pragma once

#include <cstdint>

namespace user {

/// The counter. In the emulator's counting mode it advances by one an instruction.
inline std::uint64_t time_stamp() {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    asm volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
    return std::uint64_t{high} << 32 | low;
}

} // namespace user
