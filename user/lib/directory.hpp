// SPDX-License-Identifier: MIT
// The process directory, as its clients see it: ids and names to handles, and what init does for
// those who hold no power themselves.
#pragma once

#include "abi/types.hpp"
#include "lib/result.hpp"
#include "user/lib/handle.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace user::directory {

/// A process that the directory knows.
struct Entry {
    std::uint64_t id;
    std::uint64_t parent; ///< id of the process that enrolled it; 0: none
    std::array<char, abi::name_limit> name;
    std::string_view name_view() const;
};

/// What `state` tells: the numbers of abi::ProcessInfo.
struct State {
    std::uint64_t threads;
    std::uint64_t committed;
    std::uint64_t anonymous;
    std::uint64_t tables;
    std::uint64_t faults;
    std::uint64_t time;
    std::uint64_t exited;
};

/// Makes a process known. The handle needs right_duplicate. Gives its id.
Result<std::uint64_t> enroll(abi::Handle process);
/// Forgets an ended process at once; the directory would notice by itself later.
Result<void> remove(std::uint64_t id);
/// The process with the next higher id. Error: not_found after the last.
Result<Entry> next(std::uint64_t id);
Result<State> state(std::uint64_t id);
/// A handle with inspect and control. Errors: not_found; not_permitted for init itself.
Result<OwnedHandle> find(std::uint64_t id);
/// The next run of init's own map at or above the address. Error: not_found after the last.
Result<abi::Run> init_run(std::uint64_t address);
/// The next run of the kernel's half at or above the address. Error: not_found after the last.
Result<abi::Run> kernel_run(std::uint64_t address);
/// Powers off or restarts. Comes back only with an error.
Result<void> power(abi::Power action);
/// The time-stamp counter at the first instruction of user space.
Result<std::uint64_t> boot_time();

} // namespace user::directory
