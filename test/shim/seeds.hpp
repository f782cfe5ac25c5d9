// SPDX-License-Identifier: MIT
// How many seeds a test of random operations tries, and which.
//
//   TABULA_SEED=N    seed N alone, as a failure names it
//   TABULA_SEEDS=N   N where 1,000 would be; tests that take longer try a part of that
//   TABULA_LONG      ten times as many
//
// Under a sanitizer, where each takes five times as long, a quarter as many and others.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace shim {

inline bool runs_long() { return std::getenv("TABULA_LONG") != nullptr; }
/// Whether one seed is looked at.
inline bool runs_one_seed() { return std::getenv("TABULA_SEED") != nullptr; }

/// Calls attempt(seed) for as many seeds as `thousandth` is in 1,000.
template <typename Attempt>
void for_seeds(std::uint64_t thousandth, Attempt&& attempt) {
    const auto number = [](const char* name) {
        return std::strtoull(std::getenv(name), nullptr, 0);
    };
    if (runs_one_seed()) return attempt(std::uint64_t{number("TABULA_SEED")});
    std::uint64_t first = 1;
    std::uint64_t count = std::getenv("TABULA_SEEDS") != nullptr ? number("TABULA_SEEDS") : 1000;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    first = 1'000'001;
    count /= 4;
#endif
    count = count * (runs_long() ? 10 : 1) * thousandth / 1000 + 1;
    for (std::uint64_t seed = first; seed < first + count; ++seed) attempt(seed);
}

} // namespace shim
