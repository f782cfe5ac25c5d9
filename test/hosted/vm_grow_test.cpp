// SPDX-License-Identifier: MIT
// grow: more of the mapping that ends, or begins, at an address.
#include "shim/check.hpp"
#include "vm/space.hpp"

#include <doctest/doctest.h>

namespace {

using namespace vm;
using abi::Direction;
using shim::all_runs;
using shim::faults_of;
using shim::Likeness;
using shim::Machine;
using shim::Space;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;

MapRequest at(std::uint64_t address, std::uint64_t bytes) {
    return {.address = VirtAddr{address},
            .pages = {bytes / page_size},
            .placement = Placement::fixed,
            .noreserve = true};
}

} // namespace

TEST_CASE("grow: over tables of every level, both ways, as one run") {
    Machine machine;
    Space space(machine);
    const std::uint64_t start = 512 * gib - page_size;
    REQUIRE(space->map(at(start, page_size)).ok());
    std::uint64_t low = start;
    std::uint64_t high = start + page_size;
    for (const std::uint64_t bytes : {page_size, 3 * mib, 2 * gib, 600 * gib, 7 * page_size}) {
        CAPTURE(bytes);
        const auto up = space->grow(VirtAddr{high}, {bytes / page_size}, Direction::up);
        REQUIRE(up.ok());
        CHECK(up->value == high);
        high += bytes;
        if (bytes > 500 * gib) continue; // nothing so large below
        const auto down = space->grow(VirtAddr{low}, {bytes / page_size}, Direction::down);
        REQUIRE(down.ok());
        low -= bytes;
        CHECK(down->value == low);
        const auto runs = all_runs(*space);
        REQUIRE(runs.size() == 1);
        CHECK(runs[0].start == low);
        CHECK(runs[0].end == high);
        CHECK(faults_of(machine, *space) == "");
    }
}

TEST_CASE("grow: the new pages are what the old ones were before they were touched") {
    Machine machine;
    Space space(machine);
    MapRequest request = at(gib, 2 * page_size);
    request.noreserve = false;
    request.ceiling = Ceiling::of(Access::read_write());
    REQUIRE(space->map(request).ok());
    const VirtAddr end{gib + 2 * page_size};
    REQUIRE(machine.write_word(*space, end - 8, 5) == Resolution::resolved);
    REQUIRE(space->grow(end, {1}, Direction::up).ok());
    CHECK(machine.read_word(*space, end) == 0);
    CHECK(machine.write_word(*space, end + 8, 6) == Resolution::resolved);
    CHECK(machine.read_word(*space, end - 8) == 5);
    // Rights taken away stay away, and the ceiling stands.
    REQUIRE(space->protect({end, end + page_size}, Access::none()).ok());
    REQUIRE(space->grow(end + page_size, {1}, Direction::up).ok());
    CHECK(machine.touch(*space, end + page_size, shim::Operation::read).resolution ==
          Resolution::forbidden);
    const VirtRange more{end + page_size, end + 2 * page_size};
    CHECK(space->protect(more, Access::read_execute()).error() == Error::not_permitted);
    CHECK(space->protect(more, Access::read_write()).ok());
    // Guards continue as guards.
    MapRequest guard = at(2 * gib, page_size);
    guard.guard = true;
    REQUIRE(space->map(guard).ok());
    REQUIRE(space->grow(VirtAddr{2 * gib}, {4}, Direction::down).ok());
    CHECK(all_runs(*space).back().state == abi::State::callback);
    CHECK(all_runs(*space).back().end - all_runs(*space).back().start == 5 * page_size);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("grow: what is in the way, and what can't be") {
    Machine machine;
    Space space(machine);
    REQUIRE(space->map(at(gib, 4 * page_size)).ok());
    REQUIRE(space->map(at(gib + 6 * page_size, page_size)).ok());
    REQUIRE(space->map(at(4 * gib, gib)).ok()); // one entry
    const Likeness before = Likeness::of(*space);
    const auto refused = [&](std::uint64_t address, std::uint64_t pages, Direction direction) {
        const auto result = space->grow(VirtAddr{address}, {pages}, direction);
        CHECK(Likeness::of(*space) == before);
        return result.ok() ? Error{} : result.error();
    };
    const std::uint64_t end = gib + 4 * page_size;
    CHECK(refused(end, 3, Direction::up) == Error::no_space);
    CHECK(refused(end - page_size, 1, Direction::up) == Error::no_space);
    CHECK(refused(gib + 6 * page_size, 3, Direction::down) == Error::no_space);
    CHECK(refused(4 * gib + mib, 1, Direction::up) == Error::no_space);
    CHECK(refused(4 * gib + mib, 1, Direction::down) == Error::no_space);
    CHECK(refused(end + page_size, 1, Direction::up) == Error::not_mapped);
    CHECK(refused(gib + 5 * page_size, 1, Direction::down) == Error::not_mapped);
    CHECK(refused(end, 0, Direction::up) == Error::invalid_argument);
    CHECK(refused(end + 1, 1, Direction::up) == Error::invalid_argument);
    CHECK(refused(user_range.start.value, 1, Direction::up) == Error::not_mapped);
    CHECK(refused(user_range.start.value, 1, Direction::down) == Error::invalid_argument);
    CHECK(refused(user_range.end.value, 1, Direction::up) == Error::invalid_argument);
    CHECK(refused(user_range.end.value, 1, Direction::down) == Error::not_mapped);
    CHECK(refused(end, ~0ULL >> 13, Direction::up) == Error::invalid_argument);
    CHECK(refused(end, 1ULL << 50, Direction::down) == Error::invalid_argument);
    // `nearest` tells how far it goes.
    const auto other = space->nearest(VirtAddr{end}, Direction::up);
    REQUIRE(other.has_value());
    REQUIRE(space->grow(VirtAddr{end}, {(other->start - end) / page_size}, Direction::up).ok());
    // Frames of somebody else have no more of the same.
    const PhysAddr frames = machine.reserve(page_size);
    const auto window =
        space->map_window({.frames = frames, .address = VirtAddr{8 * gib}, .pages = {1}});
    REQUIRE(window.ok());
    CHECK(space->grow(*window + page_size, {1}, Direction::up).error() == Error::unsupported);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("maps prefer their arena, and go anywhere when it has no room") {
    Machine machine;
    Space space(machine);
    const VirtRange arena{VirtAddr{64 * gib}, VirtAddr{64 * gib + 4 * mib}};
    const auto map = [&](std::uint64_t bytes) {
        const auto address =
            space->map({.pages = {bytes / page_size}, .noreserve = true, .arena = arena});
        REQUIRE(address.ok());
        return address->value;
    };
    CHECK(map(page_size) == arena.start.value);
    CHECK(map(2 * mib) == arena.start.value + 2 * mib);
    CHECK(map(2 * mib) == 2 * mib); // the lowest of its natural alignment
    CHECK(map(page_size) == arena.start.value + page_size);
    CHECK(map(64 * gib) == 65 * gib);
    CHECK(faults_of(machine, *space) == "");
}
