// SPDX-License-Identifier: MIT
// Folding: tables whose entries all say the same become one entry again, at every level, and what
// is done again and again to one page makes none anew.
#include "shim/check.hpp"
#include "vm/space.hpp"

#include <doctest/doctest.h>

#include <random>

namespace {

using namespace vm;
using shim::faults_of;
using shim::Machine;
using shim::Operation;
using shim::range_of;
using shim::Space;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;
constexpr std::uint64_t tib = 1ULL << 40;
/// Idle tables that may stay for reuse.
constexpr std::uint64_t kept_limit = 8;

#ifdef __SANITIZE_ADDRESS__
constexpr unsigned rounds = 20'000;
#else
constexpr unsigned rounds = 1'000'000;
#endif

void map(Space& space, std::uint64_t start, std::uint64_t bytes, bool noreserve = true) {
    REQUIRE(space
                ->map({.address = VirtAddr{start},
                       .pages = {bytes / page_size},
                       .placement = Placement::fixed,
                       .noreserve = noreserve})
                .ok());
}
void touch(Machine& machine, Space& space, std::uint64_t address) {
    REQUIRE(machine.touch(*space, VirtAddr{address}, Operation::write).resolution ==
            Resolution::resolved);
}
/// Tables that something needs.
std::uint64_t needed(Space& space) { return space->counts().tables - space->counts().reclaimable; }
std::uint64_t charged(Space& space) { return space->account().charged().value; }
/// The level of the entry that decides about an address.
Level level_at(Space& space, std::uint64_t address) {
    return space->locate(VirtAddr{address}).level;
}

} // namespace

