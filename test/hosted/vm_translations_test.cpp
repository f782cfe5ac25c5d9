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

TEST_CASE("promised slots: what was freed after the mark is not lost, of any slot of the word") {
    PromisedSlots slots;
    for (const unsigned slot : {0U, 31U, 32U, 200U, 511U}) {
        CAPTURE(slot);
        CHECK_FALSE(slots.promised(slot));
        slots.raise(slot);
        CHECK(slots.stands(slot));
        const std::uint64_t marked = slots.mark(slot);
        CHECK(slots.promised(slot)); // a mark is no promise, nor does it end one
        CHECK_FALSE(slots.stands(slot));
        slots.raise(slot);
        CHECK(slots.stands(slot));
        CHECK_FALSE(slots.lower(slot, marked));
        CHECK(slots.promised(slot));
        const std::uint64_t again = slots.mark(slot);
        slots.raise(slot ^ 1); // shares the word: the lowering is given up
        CHECK_FALSE(slots.lower(slot, again));
        const std::uint64_t third = slots.mark(slot);
        CHECK(slots.lower(slot, third));
        CHECK_FALSE(slots.promised(slot));
        CHECK(slots.stands(slot ^ 1));
        const std::uint64_t kept = slots.mark(slot ^ 1);
        slots.keep(slot ^ 1, kept);
        CHECK(slots.stands(slot ^ 1));
    }
}

TEST_CASE("promises: a free between any two steps of a lowering is seen") {
    // The steps of who lowers: mark, look, lower. Of who frees: change, raise. All interleavings.
    for (unsigned change_at = 0; change_at < 4; ++change_at) {
        for (unsigned raise_at = change_at; raise_at < 4; ++raise_at) {
            CAPTURE(change_at);
            CAPTURE(raise_at);
            PromisedSlots slots;
            Promise promise;
            promise.reset(512);
            slots.raise(7);
            std::uint64_t free = 3;
            const auto others = [&](unsigned step) {
                if (step == change_at) free = 100;
                if (step == raise_at) {
                    promise.raise(100);
                    slots.raise(7);
                }
            };
            others(0);
            const std::uint64_t marked = promise.mark();
            const std::uint64_t slot_marked = slots.mark(7);
            others(1);
            const std::uint64_t seen = free;
            others(2);
            promise.lower(marked, seen);
            if (seen < 64)
                static_cast<void>(slots.lower(7, slot_marked));
            else
                slots.keep(7, slot_marked);
            others(3);
            CHECK(promise.pages() >= 100);
            CHECK(slots.promised(7));
        }
    }
}

TEST_CASE("summary: classes of tables at every level") {
    CHECK(Summary::inside_class(1, 1) == 0);
    CHECK(Summary::inside_class(2, 1) == 1);
    CHECK(Summary::inside_class(511, 1) == 8);
    for (Level below = 1; below <= 4; ++below) {
        const std::uint64_t span = level_pages(below + 1);
        CHECK(Summary::inside_class(span, below) == Summary::inside_classes - 1);
        CHECK(Summary::inside_pages(Summary::inside_classes - 1, below) == span);
        CHECK(Summary::edge_class(span, below) == Summary::edge_classes - 1);
        for (unsigned at = 0; at < Summary::inside_classes; ++at) {
            CHECK(Summary::inside_class(Summary::inside_pages(at, below), below) == at);
            if (at != 0)
                CHECK(Summary::inside_class(Summary::inside_pages(at, below) - 1, below) == at - 1);
        }
    }
}
