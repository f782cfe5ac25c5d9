// SPDX-License-Identifier: MIT
// Operations of two and three CPUs, in all orders of their steps that few preemptions make.
//
// TABULA_LONG has more of them. TABULA_SCHEDULE='SCENARIO: SCHEDULE', as a failure prints it, runs
// that one again and prints its steps; TABULA_MUTATION names a rule to break meanwhile.
// TABULA_EXPLORED names a file for a line about each scenario.
#include "explorer/sabotage.hpp"
#include "explorer/scenario.hpp"
#include "shim/seeds.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace {

using namespace explorer;

#ifdef __SANITIZE_ADDRESS__
constexpr bool slow = true;
#else
constexpr bool slow = false;
#endif
const bool longer = shim::runs_long() && !slow;

void note(const Scenario& scenario, const Verdict& verdict) {
    const char* const file = std::getenv("TABULA_EXPLORED");
    if (file == nullptr) return;
    std::ofstream(file, std::ios::app)
        << scenario.operations.size() << "\t" << scenario.preemptions << "\t" << scenario.name()
        << "\t" << verdict.statistics.runs << "\t" << verdict.statistics.redundant << "\t"
        << verdict.statistics.steps << "\t" << verdict.statistics.points << "\t" << verdict.outcomes
        << "\t" << verdict.states << "\n";
}

void expect_right(const Scenario& scenario) {
    const Verdict verdict = explorer::explore(scenario);
    note(scenario, verdict);
    CHECK_MESSAGE(verdict.failure.empty(), "TABULA_SCHEDULE='", scenario.name(), ": ",
                  verdict.schedule, "'\n", verdict.failure);
}

/// All combinations of `count` operations, each perhaps several times.
template <typename Visit>
void combine(const std::vector<std::string_view>& names, std::size_t count, Visit&& visit,
             std::vector<std::string_view> chosen = {}, std::size_t from = 0) {
    if (chosen.size() == count) return visit(chosen);
    for (std::size_t at = from; at < names.size(); ++at) {
        chosen.push_back(names[at]);
        // Only one may end a space.
        const Kind kind = operation(names[at]).kind;
        const bool once = kind == Kind::renew || kind == Kind::end;
        combine(names, count, visit, chosen, once ? at + 1 : at);
        chosen.pop_back();
    }
}

std::vector<std::string_view> names_of_all() {
    std::vector<std::string_view> names;
    for (const Operation& one : all_operations()) names.push_back(one.name);
    return names;
}

/// One of each kind that does what no other does.
const std::vector<std::string_view> few{"map 3",       "map over -1..1", "first fit",
                                        "unmap -1..1", "unmap right",    "protect -1..2 r",
                                        "write 0",     "write 2",        "write in large"};

/// What can be done to spaces that share tables, with each other's.
const std::vector<std::string_view> shared{"write 0",
                                           "read 0",
                                           "write 2",
                                           "unmap 0",
                                           "unmap right",
                                           "protect -1..2 r",
                                           "discard 0..2",
                                           "map over -1..1",
                                           "fork",
                                           "move 0 to 3",
                                           "hand 0",
                                           "end child",
                                           "child: write 0",
                                           "child: read 0",
                                           "child: write 2",
                                           "child: unmap 0",
                                           "child: unmap right",
                                           "child: protect -1..2 r",
                                           "child: discard 0..2",
                                           "child: map over -1..1",
                                           "child: map 3",
                                           "child: fork"};

/// What can be done with an object's pages.
const std::vector<std::string_view> on_objects{
    "evict 0",  "evict 1",         "shrink",       "collect",        "supply 0",    "read -2",
    "write -2", "unmap -2",        "read 0",       "write 0",        "unmap 0",     "unmap -1..1",
    "park 0",   "protect -1..2 r", "discard 0..2", "map over -1..1", "move 0 to 3", "fork"};

