// SPDX-License-Identifier: MIT
// The prompt: reads lines from the person at the console and gives them to the shell.
#pragma once

#include "user/sh/input.hpp"
#include "user/sh/shell.hpp"

namespace sh {

/// Reads and runs lines until `exit`; gives the shell's status.
int run_prompt(Shell& shell, Input& input);

} // namespace sh
