// SPDX-License-Identifier: MIT
// Commands that run in the background.
#pragma once

#include "user/lib/handle.hpp"
#include "user/lib/vector.hpp"

#include <cstdint>
#include <string_view>

namespace sh {

class Jobs {
public:
    /// Takes a started command in and tells its number and id.
    void add(user::OwnedHandle process, std::uint64_t id, std::string_view name);
    /// Tells which have ended since, and forgets them.
    void report_ended();
    void list() const;
    bool empty() const { return jobs_.empty(); }

private:
    struct Job {
        unsigned number;
        std::uint64_t id;
        user::OwnedHandle process;
        user::Text name;
    };
    user::Vector<Job> jobs_;
};

} // namespace sh
