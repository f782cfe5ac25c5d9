// SPDX-License-Identifier: MIT
// Start-up of a program: relocation, constructors, arguments. Called from start.S only.
#pragma once

#include "abi/clock_page.hpp"

#include <cstdint>

namespace user {

/// Null if who spawned the program gave it none.
extern const abi::ClockPage* clock_page;

/// The time-stamp counter at the program's first instruction.
extern std::uint64_t started_at;

/// Writes buffered text out when the program ends; null until it printed something. So programs
/// that print nothing are small.
extern void (*write_out)();

/// How the arguments lie in memory at start: a count, and as many addresses of zero-terminated
/// texts.
struct ArgumentBlock {
    std::uint64_t count;
    const char* texts[1]; // `count` of them
};

} // namespace user

extern "C" {
/// Applies the program's own relocations (System V gABI, "Relocation"; psABI R_X86_64_RELATIVE).
/// Runs before any relocated data may be read. `dynamic` is null in a program with fixed addresses.
void user_relocate(std::uint64_t base, const std::uint64_t* dynamic);
/// Runs constructors and main, and ends the process with main's value.
[[noreturn]] void user_start(const user::ArgumentBlock* block, std::uint64_t time_stamp,
                             const abi::ClockPage* clock);
}
