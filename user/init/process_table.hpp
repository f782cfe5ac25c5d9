// SPDX-License-Identifier: MIT
// The processes that init knows: ids, names and handles. Used by the server and by the thread that
// keeps a shell running.
#pragma once

#include "abi/types.hpp"
#include "lib/result.hpp"
#include "user/lib/handle.hpp"
#include "user/lib/mutex.hpp"
#include "user/lib/vector.hpp"

#include <cstdint>

namespace init {

/// All functions take the table's mutex.
class ProcessTable {
public:
    /// Knows init itself, which has no handle to itself.
    ProcessTable();

    /// Takes a process in. Gives its id. Errors: bad_handle or not_permitted (not a process, or no
    /// right to inspect it), limit_reached.
    Result<std::uint64_t> enroll(user::OwnedHandle process, std::uint64_t parent);
    /// Forgets a process that has ended. Errors: not_found, not_permitted (it still runs).
    Result<void> remove(std::uint64_t id);

    struct Listed {
        std::uint64_t id;
        std::uint64_t parent;
        char name[abi::name_limit];
    };
    /// The process with the next higher id; ended ones are forgotten on the way. Error: not_found.
    Result<Listed> next(std::uint64_t id);
    /// Error: not_found.
    Result<abi::ProcessInfo> info(std::uint64_t id);
    /// A new handle with these rights. Errors: not_found, not_permitted (init itself).
    Result<user::OwnedHandle> find(std::uint64_t id, std::uint32_t rights);

private:
    struct Entry {
        Listed listed;
        user::OwnedHandle handle; ///< none: init itself
    };
    static constexpr std::size_t limit = 512;

    static bool has_ended(const Entry& entry);
    Entry* look_up(std::uint64_t id);
    void forget_ended();

    user::Mutex mutex_;
    user::Vector<Entry> entries_; ///< in ascending order of ids
};

} // namespace init
