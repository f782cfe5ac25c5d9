// SPDX-License-Identifier: MIT
// What a hole search looks at: bounded by levels, whatever the number of mappings and holes.
#include "shim/check.hpp"
#include "vm/space.hpp"
#include "vm/validate.hpp"

#include <doctest/doctest.h>

#include <random>

namespace {

using namespace vm;
using shim::faults_of;
using shim::Machine;
using shim::range_of;
using shim::SearchCount;
using shim::Space;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;
constexpr std::uint64_t tib = 1ULL << 40;

void map_at(Space& space, std::uint64_t address, std::uint64_t pages) {
    REQUIRE(space
                ->map({.address = VirtAddr{address},
                       .pages = {pages},
                       .placement = Placement::fixed,
                       .access = Access::read()})
                .ok());
}

template <typename Work>
SearchCount counted(Work work) {
    shim::search_count = {};
    work();
    return shim::search_count;
}

/// Both searches for so many pages from one place; the first time they may find promises wrong.
SearchCount cost_of(Space& space, std::uint64_t pages, std::uint64_t from,
                    std::uint64_t alignment = page_size) {
    const std::uint64_t tables = space->counts().tables;
    const auto both = [&] {
        static_cast<void>(space->first_fit({pages}, alignment, VirtAddr{from}));
        static_cast<void>(space->last_fit({pages}, alignment, VirtAddr{from}));
    };
    both();
    const SearchCount count = counted(both);
    CHECK(space->counts().tables == tables);
    return count;
}

void check_cost(Space& space, std::uint64_t pages, std::uint64_t from, std::uint64_t words,
                std::uint64_t tables, std::uint64_t alignment = page_size) {
    CAPTURE(pages);
    CAPTURE(from);
    CAPTURE(alignment);
    const SearchCount count = cost_of(space, pages, from, alignment);
    CHECK(count.words <= words + count.tables); // a word is read again after each table
    CHECK(count.tables <= tables);
}

} // namespace

TEST_CASE("search cost: one-page holes in 60,000 pages, then none") {
    Machine machine({.commit_limit = {1 << 20}});
    Space space(machine);
    constexpr std::uint64_t pages = 60'000;
    map_at(space, gib, pages);
    for (std::uint64_t page = 1; page < pages; page += 3)
        REQUIRE(space->unmap(range_of(gib + page * page_size, page_size)).ok());
    for (const std::uint64_t size : {1U, 2U, 3U, 64U, 512U, 513U, 262'144U})
        for (const std::uint64_t from : {gib, gib + 77 * page_size, gib + pages * page_size})
            check_cost(space, size, from, 40, 16);
    for (std::uint64_t page = 1; page < pages; page += 3) map_at(space, gib + page * page_size, 1);
    for (const std::uint64_t size : {1U, 2U, 64U, 512U, 100'000U})
        check_cost(space, size, gib, 40, 16);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("search cost: 20,000 random holes, every size") {
    Machine machine({.commit_limit = {1 << 20}});
    Space space(machine);
    std::mt19937_64 random(7);
    constexpr std::uint64_t pages = 200'000;
    map_at(space, gib, pages);
    for (unsigned hole = 0; hole < 20'000; ++hole)
        REQUIRE(space
                    ->unmap(range_of(gib + (random() % (pages - 8)) * page_size,
                                     (1 + random() % 4) * page_size))
                    .ok());
    // The largest first, so that each finds promises wrong that the next one relies on.
    for (std::uint64_t size = 600; size != 0; size -= 1 + size / 9) {
        check_cost(space, size, gib, 90, 512);
        check_cost(space, size, gib + (random() % pages) * page_size, 90, 512);
        check_cost(space, size, gib, 90, 512, mib);
    }
    settle_promises(*space);
    CHECK(validate(*space, true) == nullptr);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("search cost: a table for each GiB of 1 TiB, and tens of TiB") {
    Machine machine({.commit_limit = {1ULL << 40}});
    Space space(machine);
    // Everything up to 2 TiB is taken, in entries of all sizes, but for a few holes.
    REQUIRE(space
                ->map({.address = VirtAddr{tib},
                       .pages = {tib / page_size},
                       .placement = Placement::fixed,
                       .access = Access::read(),
                       .noreserve = true})
                .ok());
    for (std::uint64_t at = tib; at < 2 * tib; at += gib)
        REQUIRE(space->unmap(range_of(at + 5 * page_size, page_size)).ok());
    check_cost(space, 1, tib, 16, 8);
    check_cost(space, 2, tib, 100, 16);
    check_cost(space, 512, tib, 100, 16);
    check_cost(space, gib / page_size, tib, 100, 16, gib);
    check_cost(space, 64 * tib / page_size, tib, 100, 16);
    const auto large = space->first_fit({64 * tib / page_size}, gib, VirtAddr{0});
    REQUIRE(large.ok());
    CHECK(large->value == 2 * tib);
    const auto below = space->last_fit({tib / 2 / page_size}, tib / 2, VirtAddr{tib + 1});
    REQUIRE(below.ok());
    CHECK(below->value == tib / 2);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("promises: frees that raise no class leave summaries alone, and holes are found again") {
    Machine machine({.commit_limit = {1 << 20}});
    Space space(machine);
    map_at(space, gib, 4096);
    for (std::uint64_t page = 100; page < 4096; page += 512)
        REQUIRE(space->unmap(range_of(gib + page * page_size, 4 * page_size)).ok());
    // Five pages are nowhere: every table says so from now on.
    CHECK(space->first_fit({5}, page_size, VirtAddr{gib})->value == gib + 4096 * page_size);
    for (unsigned round = 0; round < 3; ++round) {
        const std::uint64_t hole = gib + (512 * 3 + 100) * page_size;
        map_at(space, hole, 2);
        CHECK(space->first_fit({4}, page_size, VirtAddr{hole})->value == hole + 512 * page_size);
        REQUIRE(space->unmap(range_of(hole, 2 * page_size)).ok());
        CHECK(space->first_fit({4}, page_size, VirtAddr{hole})->value == hole);
        CHECK(space->last_fit({4}, page_size, VirtAddr{hole + 4 * page_size})->value == hole);
        // Over the border of two tables.
        const std::uint64_t border = gib + 512 * 4 * page_size;
        REQUIRE(space->unmap(range_of(border - 3 * page_size, 6 * page_size)).ok());
        CHECK(space->first_fit({6}, page_size, VirtAddr{gib})->value == border - 3 * page_size);
        CHECK(space->last_fit({5}, page_size, VirtAddr{gib + 4096 * page_size})->value ==
              border - 2 * page_size);
        map_at(space, border - 3 * page_size, 6);
    }
    CHECK(faults_of(machine, *space) == "");
}
