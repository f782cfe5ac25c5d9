// SPDX-License-Identifier: MIT
// Callback entries: what grows when it is touched, what is watched, and the clock page.
#include "shim/check.hpp"
#include "shim/payer.hpp"
#include "vm/callback.hpp"
#include "vm/charge.hpp"
#include "vm/clock_page.hpp"

#include <doctest/doctest.h>

namespace {

using namespace vm;
using shim::faults_of;
using shim::Likeness;
using shim::Machine;
using shim::Operation;
using shim::range_of;
using shim::Space;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;
constexpr std::uint64_t tib = 1ULL << 40;

VirtAddr map_growing(Space& space, std::uint64_t address, std::uint64_t pages, Growth growth,
                     Access access = Access::read_write()) {
    const auto at = space->map({.address = VirtAddr{address},
                                .pages = {pages},
                                .placement = Placement::fixed,
                                .access = access,
                                .guard = true,
                                .growth = growth});
    REQUIRE(at.ok());
    return *at;
}

EntryKind kind_at(Space& space, VirtAddr address) {
    const auto located = space->locate(address);
    return located.entry.kind(located.level);
}

/// Pages charged beside the tables that there are.
std::uint64_t promised(Space& space) {
    return space->account().charged().value - space->counts().table_charge;
}

} // namespace

