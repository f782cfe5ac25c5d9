// SPDX-License-Identifier: MIT
// Commit charge: what a space is charged for, and that a promise is only made when it can be kept.
#include "shim/check.hpp"
#include "vm/commit.hpp"
#include "vm/space.hpp"

#include <doctest/doctest.h>

namespace {

using namespace vm;
using shim::faults_of;
using shim::Likeness;
using shim::Machine;
using shim::MachineOptions;
using shim::Operation;
using shim::range_of;
using shim::Space;

constexpr std::uint64_t gib = 1ULL << 30;

MapRequest fixed(std::uint64_t address, std::uint64_t pages, Access access, bool noreserve) {
    return {.address = VirtAddr{address},
            .pages = {pages},
            .placement = Placement::fixed,
            .access = access,
            .noreserve = noreserve};
}

/// Pages charged beside those for tables.
std::uint64_t charged(Space& space) {
    return space->account().charged().value - space->counts().table_charge;
}

} // namespace

TEST_CASE("writable promises and private frames are charged, once") {
    Machine machine;
    Space space(machine);
    CHECK(charged(space) == 0);
    REQUIRE(space->map(fixed(gib, 100, Access::read_write(), false)).ok());
    CHECK(charged(space) == 100);
    REQUIRE(machine.write_word(*space, VirtAddr{gib}, 1) == Resolution::resolved);
    CHECK(machine.read_word(*space, VirtAddr{gib + page_size}) == 0);
    CHECK(charged(space) == 100);
    REQUIRE(space->map(fixed(2 * gib, 50, Access::read(), false)).ok());
    REQUIRE(space->map(fixed(3 * gib, 1 << 18, Access::read_execute(), false)).ok());
    CHECK(charged(space) == 100);
    CHECK(machine.read_word(*space, VirtAddr{2 * gib}) == 0);
    CHECK(charged(space) == 100);
    REQUIRE(space->populate(range_of(2 * gib, 10 * page_size)).ok());
    CHECK(charged(space) == 110);
    // Rights to write: charged for what holds no frame yet; and back again.
    REQUIRE(space->protect(range_of(2 * gib, 50 * page_size), Access::read_write()).ok());
    CHECK(charged(space) == 150);
    REQUIRE(space->protect(range_of(2 * gib, 50 * page_size), Access::none()).ok());
    CHECK(charged(space) == 110);
    REQUIRE(space->discard(range_of(2 * gib, 50 * page_size)).ok());
    CHECK(charged(space) == 100);
    REQUIRE(space->discard(range_of(gib, 100 * page_size)).ok());
    CHECK(charged(space) == 100);
    REQUIRE(space->unmap(range_of(gib, 60 * page_size)).ok());
    CHECK(charged(space) == 40);
    REQUIRE(space->unmap(range_of(gib, 2 * gib)).ok());
    CHECK(charged(space) == 0);
}

TEST_CASE("noreserve is charged when used") {
    Machine machine;
    Space space(machine);
    REQUIRE(space->map(fixed(gib, 1 << 18, Access::read_write(), true)).ok());
    CHECK(charged(space) == 0);
    CHECK(machine.read_word(*space, VirtAddr{gib + 5 * page_size}) == 0);
    CHECK(charged(space) == 0);
    for (std::uint64_t n = 0; n < 7; ++n)
        REQUIRE(machine.write_word(*space, VirtAddr{gib + n * page_size}, n) ==
                Resolution::resolved);
    CHECK(charged(space) == 7);
    REQUIRE(space->protect(range_of(gib, gib), Access::read()).ok());
    REQUIRE(space->protect(range_of(gib, gib), Access::read_write()).ok());
    CHECK(charged(space) == 7);
    REQUIRE(space->discard(range_of(gib, 3 * page_size)).ok());
    CHECK(charged(space) == 4);
    REQUIRE(space->unmap(range_of(gib, gib)).ok());
    CHECK(charged(space) == 0);
}

