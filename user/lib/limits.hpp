// SPDX-License-Identifier: MIT
// Limits that a program gives to those that it starts.
#pragma once

#include "user/lib/calls.hpp"

namespace user {

/// What init and a shell keep back from all that they start, in pages: so that a program which
/// takes all it can get leaves room for a prompt, and for another shell. At the prompt init is
/// charged 670 pages, the shell 710 (stacks that are hardly touched, mostly), and the kernel about
/// 50: what is left of the reserves is more than a second shell.
inline constexpr std::uint64_t init_reserve = 2048;
inline constexpr std::uint64_t shell_reserve = 1024;

/// A memory limit for a child: the caller's own, less `reserve` pages; 0 (share the caller's) where
/// that would leave next to nothing, or the own is not known.
inline std::uint64_t memory_limit_within(std::uint64_t reserve) {
    const auto info = process_info(abi::no_handle);
    return info && info->memory_limit > 4 * reserve ? info->memory_limit - reserve : 0;
}

} // namespace user
