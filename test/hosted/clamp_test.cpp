// SPDX-License-Identifier: MIT
// The mask of numbers below a bound.
#include "lib/clamp.hpp"

#include <doctest/doctest.h>

TEST_CASE("the mask is all ones for an index below the bound, else zero") {
    constexpr std::uint64_t numbers[] = {0,          1,          5,          511,        512,
                                         0x7fffffff, 0x80000000, 0xffffffff, 1ULL << 32, 1ULL << 47,
                                         1ULL << 63, ~0ULL - 1,  ~0ULL};
    for (const std::uint64_t bound : numbers)
        for (const std::uint64_t index : numbers)
            CHECK(lib::mask_below(index, bound) == (index < bound ? ~0ULL : 0));
}