TEST_CASE("a promise that can't be kept is refused, and changes nothing") {
    Machine machine({.zones = MachineOptions::small_zones(), .commit_limit = {500}});
    Space space(machine);
    CHECK(commit_limit().value == 500);
    const Likeness empty = Likeness::of(*space);
    CHECK(space->map(fixed(gib, 501, Access::read_write(), false)).error() == Error::no_memory);
    CHECK(space->map({.pages = {1 << 30}}).error() == Error::no_memory);
    CHECK(Likeness::of(*space) == empty);
    REQUIRE(space->map(fixed(gib, 400, Access::read_write(), false)).ok());
    REQUIRE(space->map(fixed(2 * gib, 400, Access::read(), false)).ok());
    const Likeness before = Likeness::of(*space);
    CHECK(space->map(fixed(3 * gib, 200, Access::read_write(), false)).error() == Error::no_memory);
    CHECK(space->protect(range_of(2 * gib, 400 * page_size), Access::read_write()).error() ==
          Error::no_memory);
    CHECK(Likeness::of(*space) == before);
    CHECK(committed().value <= 500);
    // What was promised is kept: no touch of it fails.
    for (std::uint64_t n = 0; n < 400; ++n)
        REQUIRE(machine.write_word(*space, VirtAddr{gib + n * page_size}, n) ==
                Resolution::resolved);
    REQUIRE(space->unmap(range_of(gib, 400 * page_size)).ok());
    CHECK(space->protect(range_of(2 * gib, 400 * page_size), Access::read_write()).ok());
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("at the limit, what leaves the map pays for what comes") {
    constexpr std::uint64_t mib = 1ULL << 20;
    Machine machine({.zones = MachineOptions::small_zones(), .commit_limit = {1200}});
    Space space(machine);
    const auto replace = [&](std::uint64_t address, std::uint64_t pages, bool noreserve = false) {
        MapRequest request = fixed(address, pages, Access::read_write(), noreserve);
        request.placement = Placement::replace;
        return space->map(request);
    };
    REQUIRE(space->map(fixed(gib, 512, Access::read_write(), false)).ok()); // one entry, 513 pages
    REQUIRE(space->map(fixed(gib + 2 * mib, 100, Access::read_write(), false)).ok());
    for (std::uint64_t n = 0; n < 100; ++n)
        REQUIRE(machine.write_word(*space, VirtAddr{gib + 2 * mib + n * page_size}, n) ==
                Resolution::resolved);
    // The rest of what may be promised.
    std::uint64_t rest = 1200;
    while (!space->map(fixed(8 * gib, rest, Access::read_write(), false)).ok()) --rest;
    const std::uint64_t full = space->account().charged().value;
    CHECK(committed().value >= 1199); // a page more would need a table
    // Over touched pages, whole and in part; in the middle of a large entry, whose table is paid.
    CHECK(replace(gib + 2 * mib, 100).ok());
    CHECK(space->counts().anonymous == 0);
    CHECK(machine.read_word(*space, VirtAddr{gib + 2 * mib + 7 * page_size}) == 0);
    CHECK(replace(gib + 100 * page_size, 7, true).ok());
    CHECK(replace(gib + 100 * page_size, 7).ok());
    CHECK(space->account().charged().value == full);
    // Over a table and all that it holds, and more than fits: refused, and nothing lost.
    REQUIRE(machine.write_word(*space, VirtAddr{gib}, 77) == Resolution::resolved);
    const Likeness before = Likeness::of(*space);
    CHECK(replace(gib, 513 + 100).error() == Error::no_memory);
    CHECK(replace(gib - page_size, 512).error() == Error::no_memory);
    CHECK(Likeness::of(*space) == before);
    CHECK(machine.read_word(*space, VirtAddr{gib}) == 77);
    CHECK(replace(gib, 512).ok());
    CHECK(space->account().charged().value == full);
    CHECK(machine.read_word(*space, VirtAddr{gib}) == 0);
    // A table that an unmap needs is paid by what it takes out.
    REQUIRE(space->unmap(range_of(8 * gib, 2 * page_size)).ok());
    REQUIRE(space->map(fixed(16 * gib, 1024, Access::read(), false)).ok());
    rest = 1200;
    while (rest != 0 && !space->map(fixed(8 * gib, rest, Access::read_write(), false)).ok()) --rest;
    CHECK(space->unmap(range_of(16 * gib, page_size)).error() == Error::no_memory);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("with memory full of upper tables, no touch of what was promised fails") {
    // Sparse touches of uncharged memory: a page table and an upper one for each.
    constexpr std::uint64_t promised = 600;
    constexpr std::uint64_t rows = 1000;
    constexpr std::uint64_t stride = 64 * gib;
    Machine machine({.zones = MachineOptions::small_zones()});
    Space space(machine);
    REQUIRE(space->map(fixed(gib, promised, Access::read_write(), false)).ok());
    REQUIRE(
        space->map(fixed(level_size(4), rows * (stride / page_size), Access::read_write(), true))
            .ok());
    std::uint64_t row = 0;
    const auto address = [](std::uint64_t n) { return level_size(4) + n * stride; };
    const auto touch_more = [&] {
        while (row < rows &&
               machine.write_word(*space, VirtAddr{address(row)}, row) == Resolution::resolved)
            ++row;
    };
    touch_more();
    const std::uint64_t first = row;
    // Every other one is emptied again, so that what tables leave behind is scattered.
    for (std::uint64_t n = 0; n < first; n += 2)
        REQUIRE(space->unmap(range_of(address(n), stride)).ok());
    touch_more();
    REQUIRE(row < rows);
    CHECK(first > 100);
    CHECK(row > first + first / 4);
    CHECK(commit_limit().value - committed().value < 8);
    for (std::uint64_t n = 0; n < promised; ++n)
        REQUIRE(machine.write_word(*space, VirtAddr{gib + n * page_size}, n) ==
                Resolution::resolved);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("uncharged memory ends in a clean refusal when there is none") {
    Machine machine({.zones = MachineOptions::small_zones(), .commit_limit = {200}});
    Space space(machine);
    REQUIRE(space->map(fixed(gib, 1000, Access::read_write(), true)).ok());
    std::uint64_t written = 0;
    while (written < 1000 && machine.write_word(*space, VirtAddr{gib + written * page_size},
                                                written) == Resolution::resolved)
        ++written;
    CHECK(written > 100);
    CHECK(written < 200);
    CHECK(machine.touch(*space, VirtAddr{gib + written * page_size}, Operation::write).resolution ==
          Resolution::no_memory);
    // Reads still go on, and what was written is there.
    CHECK(machine.read_word(*space, VirtAddr{gib + written * page_size}) == 0);
    CHECK(machine.read_word(*space, VirtAddr{gib + 7 * page_size}) == 7);
    CHECK(machine.touch(*space, VirtAddr{gib + written * page_size}, Operation::write).resolution ==
          Resolution::no_memory);
    REQUIRE(space->discard(range_of(gib, page_size)).ok());
    CHECK(machine.write_word(*space, VirtAddr{gib + written * page_size}, 1) ==
          Resolution::resolved);
    CHECK(space->populate(range_of(gib + 500 * page_size, 100 * page_size)).error() ==
          Error::no_memory);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("what may be promised in all can be touched in all") {
    Machine machine({.zones = MachineOptions::small_zones()});
    Space space(machine);
    std::uint64_t pages = commit_limit().value;
    while (!space->map(fixed(gib - 5 * page_size, pages, Access::read_write(), false)).ok())
        --pages;
    CHECK(pages > 1000);
    std::uint64_t touched = 0;
    while (touched < pages && machine.write_word(*space, VirtAddr{gib + (touched - 5) * page_size},
                                                 touched) == Resolution::resolved)
        ++touched;
    CHECK(touched == pages);
}
