// SPDX-License-Identifier: MIT
// The explorer notices every rule that is broken, and its schedule shows it again.
#include "explorer/sabotage.hpp"
#include "explorer/scenario.hpp"

#include <doctest/doctest.h>

// Where rules are broken memory is used in ways that sanitizers end the process for.
#ifndef __SANITIZE_ADDRESS__

TEST_CASE("explorer: each broken rule is noticed, and so it is when its schedule is run again") {
    using namespace explorer;
    for (const Mutation& mutation : all_mutations()) {
        for (const std::string_view name : mutation.scenarios) {
            Scenario scenario = Scenario::named(name);
            scenario.preemptions = 1;
            INFO(mutation.name, ": ", mutation.rule, "; ", name);
            const Verdict verdict =
                explorer::explore(scenario, {.saboteur = mutation.make().get()});
            CHECK_FALSE(verdict.failure.empty());
            const auto schedule = parse_schedule(verdict.schedule);
            REQUIRE(schedule);
            std::string trace;
            const Verdict again = replay(scenario, *schedule, trace, mutation.make().get());
            CHECK(again.failure == verdict.failure);
            // Nobody else is to blame.
            CHECK(replay(scenario, *schedule, trace).failure != verdict.failure);
        }
    }
}

#endif
