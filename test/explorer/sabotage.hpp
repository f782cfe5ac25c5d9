// SPDX-License-Identifier: MIT
// Broken rules of the map's protocol. The map's own code stays as it is: while one CPU runs, its
// single steps are changed so that memory is as if the code had left the rule out. A write that is
// left out is taken back before anybody else runs; one that comes too late is hidden from the
// others until then; a look that is left out sees what the CPU saw before.
#pragma once

#include "explorer/explorer.hpp"

#include <memory>
#include <string_view>
#include <vector>

namespace explorer {

/// Which table locks are none.
enum class Locks : std::uint8_t {
    top,   ///< the first that an operation takes
    below, ///< the others, of tables that were there
    made,  ///< of tables that the operation makes
};

std::unique_ptr<Saboteur> no_stale_mark();
std::unique_ptr<Saboteur> no_second_look();
std::unique_ptr<Saboteur> no_look_at_idle();
std::unique_ptr<Saboteur> no_lock(Locks which);
std::unique_ptr<Saboteur> not_running();
std::unique_ptr<Saboteur> promise_first();
std::unique_ptr<Saboteur> filled_late();
std::unique_ptr<Saboteur> no_mark();

struct Mutation {
    std::string_view name;
    std::string_view rule; ///< what does not happen
    /// Scenarios that fail, each of them, with one preemption.
    std::vector<std::string_view> scenarios;
    std::unique_ptr<Saboteur> (*make)();
};
const std::vector<Mutation>& all_mutations();

} // namespace explorer
