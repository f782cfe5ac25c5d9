// SPDX-License-Identifier: MIT
// The time since boot, by the clock page where that knows it, else by a system call.
#pragma once

#include "abi/clock_page.hpp"

#include <cstdint>
#include <optional>

namespace user {

/// Nanoseconds since boot by a clock page; none if it says that it doesn't know.
std::optional<std::uint64_t> read_clock(const abi::ClockPage& page);
/// Nanoseconds since boot.
std::uint64_t now();

} // namespace user
