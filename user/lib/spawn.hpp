// SPDX-License-Identifier: MIT
// Starting programs by name.
#pragma once

#include "abi/types.hpp"
#include "lib/result.hpp"
#include "user/lib/handle.hpp"
#include "user/lib/program.hpp"

#include <span>
#include <string_view>

namespace user {

struct SpawnOptions {
    std::span<const abi::Handle> extra{}; ///< given after the standard handles
    bool enrolled = false;                ///< make it known to the process directory
    unsigned priority = abi::priority_default;
    std::uint64_t memory_limit = 0; ///< pages; 0: shares the own limit
    std::uint64_t handle_limit = 0; ///< 0: as many as oneself
};

/// Starts bin/NAME (or, with a `/` in it, that file) with `arguments`, whose first word is the
/// name. Errors: not_found, bad_format (not a program), too_large (arguments), or spawn's.
Result<OwnedHandle> spawn(Arguments arguments, const SpawnOptions& options = {});

/// The same from a program file's bytes; `name` is what the process is called.
Result<OwnedHandle> spawn_image(std::string_view name, std::span<const std::byte> file,
                                Arguments arguments, const SpawnOptions& options = {});

/// Spawns, waits, and gives the status.
Result<std::int32_t> run(Arguments arguments, const SpawnOptions& options = {});

} // namespace user
