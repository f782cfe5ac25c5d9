// SPDX-License-Identifier: MIT
// Sets of CPUs, visits, and promises that searches lower while others free.
#include "shim/check.hpp"
#include "vm/table.hpp"
#include "vm/translations.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace {

using namespace vm;

std::vector<unsigned> members(const CpuSet& set) {
    std::vector<unsigned> all;
    set.for_each([&](unsigned cpu) { all.push_back(cpu); });
    return all;
}

} // namespace

TEST_CASE("cpu set: every number, alone and with others") {
    CpuSet set;
    CHECK_FALSE(set.any_but(0));
    for (unsigned cpu = 0; cpu < port::cpu_limit; ++cpu) {
        set.add(cpu);
        CHECK(set.contains(cpu));
        CHECK_FALSE(set.any_but(cpu));
        CHECK(set.any_but((cpu + 1) % port::cpu_limit));
        CHECK(members(set) == std::vector{cpu});
        set.remove(cpu);
        CHECK_FALSE(set.contains(cpu));
    }
    CHECK(members(CpuSet::all()).size() == port::cpu_limit);
}

TEST_CASE("cpu set: who is first in a word, and all taken at once") {
    CpuSet set;
    CHECK(set.add_first(3));
    CHECK_FALSE(set.add_first(60));
    CHECK(set.add_first(64));
    std::vector<unsigned> taken;
    set.take_all([&](unsigned cpu) { taken.push_back(cpu); });
    CHECK(taken == std::vector{3U, 60U, 64U});
    CHECK(members(set).empty());
    CHECK(set.add_first(60));
    CpuSet other;
    other.assign(set);
    CHECK(members(other) == std::vector{60U});
    other.clear();
    CHECK(members(other).empty());
}

TEST_CASE("visit: joins for its time, unless the CPU is there already") {
    shim::Machine machine;
    Translations translations;
    {
        const Visit visit(translations);
        CHECK(translations.running.contains(0));
        {
            const Visit again(translations);
        }
        CHECK(translations.running.contains(0));
    }
    CHECK_FALSE(translations.running.contains(0));
}

TEST_CASE("promise: what was freed after the mark is not lost") {
    Promise promise;
    promise.reset(512);
    const std::uint64_t marked = promise.mark();
    CHECK(promise.pages() == 512); // a mark is no promise
    promise.lower(marked, 7);
    CHECK(promise.pages() == 7);
    const std::uint64_t again = promise.mark();
    promise.raise(512);
    promise.lower(again, 3);
    CHECK(promise.pages() == 512);
    // The same where it promised everything already: the mark itself is taken away.
    const std::uint64_t third = promise.mark();
    promise.raise(512);
    promise.lower(third, 3);
    CHECK(promise.pages() == 512);
}

TEST_CASE("promise: of two searches the later mark stands") {
    shim::Machine machine{{.cpus = 2}};
    Promise promise;
    promise.reset(512);
    shim::set_cpu(0);
    const std::uint64_t first = promise.mark();
    shim::set_cpu(1);
    const std::uint64_t second = promise.mark();
    promise.lower(first, 3);
    CHECK(promise.pages() == 512);
    promise.lower(second, 4);
    CHECK(promise.pages() == 4);
    shim::set_cpu(0);
}
