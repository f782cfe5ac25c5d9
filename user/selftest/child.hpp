// SPDX-License-Identifier: MIT
// What selftest's own child processes do: `selftest --child ROLE [WORD]...`.
#pragma once

#include "lib/result.hpp"
#include "user/lib/program.hpp"
#include "user/lib/spawn.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>

namespace selftest {

/// Plays the role that the words ask for; none when they ask for no child.
std::optional<int> play_child(user::Arguments arguments);

/// Starts a child in a role.
Result<user::OwnedHandle> start_child(std::initializer_list<std::string_view> role,
                                      std::span<const abi::Handle> extra = {});
/// The same, within limits.
Result<user::OwnedHandle> start_child(std::initializer_list<std::string_view> role,
                                      const user::SpawnOptions& options);
/// Starts it, waits, gives its status.
Result<std::int32_t> run_child(std::initializer_list<std::string_view> role,
                               std::span<const abi::Handle> extra = {});

/// Runs `function` in a child process named by its place in the table of faults below; the child
/// ends with status_failure when it survives.
inline constexpr std::int32_t fault_status = static_cast<std::int32_t>(abi::status_fault);

} // namespace selftest
