// SPDX-License-Identifier: MIT
// What every program has: its main function, its first handles, and a way to end.
#pragma once

#include "abi/types.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace user {

/// The words a program was started with; the first is its own name.
using Arguments = std::span<const std::string_view>;

/// Each program defines this; its value is the exit status (0 is success).
int main(Arguments arguments);

/// The handles that every program but init gets, in this order. More may follow: what they are is
/// agreed between a program and the one that starts it.
enum class StandardHandle : unsigned {
    console,   ///< right_send: write text
    archive,   ///< right_inspect: map the boot archive; all files come from it
    directory, ///< right_send: the process directory that init serves
    count,
};

/// The handle's number in this program: `initial_handle` of its place.
constexpr abi::Handle standard_handle(StandardHandle which) {
    return abi::initial_handle(static_cast<unsigned>(which));
}
/// The n-th handle given beyond the standard ones.
constexpr abi::Handle extra_handle(unsigned n) {
    return abi::initial_handle(static_cast<unsigned>(StandardHandle::count) + n);
}

/// Where this program's handles are. Init, whose first handles are others, sets them itself.
struct ProgramHandles {
    abi::Handle console = standard_handle(StandardHandle::console);
    abi::Handle archive = standard_handle(StandardHandle::archive);
    abi::Handle directory = standard_handle(StandardHandle::directory);
};
extern ProgramHandles handles;

/// Writes buffered text out and ends the process.
[[noreturn]] void exit(int status);

/// Exit statuses with a fixed meaning.
inline constexpr int status_success = 0;
inline constexpr int status_failure = 1;
inline constexpr int status_usage = 2;          ///< wrong words on the command line
inline constexpr int status_not_runnable = 126; ///< found, but no program
inline constexpr int status_not_found = 127;    ///< no such command
inline constexpr int status_interrupted = 130;  ///< ended by Ctrl-C

} // namespace user
