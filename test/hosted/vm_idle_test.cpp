// SPDX-License-Identifier: MIT
// Emptied tables: a few stay for reuse, whoever empties and refills them.
#include "shim/check.hpp"
#include "vm/space.hpp"

#include <doctest/doctest.h>

namespace {

using namespace vm;
using shim::faults_of;
using shim::Machine;
using shim::range_of;
using shim::Space;

constexpr std::uint64_t gib = 1ULL << 30;
constexpr std::uint64_t kept = 8;

/// An address in a leaf table of its own.
constexpr std::uint64_t place(std::uint64_t number) { return gib + number * level_size(2); }

void map(Space& space, std::uint64_t number) {
    REQUIRE(
        space
            ->map({.address = VirtAddr{place(number)}, .pages = {1}, .placement = Placement::fixed})
            .ok());
}

void unmap(Space& space, std::uint64_t number) {
    REQUIRE(space->unmap(range_of(place(number), page_size)).ok());
}

/// Writes a page, so that a table is below it, and unmaps it.
void use(Machine& machine, Space& space, std::uint64_t number) {
    map(space, number);
    REQUIRE(machine.write_word(*space, VirtAddr{place(number)}, 1) == Resolution::resolved);
    unmap(space, number);
}

} // namespace

TEST_CASE("idle tables: a CPU leaves eight in a space") {
    Machine machine;
    Space space(machine);
    map(space, 500); // so that the directory itself is in use
    for (std::uint64_t number = 0; number < 100; ++number) {
        use(machine, space, number);
        CHECK(space->counts().reclaimable == std::min(number + 1, kept));
    }
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("idle tables: what another CPU uses again is no longer counted") {
    Machine machine;
    Space space(machine);
    map(space, 500);
    for (std::uint64_t number = 0; number < kept; ++number) use(machine, space, number);
    CHECK(space->counts().reclaimable == kept);
    const std::uint64_t tables = space->counts().tables;
    for (unsigned round = 0; round < 20; ++round) {
        shim::set_cpu(1);
        for (std::uint64_t number = 0; number < kept; ++number) map(space, number);
        CHECK(space->counts().reclaimable == 0);
        shim::set_cpu(0);
        for (std::uint64_t number = 0; number < kept; ++number) unmap(space, number);
        // None was given back: nobody counted too many.
        CHECK(space->counts().reclaimable == kept);
        CHECK(space->counts().tables == tables);
    }
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("idle tables: tables that go with a larger range are not counted on") {
    Machine machine;
    Space space(machine);
    map(space, 500);
    for (unsigned round = 0; round < 5; ++round) {
        for (std::uint64_t number = 0; number < kept; ++number) use(machine, space, number);
        CHECK(space->counts().reclaimable == kept);
        REQUIRE(space->unmap(range_of(gib, 100 * level_size(2))).ok());
        CHECK(space->counts().reclaimable == 0);
    }
    CHECK(faults_of(machine, *space) == "");
}
