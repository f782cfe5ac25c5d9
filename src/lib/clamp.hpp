// SPDX-License-Identifier: MIT
// Bounds that hold in wrong guesses too (Spectre, variant 1).
#pragma once

#include <cstdint>

namespace lib {

/// All ones where `index` is below `bound`, else 0: without a branch that could be guessed. For
/// numbers that user space chose: behind a check the processor may go on with a wrong guess, and
/// read where no bound would let it, unless the number was masked.
inline std::uint64_t mask_below(std::uint64_t index, std::uint64_t bound) {
    std::uint64_t mask = 0;
    asm("cmpq %2, %1\n\tsbbq %0, %0" : "=r"(mask) : "r"(index), "r"(bound) : "cc");
    return mask;
}

} // namespace lib
