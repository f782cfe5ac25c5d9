// SPDX-License-Identifier: MIT
// The table of commands, and what every program does with its words first.
#pragma once

#include "user/lib/program.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace user {

struct Command {
    std::string_view name;
    std::string_view arguments;
    std::string_view what;
    bool built_in;
};

std::span<const Command> commands();
/// The command of that name, or null.
const Command* find_command(std::string_view name);

/// Prints `usage: NAME ARGUMENTS`.
void print_usage(std::string_view name);
/// Prints usage and what the command does.
void print_help(const Command& command);

/// Answers `--help`, and complains unless the number of words behind the name lies in
/// [least, most]. Gives the exit status when the program has nothing left to do.
std::optional<int> check_usage(Arguments arguments, std::size_t least, std::size_t most);

inline constexpr std::size_t any_number = ~std::size_t{0};

} // namespace user
