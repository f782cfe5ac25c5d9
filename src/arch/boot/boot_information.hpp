// SPDX-License-Identifier: MIT
// What the loader told, for the rest of the kernel.
#pragma once

#include "lib/boot_info/information.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace arch {

/// Ways into the kernel; entry.S passes the number.
enum class BootProtocol : std::uint32_t { multiboot2 = 1, pvh = 2 };

/// Reads the loader's data at physical address `start` (below 4 GiB) through the first page tables.
/// Panics when it makes no sense. Called once.
void read_boot_information(BootProtocol protocol, PhysAddr start);

/// What was read; valid for ever, points nowhere into the loader's memory.
const lib::boot_info::BootInformation& boot_information();

/// Whether the command line has `word`, before any `run=`.
[[nodiscard]] bool has_boot_word(std::string_view word);

/// What stands behind `name=` in the command line, before any `run=`: none without such a word.
[[nodiscard]] std::optional<std::string_view> boot_word_value(std::string_view name);

/// The rest of the command line after `run=`; empty without one.
[[nodiscard]] std::string_view run_line_of_command_line();

} // namespace arch
