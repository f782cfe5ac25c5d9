// SPDX-License-Identifier: MIT
// The clock page: the time without a system call. One frame of the kernel's, which every process
// can have mapped, read-only, and nobody owns.
#pragma once

#include <cstdint>

namespace abi {

/// What stands at its beginning.
///
///   nanoseconds since boot = (time-stamp counter - start) * factor / 2^32    (128-bit product)
///
/// is what the system call `clock` gives, on every processor, while `usable` is not 0. Read
/// `sequence`, the rest, and `sequence` again: what was read holds if both were the same even
/// number.
struct ClockPage {
    std::uint32_t sequence; ///< odd while the rest is being changed
    std::uint32_t usable;   ///< 0: the processors' counters differ; only the call knows the time
    std::uint64_t start;    ///< what the counter showed when time began
    std::uint64_t factor;   ///< nanoseconds for one tick, with 32 binary places
};
static_assert(sizeof(ClockPage) == 24);

} // namespace abi
