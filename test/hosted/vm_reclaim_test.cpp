// SPDX-License-Identifier: MIT
// Memory that is got back before anybody is refused: ids, and clean pages of objects with pagers,
// when all that there is is promised.
#include "shim/check.hpp"
#include "shim/objects.hpp"
#include "shim/payer.hpp"
#include "vm/reclaim.hpp"

#include <doctest/doctest.h>

namespace {

using namespace vm;
using shim::faults_of;
using shim::Machine;
using shim::Operation;
using shim::paged_object;
using shim::range_of;
using shim::Space;
using shim::supply;

constexpr VirtAddr here{16ULL << 20};
constexpr VirtAddr there{64ULL << 20};
constexpr std::uint64_t cached = 200;

VirtAddr page_at(std::uint64_t page) { return here + page * page_size; }

void map_at(Space& space, const ObjectRef& object, std::uint64_t pages, bool is_private = false) {
    REQUIRE(shim::map_at(space, object, here, {.pages = pages, .is_private = is_private}).ok());
}

Resolution read(Machine& machine, Space& space, VirtAddr at) {
    return machine.touch(*space, at, Operation::read).resolution;
}

Result<VirtAddr> map_pages(Space& space, std::uint64_t pages) {
    return with_memory(*space, {pages}, [&] {
        return space->map({.address = there, .pages = {pages}, .placement = Placement::fixed});
    });
}

std::uint64_t left() { return commit_limit().value - committed().value; }

} // namespace

TEST_CASE("memory: clean pages leave a pager's cache for whoever asks, to the last frame") {
    Machine machine({.zones = shim::MachineOptions::small_zones()});
    const ObjectRef object = paged_object(cached);
    Space space(machine);
    Space other(machine);
    map_at(space, object, cached);
    map_at(other, object, cached, true);
    for (std::uint64_t page = 0; page < cached; ++page) {
        REQUIRE(supply(*object, page, page + 100).ok());
        REQUIRE(read(machine, space, page_at(page)) == Resolution::resolved);
    }
    // Some are written, and stay; a private copy stays too.
    for (const std::uint64_t page : {3U, 50U, 199U})
        REQUIRE(machine.write_word(*space, page_at(page), 7) == Resolution::resolved);
    REQUIRE(machine.write_word(*other, page_at(20), 8) == Resolution::resolved);
    // More than is left, and less than what is left and clean.
    const std::uint64_t pages = left() + cached / 2;
    CHECK(space->map({.address = there, .pages = {pages}, .placement = Placement::fixed}).error() ==
          Error::no_memory);
    const auto mapped = map_pages(space, pages);
    REQUIRE(mapped.ok());
    CHECK(object->resident().value < cached);
    CHECK(object->resident().value >= 3);
    // No touch of what is promised fails, and what was written is there.
    for (std::uint64_t page = 0; page < pages; ++page)
        REQUIRE(machine.write_word(*space, there + page * page_size, page) == Resolution::resolved);
    for (const std::uint64_t page : {3U, 50U, 199U})
        CHECK(machine.read_word(*space, page_at(page)) == 7);
    CHECK(machine.read_word(*other, page_at(20)) == 8);
    // The rest leaves too; then there is nothing more.
    std::uint64_t more = 0;
    while (with_memory(*other, {1}, [&] {
        return other->map(
            {.address = there + more * page_size, .pages = {1}, .placement = Placement::fixed});
    }))
        ++more;
    CHECK(more != 0);
    CHECK(object->resident().value == 3);
    for (std::uint64_t page = 0; page < more; ++page)
        REQUIRE(machine.write_word(*other, there + page * page_size, page) == Resolution::resolved);
    CHECK(read(machine, space, page_at(60)) == Resolution::needs_page);
    CHECK(supply(*object, 60, 160).error() == Error::no_memory);
    CHECK(read(machine, space, page_at(60)) == Resolution::needs_page);
    CHECK(machine.read_word(*space, page_at(3)) == 7);
    CHECK(faults_of(machine, *space) == "");
    CHECK(faults_of(machine, *other) == "");
    // When some memory is given back, the pager's page comes.
    REQUIRE(other->unmap(range_of(there.value, more * page_size)).ok());
    REQUIRE(supply(*object, 60, 160).ok());
    CHECK(machine.read_word(*space, page_at(60)) == 160);
}

TEST_CASE("memory: pages leave one object after the other") {
    Machine machine({.zones = shim::MachineOptions::small_zones()});
    ObjectRef objects[] = {paged_object(100), paged_object(100), paged_object(1ULL << 30)};
    Space space(machine);
    for (std::uint64_t page = 0; page < 40; ++page) {
        REQUIRE(supply(*objects[0], page, 1).ok());
        REQUIRE(supply(*objects[1], page, 1).ok());
        REQUIRE(supply(*objects[2], page << 20, 1).ok()); // far from each other
    }
    // Of one somebody holds all pages.
    MemoryObject::Held held[40];
    for (std::uint64_t page = 0; page < 40; ++page) held[page] = objects[1]->hold(page);
    const auto resident = [&](unsigned n) { return objects[n]->resident().value; };
    CHECK(reclaim(*space, Error::no_memory));
    CHECK(resident(0) + resident(1) + resident(2) == 120 - 32);
    while (reclaim(*space, Error::no_memory)) {
    }
    CHECK(resident(0) == 0);
    CHECK(resident(1) == 40);
    CHECK(resident(2) == 0);
    for (const auto& one : held) release_frame(one.frame);
    objects[0] = {};
    CHECK(reclaim(*space, Error::no_memory));
    CHECK(resident(1) == 8);
    CHECK(!reclaim(*space, Error::limit_reached)); // pages of others don't help against a limit
    CHECK(!reclaim(*space, Error::no_space));
    CHECK(resident(1) == 8);
}

TEST_CASE("memory: what only ids keep is given up before a limit is reached") {
    Machine machine;
    const QuotaRef quota = shim::quota_of(2000);
    Space space(machine, quota.get());
    for (unsigned round = 0; round < 6; ++round) {
        const auto object =
            with_memory(*space, {1000}, [&] { return MemoryObject::make_zeros({1000}, quota); });
        REQUIRE(object.ok());
        map_at(space, *object, 1000);
        REQUIRE(machine.write_word(*space, page_at(round), 1) == Resolution::resolved);
        REQUIRE(space->unmap(range_of(here.value, 1000 * page_size)).ok());
    }
    CHECK(faults_of(machine, *space) == "");
    CHECK(space->sweep_ids());
    CHECK(!space->sweep_ids());
}
