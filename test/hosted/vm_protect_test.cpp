// SPDX-License-Identifier: MIT
// AddressSpace: protect and discard, ceilings, and rights that come and go.
#include "shim/check.hpp"
#include "vm/space.hpp"

#include <doctest/doctest.h>

namespace {

using namespace vm;
using shim::all_runs;
using shim::faults_of;
using shim::Likeness;
using shim::Machine;
using shim::Operation;
using shim::range_of;
using shim::Space;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;

VirtAddr map_at(Space& space, std::uint64_t address, std::uint64_t pages,
                Access access = Access::read_write(), Ceiling ceiling = Ceiling::all()) {
    const auto at = space->map({.address = VirtAddr{address},
                                .pages = {pages},
                                .placement = Placement::fixed,
                                .access = access,
                                .ceiling = ceiling,
                                .noreserve = true});
    REQUIRE(at.ok());
    return *at;
}

} // namespace

TEST_CASE("protect takes rights from every CPU, and gives them back without losing content") {
    Machine machine;
    Space space(machine);
    const VirtAddr pages = map_at(space, gib, 4);
    for (const unsigned cpu : {1U, 0U}) {
        shim::set_cpu(cpu);
        REQUIRE(machine.write_word(*space, pages, 5) == Resolution::resolved);
    }
    REQUIRE(space->protect(range_of(gib, 4 * page_size), Access::read()).ok());
    CHECK(faults_of(machine, *space) == "");
    for (const unsigned cpu : {1U, 0U}) {
        shim::set_cpu(cpu);
        CHECK(machine.write_word(*space, pages, 6) == Resolution::forbidden);
        CHECK(machine.write_word(*space, pages + page_size, 6) == Resolution::forbidden);
        CHECK(machine.read_word(*space, pages) == 5);
    }
    REQUIRE(space->protect(range_of(gib, 4 * page_size), Access::read_write()).ok());
    CHECK(machine.write_word(*space, pages, 7) == Resolution::resolved);
    CHECK(machine.write_word(*space, pages + page_size, 8) == Resolution::resolved);
    CHECK(machine.read_word(*space, pages) == 7);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("a zero page read before stays zero, and never writable, through all rights") {
    Machine machine;
    Space space(machine);
    const VirtAddr page = map_at(space, gib, 1);
    CHECK(machine.read_word(*space, page) == 0);
    for (const Access access : {Access::read(), Access::read_execute(), Access::none(),
                                Access::read_write(), Access::none(), Access::read()}) {
        REQUIRE(space->protect(range_of(gib, page_size), access).ok());
        CHECK(faults_of(machine, *space) == "");
        if (access.readable()) CHECK(machine.read_word(*space, page) == 0);
        CHECK(space->counts().anonymous == 0);
    }
    CHECK(machine.write_word(*space, page, 1) == Resolution::forbidden);
    REQUIRE(space->protect(range_of(gib, page_size), Access::read_write()).ok());
    CHECK(machine.write_word(*space, page, 1) == Resolution::resolved);
    const auto* zeros = static_cast<const std::uint64_t*>(direct(zero_frame()));
    CHECK(zeros[0] == 0);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("a page without rights is parked: unreachable, kept, and brought back") {
    Machine machine;
    Space space(machine);
    const VirtAddr page = map_at(space, gib, 3);
    REQUIRE(machine.write_word(*space, page + page_size, 99) == Resolution::resolved);
    REQUIRE(space->protect(range_of(gib, 3 * page_size), Access::none()).ok());
    for (const Operation operation : {Operation::read, Operation::write, Operation::execute})
        CHECK(machine.touch(*space, page + page_size, operation).resolution ==
              Resolution::forbidden);
    bool parked = false;
    for (const abi::Run& run : all_runs(*space)) {
        CHECK(run.access == 0);
        parked = parked || run.state == abi::State::parked;
    }
    CHECK(parked);
    CHECK(space->counts().anonymous == 1);
    REQUIRE(space->protect(range_of(gib, 3 * page_size), Access::read()).ok());
    CHECK(machine.read_word(*space, page + page_size) == 99);
    CHECK(machine.write_word(*space, page + page_size, 1) == Resolution::forbidden);
    CHECK(faults_of(machine, *space) == "");
    // Parked memory is given back by unmap.
    REQUIRE(space->protect(range_of(gib, 3 * page_size), Access::none()).ok());
    REQUIRE(space->unmap(range_of(gib, 3 * page_size)).ok());
    CHECK(space->counts().anonymous == 0);
}

TEST_CASE("rights alternate between rw- and r-x, never both") {
    Machine machine;
    Space space(machine);
    const VirtAddr page = map_at(space, gib, 1);
    REQUIRE(machine.write_word(*space, page, 0xc3) == Resolution::resolved);
    CHECK(machine.execute(*space, page) == Resolution::forbidden);
    REQUIRE(space->protect(range_of(gib, page_size), Access::read_execute()).ok());
    CHECK(machine.execute(*space, page) == Resolution::resolved);
    CHECK(machine.write_word(*space, page, 1) == Resolution::forbidden);
    REQUIRE(space->protect(range_of(gib, page_size), Access::read_write()).ok());
    CHECK(faults_of(machine, *space) == "");
    CHECK(machine.execute(*space, page) == Resolution::forbidden);
    CHECK(machine.read_word(*space, page) == 0xc3);
}

TEST_CASE("protect never exceeds the ceiling, whatever state the page is in") {
    Machine machine;
    Space space(machine);
    for (unsigned bits = 0; bits < 8; ++bits) {
        const Ceiling ceiling = Ceiling::from_bits(bits);
        const std::uint64_t start = gib + bits * 16 * mib;
        const Access given = ceiling.allows(Access::read()) ? Access::read() : Access::none();
        const VirtAddr pages = map_at(space, start, 2, given, ceiling);
        if (given.readable()) CHECK(machine.read_word(*space, pages) == 0);
        for (const Access access :
             {Access::read_write(), Access::read(), Access::read_execute(), Access::none()}) {
            CAPTURE(bits);
            CAPTURE(static_cast<unsigned>(access.bits()));
            const Likeness before = Likeness::of(*space);
            const auto result = space->protect(range_of(start, 2 * page_size), access);
            CHECK(result.ok() == ceiling.allows(access));
            if (result.ok()) {
                const auto runs = all_runs(*space);
                CHECK(runs.back().access == access.bits());
            } else {
                CHECK(result.error() == Error::not_permitted);
                CHECK(Likeness::of(*space) == before);
            }
        }
        CHECK(faults_of(machine, *space) == "");
    }
}

TEST_CASE("a request beyond its own ceiling is refused") {
    Machine machine;
    Space space(machine);
    const auto result = space->map(
        {.pages = {1}, .access = Access::read_write(), .ceiling = Ceiling::of(Access::read())});
    REQUIRE_FALSE(result.ok());
    CHECK((result.error() == Error::not_permitted || result.error() == Error::invalid_argument));
    CHECK(all_runs(*space).empty());
}

TEST_CASE("a hole or a ceiling late in the range leaves all of it unchanged") {
    Machine machine;
    Space space(machine);
    const VirtAddr pages = map_at(space, gib, 1000);
    REQUIRE(machine.write_word(*space, pages, 1) == Resolution::resolved);
    map_at(space, gib + 1001 * page_size, 10);
    map_at(space, gib + 1011 * page_size, 1, Access::read(), Ceiling::of(Access::read()));
    const Likeness before = Likeness::of(*space);
    CHECK(space->protect(range_of(gib, 1002 * page_size), Access::read()).error() ==
          Error::not_mapped);
    CHECK(space->protect(range_of(gib - page_size, 2 * page_size), Access::read()).error() ==
          Error::not_mapped);
    CHECK(space->protect(range_of(gib - 4 * gib / 8, gib), Access::read()).error() ==
          Error::not_mapped);
    CHECK(space->discard(range_of(gib, 1002 * page_size)).error() == Error::not_mapped);
    CHECK(space->protect(range_of(gib + 1001 * page_size, 11 * page_size), Access::read_execute())
              .error() == Error::not_permitted);
    CHECK(Likeness::of(*space) == before);
    CHECK(machine.read_word(*space, pages) == 1);
    for (const VirtRange bad :
         {VirtRange{VirtAddr{gib + 8}, VirtAddr{gib + page_size}},
          VirtRange{VirtAddr{gib}, VirtAddr{gib}},
          VirtRange{VirtAddr{gib + page_size}, VirtAddr{gib}},
          VirtRange{VirtAddr{0}, VirtAddr{gib}}, VirtRange{VirtAddr{gib}, VirtAddr{1ULL << 47}}}) {
        CHECK(space->protect(bad, Access::read()).error() == Error::invalid_argument);
        CHECK(space->discard(bad).error() == Error::invalid_argument);
        CHECK(space->populate(bad).error() == Error::invalid_argument);
    }
    CHECK(Likeness::of(*space) == before);
}

TEST_CASE("protect of a large reservation splits only where something differs") {
    Machine machine;
    Space space(machine);
    map_at(space, 512 * gib, 512 * gib / page_size);
    const std::uint64_t tables = space->counts().tables;
    REQUIRE(space->protect(range_of(512 * gib, 512 * gib), Access::read()).ok());
    CHECK(space->counts().tables == tables);
    REQUIRE(space
                ->protect(range_of(512 * gib + 7 * gib + 3 * page_size, page_size),
                          Access::read_write())
                .ok());
    CHECK(space->counts().tables <= tables + 3);
    const auto runs = all_runs(*space);
    REQUIRE(runs.size() == 3);
    CHECK(runs[1].end - runs[1].start == page_size);
    CHECK(runs[1].access == (abi::access_read | abi::access_write));
    CHECK(machine.write_word(*space, VirtAddr{runs[1].start}, 4) == Resolution::resolved);
    CHECK(machine.write_word(*space, VirtAddr{runs[0].start}, 4) == Resolution::forbidden);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("discard drops the pages and keeps the range, with its rights") {
    Machine machine;
    Space space(machine);
    const VirtAddr pages = map_at(space, gib, 6);
    for (std::uint64_t n = 0; n < 4; ++n)
        REQUIRE(machine.write_word(*space, pages + n * page_size, n + 1) == Resolution::resolved);
    CHECK(machine.read_word(*space, pages + 4 * page_size) == 0);
    REQUIRE(space->protect(range_of(gib + 2 * page_size, page_size), Access::none()).ok());
    REQUIRE(space->protect(range_of(gib + 3 * page_size, page_size), Access::read_execute()).ok());
    REQUIRE(space->discard(range_of(gib + page_size, 5 * page_size)).ok());
    CHECK(space->counts().anonymous == 1);
    CHECK(faults_of(machine, *space) == "");
    CHECK(machine.read_word(*space, pages) == 1);
    CHECK(machine.read_word(*space, pages + page_size) == 0);
    CHECK(machine.touch(*space, pages + 2 * page_size, Operation::read).resolution ==
          Resolution::forbidden);
    CHECK(machine.read_word(*space, pages + 3 * page_size) == 0);
    CHECK(machine.execute(*space, pages + 3 * page_size) == Resolution::resolved);
    CHECK(machine.write_word(*space, pages + 3 * page_size, 1) == Resolution::forbidden);
    REQUIRE(space->protect(range_of(gib, 6 * page_size), Access::read_write()).ok());
    CHECK(machine.read_word(*space, pages + 2 * page_size) == 0);
    CHECK(machine.write_word(*space, pages + 2 * page_size, 3) == Resolution::resolved);
    CHECK(all_runs(*space).front().start == gib);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("a discard within a ceiling keeps the ceiling") {
    Machine machine;
    Space space(machine);
    const Ceiling read_only = Ceiling::of(Access::read());
    const VirtAddr pages = map_at(space, gib, 2, Access::read(), read_only);
    REQUIRE(space->populate(range_of(gib, 2 * page_size)).ok());
    REQUIRE(space->protect(range_of(gib, page_size), Access::none()).ok());
    REQUIRE(space->discard(range_of(gib, 2 * page_size)).ok());
    CHECK(space->protect(range_of(gib, 2 * page_size), Access::read_write()).error() ==
          Error::not_permitted);
    CHECK(space->protect(range_of(gib, 2 * page_size), Access::read()).ok());
    CHECK(machine.read_word(*space, pages) == 0);
}

TEST_CASE("scattered pages are flushed from every CPU, however many they are") {
    for (const std::uint64_t count : {3U, 8U, 9U, 40U}) {
        CAPTURE(count);
        Machine machine;
        Space space(machine);
        const VirtAddr pages = map_at(space, gib, 2 * count);
        const VirtRange all = range_of(gib, 2 * count * page_size);
        const auto touch_all = [&] {
            for (const unsigned cpu : {1U, 0U}) {
                shim::set_cpu(cpu);
                for (std::uint64_t n = 0; n < count; ++n)
                    REQUIRE(machine.write_word(*space, pages + 2 * n * page_size, n) ==
                            Resolution::resolved);
            }
        };
        touch_all();
        REQUIRE(space->protect(all, Access::read()).ok());
        CHECK(faults_of(machine, *space) == "");
        REQUIRE(space->protect(all, Access::read_write()).ok());
        touch_all();
        REQUIRE(space->protect(all, Access::none()).ok());
        CHECK(faults_of(machine, *space) == "");
        REQUIRE(space->protect(all, Access::read_write()).ok());
        touch_all();
        REQUIRE(space->discard(all).ok());
        CHECK(faults_of(machine, *space) == "");
        touch_all();
        REQUIRE(space->unmap(all).ok());
        CHECK(faults_of(machine, *space) == "");
        CHECK(space->counts().anonymous == 0);
    }
}

TEST_CASE("protect: rights are granted and shown without no-execute pages, if not enforced") {
    Machine machine({.processor = {.no_execute = false, .smep = false}});
    Space space(machine);
    const auto at = space->map({.pages = {1}});
    REQUIRE(at.ok());
    const VirtRange page = range_of(at->value, page_size);
    REQUIRE(machine.write_word(*space, *at, 7) == Resolution::resolved);
    CHECK(space->locate(*at).entry.access() == Access::read_write());
    CHECK(machine.execute(*space, *at) == Resolution::resolved);
    for (const Access access : {Access::read_execute(), Access::read(), Access::none(),
                                Access::read_execute(), Access::read_write()}) {
        REQUIRE(space->protect(page, access).ok());
        const vm::Entry entry = space->locate(*at).entry;
        CHECK((entry.raw() & 1ULL << 63) == 0);
        CHECK(entry.access() == access);
        CHECK((machine.execute(*space, *at) == Resolution::resolved) == access.readable());
        CHECK(machine.complaints(*space).empty());
    }
    CHECK(machine.read_word(*space, *at) == 7);
}
