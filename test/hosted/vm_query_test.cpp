// SPDX-License-Identifier: MIT
// AddressSpace: query and nearest, the two ways to look at a map.
#include "shim/check.hpp"
#include "vm/space.hpp"

#include <doctest/doctest.h>

namespace {

using namespace vm;
using shim::all_runs;
using shim::describe;
using shim::Machine;
using shim::range_of;
using shim::Space;

constexpr std::uint64_t gib = 1ULL << 30;

void map_at(Space& space, std::uint64_t address, std::uint64_t bytes,
            Access access = Access::read_write()) {
    REQUIRE(space
                ->map({.address = VirtAddr{address},
                       .pages = {bytes / page_size},
                       .placement = Placement::fixed,
                       .access = access,
                       .noreserve = true})
                .ok());
}

/// Start of the run that nearest gives, 0 if none.
std::uint64_t nearest_start(Space& space, std::uint64_t address, abi::Direction direction) {
    const auto run = space->nearest(VirtAddr{address}, direction);
    return run ? run->start : 0;
}

} // namespace

TEST_CASE("equal neighbours are one run, across tables of every level") {
    Machine machine;
    Space space(machine);
    // Page by page over a 512 GiB border, from both sides.
    const std::uint64_t border = 512 * gib;
    for (std::uint64_t n = 0; n < 40; ++n) {
        map_at(space, border + n * page_size, page_size);
        map_at(space, border - (n + 1) * page_size, page_size);
    }
    auto runs = all_runs(*space);
    REQUIRE(runs.size() == 1);
    CHECK(runs[0].start == border - 40 * page_size);
    CHECK(runs[0].end == border + 40 * page_size);
    map_at(space, border + 40 * page_size, page_size, Access::read());
    runs = all_runs(*space);
    REQUIRE(runs.size() == 2);
    CHECK(runs[1].access == abi::access_read);
}

TEST_CASE("query tells present from lazy, and counts") {
    Machine machine;
    Space space(machine);
    map_at(space, gib, 10 * page_size);
    for (const std::uint64_t n : {2U, 3U})
        REQUIRE(machine.write_word(*space, VirtAddr{gib + n * page_size}, n) ==
                Resolution::resolved);
    CHECK(machine.read_word(*space, VirtAddr{gib + 4 * page_size}) == 0);
    const auto runs = all_runs(*space);
    REQUIRE(runs.size() == 3);
    CHECK(runs[0].state == abi::State::lazy);
    CHECK(runs[0].present == 0);
    CHECK(runs[1].state == abi::State::present);
    CHECK(runs[1].start == gib + 2 * page_size);
    CHECK(runs[1].end == gib + 5 * page_size);
    CHECK(runs[1].present == 3);
    CHECK(runs[2].state == abi::State::lazy);
    CHECK(runs[2].end == gib + 10 * page_size);
}

TEST_CASE("query from the middle of a run, and into no room") {
    Machine machine;
    Space space(machine);
    map_at(space, gib, gib);
    map_at(space, 3 * gib, page_size, Access::read());
    map_at(space, 5 * gib, page_size);
    abi::Run runs[8];
    CHECK(space->query(VirtAddr{0}, {}) == 0);
    CHECK(space->query(VirtAddr{0}, std::span(runs, 1)) == 1);
    CHECK(runs[0].start == gib);
    REQUIRE(space->query(VirtAddr{gib + 16 * page_size}, runs) == 3);
    CHECK(runs[0].end == 2 * gib);
    CHECK(runs[1].start == 3 * gib);
    REQUIRE(space->query(VirtAddr{2 * gib}, runs) == 2);
    REQUIRE(space->query(VirtAddr{3 * gib + page_size}, runs) == 1);
    CHECK(runs[0].start == 5 * gib);
    CHECK(space->query(VirtAddr{5 * gib + page_size}, runs) == 0);
    CHECK(space->query(VirtAddr{1ULL << 47}, runs) == 0);
    CHECK(space->query(VirtAddr{~0ULL}, runs) == 0);
    for (std::size_t at_a_time = 1; at_a_time < 5; ++at_a_time)
        CHECK(describe(all_runs(*space, at_a_time)) == describe(all_runs(*space, 100)));
}

TEST_CASE(
    "nearest upwards is the first run that ends above, downwards the last that begins below") {
    Machine machine;
    Space space(machine);
    using abi::Direction;
    CHECK_FALSE(space->nearest(VirtAddr{0}, Direction::up).has_value());
    CHECK_FALSE(space->nearest(VirtAddr{~0ULL}, Direction::down).has_value());
    const std::uint64_t a = gib;
    const std::uint64_t b = 700 * gib + 5 * page_size;
    const std::uint64_t c = 3000 * gib;
    map_at(space, a, 4 * page_size);
    map_at(space, b, 2 * page_size, Access::read());
    map_at(space, c, 600 * gib);
    CHECK(nearest_start(space, 0, Direction::up) == a);
    CHECK(nearest_start(space, a, Direction::up) == a);
    CHECK(nearest_start(space, a + 4 * page_size - 1, Direction::up) == a);
    CHECK(nearest_start(space, a + 4 * page_size, Direction::up) == b);
    CHECK(nearest_start(space, b + 2 * page_size, Direction::up) == c);
    CHECK(nearest_start(space, c + 599 * gib, Direction::up) == c);
    CHECK(nearest_start(space, c + 600 * gib, Direction::up) == 0);
    CHECK(nearest_start(space, ~0ULL, Direction::up) == 0);
    CHECK(nearest_start(space, a, Direction::down) == 0);
    CHECK(nearest_start(space, a + 1, Direction::down) == a);
    CHECK(nearest_start(space, b, Direction::down) == a);
    CHECK(nearest_start(space, b + 1, Direction::down) == b);
    CHECK(nearest_start(space, c, Direction::down) == b);
    CHECK(nearest_start(space, c + gib, Direction::down) == c);
    CHECK(nearest_start(space, user_range.end.value, Direction::down) == c);
    CHECK(nearest_start(space, ~0ULL, Direction::down) == c);
    const auto whole = space->nearest(VirtAddr{b + page_size}, Direction::down);
    REQUIRE(whole.has_value());
    CHECK(whole->end == b + 2 * page_size);
    CHECK(whole->access == abi::access_read);
}

TEST_CASE("nearest works at both ends of the user half") {
    Machine machine;
    Space space(machine);
    const std::uint64_t first = user_range.start.value;
    const std::uint64_t last = user_range.end.value - page_size;
    map_at(space, first, page_size);
    map_at(space, last, page_size);
    CHECK(nearest_start(space, first + page_size, abi::Direction::up) == last);
    CHECK(nearest_start(space, last, abi::Direction::down) == first);
    CHECK(nearest_start(space, last + page_size, abi::Direction::up) == 0);
    CHECK(nearest_start(space, last + page_size, abi::Direction::down) == last);
    REQUIRE(space->unmap(range_of(first, page_size)).ok());
    CHECK(nearest_start(space, last, abi::Direction::down) == 0);
}
