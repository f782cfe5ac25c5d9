// SPDX-License-Identifier: MIT
// What tests of upcalls share: handlers that note what came, and instructions that fault.
#pragma once

#include "user/lib/upcall.hpp"

#include <cstdint>

namespace selftest {

inline constexpr std::uint64_t store_bytes = 3; ///< movb $1, (%rax)
inline constexpr std::uint64_t load_bytes = 2;  ///< movb (%rax), %cl

inline void store_at(std::uint64_t address) {
    asm volatile("movb $1, (%%rax)" : : "a"(address) : "memory");
}
inline void load_at(std::uint64_t address) {
    asm volatile("movb (%%rax), %%cl" : : "a"(address) : "rcx", "memory");
}

/// Pages that were mapped and are none now: nothing else comes there meanwhile, in one thread.
Result<std::uint64_t> make_hole(std::uint64_t pages = 1);

} // namespace selftest