/// What can be done where a space has entries for many pages of it, or reads through its table.
const std::vector<std::string_view> on_grafts{
    "evict 0",      "shrink",     "shrink to 2",  "supply 0",   "read file 0", "read file 1",
    "read file 2",  "read own 2", "unmap file 1", "unmap file", "park file 1", "protect file rw",
    "discard file", "read own 1", "write own 1",  "fork"};

/// Nobody may run a space that is ended.
bool ends_its_own(const std::vector<std::string_view>& names) {
    const auto is = [&](auto matches) { return std::ranges::any_of(names, matches); };
    return is([](std::string_view name) { return operation(name).kind == Kind::end; }) &&
           is([](std::string_view name) {
               return operation(name).in_child || operation(name).kind == Kind::hand;
           });
}

/// Two that split the large entry fill a table each, whose slots are common words.
bool fill_tables(const std::vector<std::string_view>& names) {
    return std::ranges::all_of(
        names, [](std::string_view name) { return name.find("large") != name.npos; });
}

} // namespace

TEST_CASE("explorer: pairs of operations") {
    const unsigned preemptions = slow ? 1 : longer ? 3 : 2;
    combine(slow ? few : names_of_all(), 2, [&](const auto& names) {
        expect_right({.operations = names,
                      .preemptions = fill_tables(names) ? preemptions / 2 : preemptions});
    });
}

TEST_CASE("explorer: pairs of operations, where tables are folded") {
    const unsigned preemptions = longer ? 3 : 1;
    combine(slow ? few : names_of_all(), 2, [&](const auto& names) {
        if (fill_tables(names) && !longer) return; // nothing is folded
        expect_right({.operations = names,
                      .preemptions = fill_tables(names) ? 1 : preemptions,
                      .start = Start::sparse});
    });
}

TEST_CASE("explorer: a space is forked, and memory moves, while it changes") {
    const unsigned preemptions = longer ? 2 : 1;
    const auto with_all = [&](std::string_view one) {
        for (const std::string_view other : slow ? few : names_of_all()) {
            const Kind kind = operation(other).kind;
            // It ends the space that memory would move to. And a search, which has no locks, may
            // see where something moved to taken before it sees free where it was.
            if (one != "fork" && (kind == Kind::renew || kind == Kind::first_fit)) continue;
            expect_right({.operations = {one, other}, .preemptions = preemptions});
        }
    };
    const std::vector<std::string_view> two{"fork",       "move 0 to 3", "move -1..1 left",
                                            "give -1..1", "give 2",      "take 0 to 3"};
    for (const std::string_view one : two) with_all(one);
    combine(two, 2, [&](const auto& names) {
        expect_right({.operations = names, .preemptions = preemptions});
    });
}

TEST_CASE("explorer: pairs in spaces that share tables") {
    if (slow) return;
    combine(shared, 2, [&](const auto& names) {
        if (ends_its_own(names)) return;
        expect_right(
            {.operations = names, .preemptions = longer ? 2U : 1U, .start = Start::forked});
    });
}

TEST_CASE("explorer: three operations at once") {
    if (slow) return;
    for (const Start start : {Start::full, Start::sparse}) {
        if (start == Start::sparse && !longer) return;
        combine(longer ? names_of_all() : few, 3, [&](const auto& names) {
            expect_right({.operations = names, .preemptions = 1, .start = start});
        });
    }
}

TEST_CASE("explorer: pairs of operations on an object") {
    if (slow) return;
    combine(on_objects, 2, [&](const auto& names) {
        expect_right({.operations = names, .preemptions = 2, .start = Start::objects});
    });
}

TEST_CASE("explorer: an object's page table is read through, while pages leave it") {
    if (slow) return;
    for (const Start start : {Start::objects, Start::grafted})
        combine(on_grafts, 2, [&](const auto& names) {
            expect_right({.operations = names, .preemptions = longer ? 2U : 1U, .start = start});
        });
}