TEST_CASE("a stack that grows is charged for what it was given, and stops at its guard") {
    Machine machine;
    Space space(machine);
    const VirtAddr start = map_growing(space, gib, 1024, Growth::down);
    const VirtAddr end = start + 1024 * page_size;
    CHECK(promised(space) == 0);
    REQUIRE(machine.write_word(*space, end - 8, 1) == Resolution::resolved);
    CHECK(promised(space) == 1);
    CHECK(kind_at(space, end - page_size - 1) == EntryKind::callback);
    // Over the border of a page table.
    REQUIRE(machine.write_word(*space, start + 100 * page_size, 2) == Resolution::resolved);
    CHECK(promised(space) == 924);
    CHECK(kind_at(space, start + 101 * page_size) == EntryKind::lazy);
    CHECK(kind_at(space, start + 99 * page_size) == EntryKind::callback);
    CHECK(machine.read_word(*space, end - 8) == 1);
    REQUIRE(machine.write_word(*space, start + page_size, 3) == Resolution::resolved);
    CHECK(promised(space) == 1023);
    for (unsigned times = 0; times < 2; ++times)
        CHECK(machine.write_word(*space, start, 4) == Resolution::forbidden);
    CHECK(kind_at(space, start) == EntryKind::callback);
    CHECK(faults_of(machine, *space) == "");
    REQUIRE(space->unmap({start, end}).ok());
    CHECK(promised(space) == 0);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("a heap that grows does the same upwards, in large steps too") {
    Machine machine({.commit_limit = PageCount{1ULL << 30}});
    Space space(machine);
    const std::uint64_t pages = gib >> page_bits;
    const VirtAddr start = map_growing(space, gib, pages, Growth::up);
    REQUIRE(machine.write_word(*space, start + 9 * mib, 1) == Resolution::resolved);
    // Whole blocks below are one entry each, with their tables' charge.
    CHECK(space->locate(start + 2 * mib).level == 2);
    CHECK(kind_at(space, start + 2 * mib) == EntryKind::lazy);
    CHECK(kind_at(space, start + 9 * mib + page_size) == EntryKind::callback);
    CHECK(space->locate(start + 32 * mib).level == 2);
    CHECK(promised(space) == 9 * 256 + 1 + shim::promised_tables(*space));
    CHECK(faults_of(machine, *space) == "");
    const VirtAddr end = start + gib;
    CHECK(machine.write_word(*space, end - page_size, 1) == Resolution::forbidden);
    // Beyond its end it goes on, if somebody says so.
    REQUIRE(space->grow(end, {1}, abi::Direction::up).ok());
    CHECK(machine.read_word(*space, end - page_size) == 0);
    CHECK(machine.write_word(*space, end, 1) == Resolution::forbidden);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("growth gives the rights of the range, and fills no hole") {
    Machine machine;
    Space space(machine);
    const VirtAddr start = map_growing(space, gib, 16, Growth::down, Access::read());
    CHECK(machine.write_word(*space, start + 5 * page_size, 1) == Resolution::forbidden);
    CHECK(kind_at(space, start + 5 * page_size) == EntryKind::callback);
    REQUIRE(space->unmap({start + 8 * page_size, start + 9 * page_size}).ok());
    CHECK(machine.read_word(*space, start + 5 * page_size) == 0);
    CHECK(kind_at(space, start + 7 * page_size) == EntryKind::lazy);
    CHECK(kind_at(space, start + 8 * page_size) == EntryKind::empty);
    CHECK(kind_at(space, start + 9 * page_size) == EntryKind::callback);
    // The page above the hole is the last one of its range by now.
    CHECK(machine.touch(*space, start + 9 * page_size, Operation::read).resolution ==
          Resolution::forbidden);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("growth that can't be charged is refused, and changes nothing") {
    Machine machine;
    const QuotaRef quota = shim::quota_of(600);
    Space space(machine, quota.get());
    const VirtAddr start = map_growing(space, tib, 4096, Growth::down);
    const VirtAddr end = start + 4096 * page_size;
    REQUIRE(machine.write_word(*space, end - 8, 1) == Resolution::resolved);
    const Likeness before = Likeness::of(*space);
    CHECK(machine.write_word(*space, start + page_size, 1) == Resolution::over_quota);
    CHECK(Likeness::of(*space) == before);
    CHECK(machine.write_word(*space, end - 100 * page_size, 1) == Resolution::resolved);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("any allocation that growth or a watch needs may fail") {
    for (const bool watched : {false, true}) {
        for (std::uint64_t allowed = 0;; ++allowed) {
            Machine machine;
            Space space(machine);
            const VirtAddr start{gib};
            if (watched) {
                REQUIRE(space
                            ->map({.address = start,
                                   .pages = {gib >> page_bits},
                                   .placement = Placement::fixed,
                                   .noreserve = true})
                            .ok());
                REQUIRE(space->watch({start, start + gib}, Access::read_write()).ok());
            } else {
                map_growing(space, gib, gib >> page_bits, Growth::down);
            }
            const VirtAddr page = start + gib - 5 * page_size;
            const Likeness before = Likeness::of(*space);
            shim::fail_allocation_after(allowed);
            AddressSpace::Located entry{};
            const Resolution result = watched ? space->tell(page, {true, false}, entry)
                                              : space->resolve(page, {true, false});
            const bool failed = shim::allow_allocations();
            if (!failed) {
                CHECK(result == (watched ? Resolution::watched : Resolution::resolved));
                CHECK(allowed != 0);
                break;
            }
            CHECK(result == Resolution::no_memory);
            CHECK(Likeness::of(*space) == before);
            CHECK(faults_of(machine, *space) == "");
        }
    }
}

TEST_CASE("a watch is told once a page, and leaves the page as it was") {
    Machine machine;
    Space space(machine);
    const VirtAddr start =
        *space->map({.address = VirtAddr{gib}, .pages = {1024}, .placement = Placement::fixed});
    const std::uint64_t charged = promised(space);
    REQUIRE(space->watch(range_of(gib, 4 * mib), Access::read_write()).ok());
    CHECK(promised(space) == charged);
    const VirtAddr page = start + 600 * page_size;
    for (unsigned times = 0; times < 2; ++times)
        CHECK(machine.touch(*space, page, Operation::read).resolution == Resolution::watched);
    AddressSpace::Located entry{};
    CHECK(space->tell(page + 8, {}, entry) == Resolution::watched);
    CHECK(entry.entry.id() == callback_watch);
    CHECK(space->tell(page + 8, {}, entry) == Resolution::resolved);
    CHECK(kind_at(space, page) == EntryKind::lazy);
    CHECK(machine.write_word(*space, page, 7) == Resolution::resolved);
    CHECK(machine.touch(*space, page + page_size, Operation::write).resolution ==
          Resolution::watched);
    CHECK(machine.execute(*space, page + page_size) == Resolution::forbidden);
    CHECK(faults_of(machine, *space) == "");
    // Touched memory has no room for it, and all stays as it was.
    const Likeness before = Likeness::of(*space);
    CHECK(space->watch(range_of(gib, 4 * mib), Access::read()).error() == Error::unsupported);
    CHECK(Likeness::of(*space) == before);
    REQUIRE(space->protect(range_of(gib, 4 * mib), Access::read_write()).ok());
    CHECK(machine.write_word(*space, start, 1) == Resolution::resolved);
    CHECK(machine.read_word(*space, page) == 7);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("a page of zeros that was read is watched anew, on every CPU") {
    Machine machine;
    Space space(machine);
    const VirtAddr page = *space->map({.address = VirtAddr{gib}, .pages = {1}});
    for (const unsigned cpu : {1U, 0U}) {
        shim::set_cpu(cpu);
        CHECK(machine.read_word(*space, page) == 0);
    }
    REQUIRE(space->watch({page, page + page_size}, Access::read_write()).ok());
    for (const unsigned cpu : {1U, 0U}) {
        shim::set_cpu(cpu);
        CHECK(machine.touch(*space, page, Operation::read).resolution == Resolution::watched);
    }
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("fork keeps growth and watches, each side its own") {
    Machine machine;
    Space space(machine);
    const VirtAddr grows = map_growing(space, gib, 64, Growth::down);
    REQUIRE(machine.write_word(*space, grows + 63 * page_size, 1) == Resolution::resolved);
    const VirtAddr watched = *space->map({.address = VirtAddr{gib + mib}, .pages = {64}});
    REQUIRE(space->watch({watched, watched + 64 * page_size}, Access::read_write()).ok());
    {
        Space copy(machine, *space);
        CHECK(machine.write_word(*copy, grows + 40 * page_size, 2) == Resolution::resolved);
        CHECK(machine.touch(*copy, watched, Operation::write).resolution == Resolution::watched);
        AddressSpace::Located entry{};
        CHECK(copy->tell(watched, {true, false}, entry) == Resolution::watched);
        CHECK(kind_at(space, grows + 40 * page_size) == EntryKind::callback);
        CHECK(kind_at(space, watched) == EntryKind::callback);
        CHECK(machine.touch(*space, watched, Operation::write).resolution == Resolution::watched);
        CHECK(faults_of(machine, *copy) == "");
    }
    CHECK(machine.write_word(*space, grows + 50 * page_size, 2) == Resolution::resolved);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("the clock page is the same frame in every space, and no space frees or counts it") {
    Machine machine;
    const auto totals = shim::Totals::now();
    const VirtAddr at{gib};
    {
        Space first(machine);
        Space second(machine);
        const std::uint64_t charged = promised(first);
        REQUIRE(first->map_clock(at).ok());
        REQUIRE(second->map_clock(at).ok());
        CHECK(first->map_clock(at).error() == Error::already_mapped);
        CHECK(first->map_clock(at + 1).error() == Error::invalid_argument);
        CHECK(promised(first) == charged);
        *static_cast<std::uint64_t*>(direct(clock_frame())) = 0x1234;
        Space copy(machine, *first);
        for (Space* space : {&first, &second, &copy}) {
            CHECK(machine.read_word(**space, at) == 0x1234);
            CHECK(machine.write_word(**space, at, 1) == Resolution::forbidden);
            const auto run = (*space)->nearest(at, abi::Direction::up);
            REQUIRE(run);
            CHECK(run->state == abi::State::shared);
            CHECK(run->origin == abi::Origin::window);
            CHECK(run->id == abi::clock_page_id);
            CHECK(run->offset == clock_frame().value);
            CHECK((*space)->counts().anonymous == 0);
            CHECK(faults_of(machine, **space) == "");
        }
        CHECK(first->protect({at, at + page_size}, Access::read_write()).error() ==
              Error::not_permitted);
        REQUIRE(first->unmap({at, at + page_size}).ok());
        CHECK(machine.touch(*first, at, Operation::read).resolution == Resolution::hole);
        CHECK(machine.read_word(*second, at) == 0x1234);
        CHECK(faults_of(machine, *first) == "");
    }
    CHECK(shim::describe(shim::Totals::now()) == shim::describe(totals));
}

TEST_CASE("every function of the registry is asked by its id") {
    Machine machine;
    Space space(machine);
    const VirtAddr guard = *space->map({.pages = {1}, .guard = true});
    const auto ask = [&](VirtAddr page) {
        return ask_callback({*space, page, {}, space->locate(page).entry});
    };
    CHECK(ask(guard).kind == CallbackAnswer::Kind::refuse);
    CHECK(ask(guard).why == Resolution::forbidden);
    const VirtAddr grows = map_growing(space, gib, 8, Growth::down);
    const CallbackAnswer given = ask(grows + 3 * page_size);
    CHECK(given.kind == CallbackAnswer::Kind::install);
    CHECK(given.range.start == grows + 3 * page_size);
    CHECK(given.range.end == grows + 8 * page_size);
    CHECK(given.entry == Entry::lazy(Access::read_write(), {Ceiling::all()}));
    // Nothing has happened yet.
    CHECK(kind_at(space, grows + 3 * page_size) == EntryKind::callback);
}
