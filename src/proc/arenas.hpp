// SPDX-License-Identifier: MIT
// Where the threads of a process map when they don't care where: apart, so that they neither share
// page tables nor cache lines of the tables above.
//
//   thread  0: the whole space, from its lowest address
//           n: [first + n * bytes, first + (n + 1) * bytes): its own page directory, and eight
//              entries of the table above, a cache line
#pragma once

#include "lib/address.hpp"

#include <bit>
#include <cstdint>

namespace proc {

/// Numbers that the threads of one process have: the one wanted, or the lowest free one. Beyond the
/// last one threads share. Kept under the process's lock.
class Arenas {
public:
    static constexpr unsigned count = 64;

    unsigned take(unsigned wanted) {
        const auto lowest = static_cast<unsigned>(std::countr_one(taken_));
        if (lowest == count) return next_shared_++ % count;
        const unsigned number = (taken_ >> wanted & 1) == 0 ? wanted : lowest;
        taken_ |= 1ULL << number;
        return number;
    }
    /// One that several have counts as free once the first of them is gone.
    void give(unsigned number) { taken_ &= ~(1ULL << number); }

    /// Empty for number 0, which has no bounds.
    static constexpr VirtRange range(unsigned number) {
        if (number == 0) return {};
        const VirtAddr start = first + number * bytes;
        return {start, start + bytes};
    }

private:
    static constexpr VirtAddr first{1ULL << 46};
    static constexpr std::uint64_t bytes = 1ULL << 33;
    std::uint64_t taken_ = 0;
    unsigned next_shared_ = 0;
};

} // namespace proc
