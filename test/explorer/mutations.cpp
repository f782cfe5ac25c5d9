// SPDX-License-Identifier: MIT
// The rules of doc/concurrency.md that are broken, and where that shows.
#include "explorer/sabotage.hpp"

namespace explorer {

namespace {

template <typename Flag, typename Value>
std::unique_ptr<Saboteur> flag(Flag flag, Value value) {
    auto made = std::make_unique<Saboteur>();
    (*made).*flag = value;
    return made;
}

} // namespace

const std::vector<Mutation>& all_mutations() {
    using Made = std::unique_ptr<Saboteur>;
    static const std::vector<Mutation> all = [] {
        std::vector<Mutation> list;
        const auto add = [&](std::string_view name, std::string_view rule,
                             std::vector<std::string_view> scenarios, Made (*make)()) {
            list.push_back({name, rule, std::move(scenarios), make});
        };
        add("no second look", "after a table was locked, nobody looks whether it is still the one",
            {"unmap 0 | unmap right", "sparse: map 3 | unmap -1..1",
             "write in large | write in large"},
            no_second_look);
        add("no stale mark", "an unlinked table is not marked",
            {"unmap 0 | unmap right", "sparse: map 3 | unmap -1..1", "move 0 to 3 | unmap right"},
            no_stale_mark);
        add("no second look at a fold", "who folds does not look again once it has the locks",
            {"sparse: map 3 | unmap 0"}, no_look_at_idle);
        add("no top lock", "an operation does not lock the table that covers its range",
            {"map 3 | map 3", "map 3 | unmap 0", "fork | unmap 0", "move 0 to 3 | map 3",
             "objects: unmap 0 | evict 0"},
            [] { return no_lock(Locks::top); });
        add("no child lock", "an operation does not lock the tables below",
            {"map over 0 | unmap -1..1", "map over 0 | protect -1..2 r", "fork | write 0",
             "give -1..1 | unmap 0", "move -1..1 left | write 0", "forked: fork | unmap 0",
             "objects: unmap -1..1 | evict 0"},
            [] { return no_lock(Locks::below); });
        add("no lock of a new table", "a table that is linked is not locked",
            {"unmap in large | write in large", "forked: unmap 0 | unmap 0",
             "forked: write 0 | unmap 0"},
            [] { return no_lock(Locks::made); });
        add("filled late", "a table is linked, and then filled", {"write in large | visit large"},
            filled_late);
        add("promise first", "promises are raised, and then the bitmap tells why",
            {"unmap 0 | search right", "unmap -1..1 | search left"}, promise_first);
        add("no mark", "a search lowers without looking whether something was freed",
            {"search left | unmap -3"}, no_mark);
        add("not running", "a CPU reads tables, and is not in the set of those who do",
            {"unmap 0 | enter, read 0", "unmap right | visit 0"}, not_running);
        add("no flush", "a present entry loses rights, and no processor is told",
            {"map 3 | unmap 0", "fork | map 3", "give -1..1 | map 3",
             "forked: write 0 | map over -1..1", "forked: child: unmap 0 | child: map 3",
             "objects: evict 0 | map 3", "grafted: unmap file | evict 1"},
            [] { return flag(&Saboteur::flushes, false); });
        add("flush without waiting", "other processors are told, and nobody waits for them",
            {"map 3 | unmap 0", "forked: write 0 | hand 0 | child: read 3",
             "objects: read 0 | evict 0", "objects: read -2 | evict 0"},
            [] { return flag(&Saboteur::flush_waits, false); });
        add("flush after unlock", "the locks are given up, and then processors are told",
            {"unmap 0 | discard 0..2", "unmap 0 | park 0",
             "forked: write 0 | hand 0 | child: read 3",
             "forked: write 0 | hand -1..1 | child: write 3"},
            [] { return flag(&Saboteur::flush_when, Saboteur::When::unlocked); });
        add("freed before flush", "what was replaced is freed, and then processors are told",
            {"map 3 | unmap 0", "forked: write 0 | hand 0 | child: read 3",
             "grafted: unmap file | shrink"},
            [] { return flag(&Saboteur::flush_when, Saboteur::When::ended); });
        add("no flush of tables", "cached references to tables stay",
            {"map 3 | unmap right", "forked: write 0 | read 0",
             "forked: child: write 0 | child: map 3", "grafted: unmap file 1 | read file 1"},
            [] { return flag(&Saboteur::flushes_tables, false); });
        add("no grace period", "caches are emptied, but who walks the tables does not let go",
            {"map 3 | unmap right", "unmap right | visit 0",
             "forked: child: write 0 | child: unmap right"},
            [] { return flag(&Saboteur::lets_go_first, false); });
        return list;
    }();
    return all;
}

} // namespace explorer
