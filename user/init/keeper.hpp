// SPDX-License-Identifier: MIT
// What init keeps running: a shell for the person at the console, or the run line once.
#pragma once

#include "user/init/process_table.hpp"
#include "user/lib/program.hpp"

#include <string_view>

namespace init {

/// Starts a shell, and another one whenever it ends.
[[noreturn]] void keep_shell(ProcessTable& processes);

/// Runs the line in a shell, prints `run: exit N`, and powers off with success or failure.
[[noreturn]] void run_line(ProcessTable& processes, std::string_view line, abi::Handle power);

} // namespace init
