// SPDX-License-Identifier: MIT
// What a child process of selftest can be told to do.
#pragma once

#include "user/lib/program.hpp"

#include <cstddef>
#include <span>
#include <string_view>

namespace selftest {

struct Role {
    std::string_view name;
    std::size_t words; ///< that it needs
    int (*play)(user::Arguments words);
};

/// Those of children within limits.
std::span<const Role> limits_roles();
/// Those of children that fork.
std::span<const Role> fork_roles();
/// Those of children that take their own faults.
std::span<const Role> upcalls_roles();

} // namespace selftest