TEST_CASE("a table is folded with the operation that makes it uniform, at every level") {
    Machine machine;
    Space space(machine);
    map(space, tib, tib);
    const std::uint64_t before = space->counts().tables;
    for (const std::uint64_t span : {2 * mib, gib, 512 * gib}) {
        CAPTURE(span);
        touch(machine, space, tib + 3 * page_size);
        CHECK(level_at(space, tib + 3 * page_size) == 1);
        const std::uint64_t start = tib + (span == 512 * gib ? 0 : span);
        touch(machine, space, start + 7 * page_size);
        REQUIRE(space->discard(range_of(tib, tib)).ok());
        CHECK(level_at(space, tib) == 4);
        CHECK(space->counts().tables == before);
        CHECK(space->counts().reclaimable == 0);
        CHECK(faults_of(machine, *space) == "");
    }
    // Part of what a directory maps: its tables are folded, it is not.
    touch(machine, space, tib);
    touch(machine, space, tib + 2 * mib);
    REQUIRE(space->discard(range_of(tib + 2 * mib, 4 * mib)).ok());
    CHECK(level_at(space, tib + 2 * mib) == 2);
    CHECK(level_at(space, tib) == 1);
    REQUIRE(space->protect(range_of(tib, gib), Access::none()).ok());
    CHECK(level_at(space, tib) == 1); // a parked page
    CHECK(level_at(space, tib + gib) == 3);
    REQUIRE(space->protect(range_of(tib, gib), Access::read_write()).ok());
    REQUIRE(space->discard(range_of(tib, gib)).ok());
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("tables folded from below: what one page differed in is forgotten with it") {
    Machine machine;
    Space space(machine);
    map(space, tib, tib);
    map(space, 4 * tib, tib, true);
    const std::uint64_t tables = needed(space);
    for (std::uint64_t n = 0; n < 64; ++n) {
        const std::uint64_t page = tib + n * 7 * gib + n * 5 * page_size;
        if (n % 2 == 0) {
            touch(machine, space, page);
            REQUIRE(space->discard(range_of(page, page_size)).ok());
        } else {
            REQUIRE(space->protect(range_of(page, page_size), Access::read()).ok());
            REQUIRE(space->protect(range_of(page, page_size), Access::read_write()).ok());
        }
        CHECK(space->counts().reclaimable <= kept_limit);
    }
    CHECK(needed(space) <= tables + 2 * kept_limit); // directories above tables that are kept
    CHECK(faults_of(machine, *space) == "");
    // A mapping beside others, one page at a time, ends as one entry too.
    for (std::uint64_t n = 0; n < 20; ++n) {
        for (std::uint64_t page = 0; page < 512; ++page)
            map(space, 8 * gib + n * 2 * mib + page * page_size, page_size);
    }
    CHECK(space->counts().reclaimable <= kept_limit);
    CHECK(level_at(space, 8 * gib + 38 * mib) == 2);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("what is done again and again to one page makes no table") {
    Machine machine;
    Space space(machine);
    map(space, gib, gib);
    const auto allocations_of = [&](auto&& once) {
        once();
        once();
        const std::uint64_t before = shim::allocation_count();
        for (unsigned n = 0; n < 100; ++n) once();
        return shim::allocation_count() - before;
    };
    // A frame for each touch, and nothing else.
    CHECK(allocations_of([&] {
              touch(machine, space, gib + 5 * page_size);
              REQUIRE(space->discard(range_of(gib + 5 * page_size, page_size)).ok());
          }) == 100);
    CHECK(allocations_of([&] {
              REQUIRE(space->protect(range_of(gib + 3 * mib, page_size), Access::read()).ok());
              REQUIRE(
                  space->protect(range_of(gib + 3 * mib, page_size), Access::read_write()).ok());
          }) == 0);
    CHECK(allocations_of([&] {
              map(space, 5 * gib, page_size);
              REQUIRE(space->unmap(range_of(5 * gib, page_size)).ok());
          }) == 0);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("folding changes no charge but the tables'") {
    Machine machine({.zones = shim::MachineOptions::small_zones(), .commit_limit = {1ULL << 40}});
    Space space(machine);
    for (const bool noreserve : {false, true}) {
        CAPTURE(noreserve);
        map(space, 4 * gib, 4 * gib, noreserve);
        const std::uint64_t before = charged(space);
        const std::uint64_t tables = space->counts().table_charge;
        for (std::uint64_t n = 0; n < 12; ++n)
            touch(machine, space, 4 * gib + n * (300 * mib) + n * page_size);
        if (noreserve)
            CHECK(charged(space) == before + 12 + space->counts().table_charge - tables);
        else
            CHECK(charged(space) == before);
        REQUIRE(space->discard(range_of(4 * gib, 4 * gib)).ok());
        CHECK(space->counts().table_charge == tables);
        CHECK(charged(space) == before);
        REQUIRE(space->protect(range_of(5 * gib + 3 * page_size, page_size), Access::read()).ok());
        REQUIRE(space->protect(range_of(4 * gib, 4 * gib), Access::read_write()).ok());
        CHECK(charged(space) == before);
        CHECK(level_at(space, 5 * gib) == 3);
        CHECK(faults_of(machine, *space) == "");
        REQUIRE(space->unmap(range_of(4 * gib, 4 * gib)).ok());
    }
}

TEST_CASE("a long-lived process ends with the tables that it began with") {
    Machine machine;
    Space space(machine);
    std::mt19937_64 random(7);
    map(space, 64 * tib, 16 * tib);
    const std::uint64_t before = needed(space);
    const std::uint64_t charge = charged(space) - space->counts().table_charge;
    for (unsigned round = 0; round < rounds; ++round) {
        // A mapping of its own, split and taken out; a page of the large one, changed and back.
        const std::uint64_t start = tib + random() % (32 * tib / mib) * mib;
        const std::uint64_t bytes = (1 + random() % 3) * (random() % 2 == 0 ? 2 * mib : mib);
        const std::uint64_t own = start + random() % (bytes / page_size) * page_size;
        const std::uint64_t other = 64 * tib + random() % (16 * tib / page_size) * page_size;
        map(space, start, bytes);
        REQUIRE(space->protect(range_of(own, page_size), Access::read()).ok());
        if (round % 4 == 0) {
            touch(machine, space, other);
            REQUIRE(space->discard(range_of(other, page_size)).ok());
        } else {
            REQUIRE(space->protect(range_of(other, page_size), Access::none()).ok());
            REQUIRE(space->protect(range_of(other, page_size), Access::read_write()).ok());
        }
        REQUIRE(space->unmap(range_of(start, bytes)).ok());
        if (round % (rounds / 100) == 0) CHECK(faults_of(machine, *space) == "");
    }
    CHECK(space->counts().reclaimable <= kept_limit);
    // Tables above those that are kept may stay with them: two each.
    CHECK(needed(space) <= before + 2 * kept_limit);
    REQUIRE(space->discard(range_of(64 * tib, 16 * tib)).ok());
    REQUIRE(space->unmap(range_of(tib, 40 * tib)).ok());
    CHECK(space->counts().tables == before);
    CHECK(charged(space) - space->counts().table_charge == charge);
    CHECK(faults_of(machine, *space) == "");
}
