// SPDX-License-Identifier: MIT
// A scenario: one operation a CPU, all at once. Whatever the schedule, no cache keeps what is gone,
// the map is valid, nothing is lost, and results, map and contents are those of the same operations
// done one at a time in some order.
#pragma once

#include "explorer/operations.hpp"

namespace explorer {

struct Scenario {
    std::vector<std::string_view> operations; ///< names, one a CPU
    unsigned preemptions = 2;
    Start start = Start::full;
    std::string name() const;
    /// Of such a name. Throws ModelError.
    static Scenario named(std::string_view name);
};

struct Verdict {
    Statistics statistics;
    std::size_t outcomes = 0; ///< different ones
    std::size_t states = 0;   ///< different ends, of memory and results
    std::string failure;      ///< empty: none
    std::string schedule;     ///< of the failure
};

/// How it is explored.
struct Way {
    Saboteur* saboteur = nullptr; ///< breaks a rule
    bool reduces = true;          ///< see Explorer
};
Verdict explore(const Scenario& scenario, const Way& way = {});
/// Runs one schedule of it again; `trace` becomes a line for each step.
Verdict replay(const Scenario& scenario, const Schedule& schedule, std::string& trace,
               Saboteur* saboteur = nullptr);

} // namespace explorer