TEST_CASE("explorer: three operations in spaces that share tables") {
    if (slow) return;
    const auto expect_all_right = [](const std::vector<std::string_view>& names) {
        if (ends_its_own(names)) return;
        expect_right({.operations = names, .preemptions = 1, .start = Start::forked});
    };
    if (longer) return combine(shared, 3, expect_all_right);
    expect_all_right({"write 0", "hand 0", "child: read 3"});
    expect_all_right({"write 0", "fork", "child: write 0"});
    expect_all_right({"unmap 0", "child: write 0", "child: unmap right"});
    expect_all_right({"fork", "hand 0", "child: unmap right"});
}

TEST_CASE("explorer: three operations at once, two preemptions") {
    if (!longer) return;
    combine(few, 3,
            [&](const auto& names) { expect_right({.operations = names, .preemptions = 2}); });
}

TEST_CASE("explorer: what it leaves out ends as what it runs") {
    std::vector<std::string_view> pairs{"unmap -1..1 | write 0", "first fit | unmap 0",
                                        "map over 0 | unmap right"};
    if (longer) pairs = {"protect 0 r | write 0", "unmap 0 | discard 0..2", "map 3 | grow 3"};
    for (const std::string_view name : pairs) {
        Scenario scenario = Scenario::named(name);
        scenario.preemptions = longer ? 2 : 1;
        const Verdict some = explorer::explore(scenario);
        const Verdict all = explorer::explore(scenario, {.reduces = false});
        note(scenario, some);
        note(scenario, all);
        CHECK_MESSAGE(all.failure.empty(), all.failure);
        CHECK(some.statistics.runs < all.statistics.runs);
        CHECK(some.states == all.states);
        CHECK(some.outcomes == all.outcomes);
    }
}

TEST_CASE("explorer: schedules that showed errors") {
    // A hole search that passed a table which was unlinked between two of its looks.
    expect_right({.operations = {"first fit", "unmap right"}, .preemptions = 2});
    // One that read a class of promises before another search moved a slot into it, and the last
    // class after the slot had left that.
    expect_right({.operations = {"first fit", "search right"}, .preemptions = 2});
    // A fork that copied the promises of a table's slots, and its own after it was lowered.
    expect_right({.operations = {"fork", "search left"}, .preemptions = 2});
    // A copy of a shared table that was linked before it was locked.
    expect_right({.operations = {"child: unmap 0", "child: unmap 0"},
                  .preemptions = 1,
                  .start = Start::forked});
    // Pages that seemed to have no rights while they moved.
    expect_right({.operations = {"give -1..1", "query"}, .preemptions = 2});
}

TEST_CASE("explorer: the schedule of TABULA_SCHEDULE") {
    const char* const given = std::getenv("TABULA_SCHEDULE");
    if (given == nullptr) return;
    const std::string_view text(given);
    const std::size_t colon = text.rfind(": ");
    REQUIRE(colon != std::string_view::npos);
    const auto schedule = parse_schedule(text.substr(colon + 2));
    REQUIRE(schedule);
    std::unique_ptr<Saboteur> saboteur;
    if (const char* const broken = std::getenv("TABULA_MUTATION"); broken != nullptr)
        for (const Mutation& mutation : all_mutations())
            if (mutation.name == broken) saboteur = mutation.make();
    std::string trace;
    const Verdict verdict =
        replay(Scenario::named(text.substr(0, colon)), *schedule, trace, saboteur.get());
    MESSAGE(trace);
    CHECK_MESSAGE(verdict.failure.empty(), verdict.failure);
}

TEST_CASE("explorer: schedules are text") {
    const Schedule schedule{{0, 17}, {2, 0}, {0, 123}};
    CHECK(to_text(schedule) == "0@17 2 0@123");
    CHECK(parse_schedule("0@17 2 0@123") == schedule);
    CHECK(parse_schedule("") == Schedule{});
    CHECK_FALSE(parse_schedule("0@"));
    CHECK_FALSE(parse_schedule("0@0"));
    CHECK_FALSE(parse_schedule("1 x"));
    CHECK_FALSE(parse_schedule("1@2,3"));
}
