// SPDX-License-Identifier: MIT
// AddressSpace::resolve through the model of the MMU: what a touch gives, and what it refuses.
#include "shim/check.hpp"
#include "vm/space.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

namespace {

using namespace vm;
using shim::faults_of;
using shim::Machine;
using shim::Operation;
using shim::range_of;
using shim::Space;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;

VirtAddr map_pages(Space& space, std::uint64_t pages, Access access = Access::read_write()) {
    const auto address = space->map({.pages = {pages}, .alignment = page_size, .access = access});
    REQUIRE(address.ok());
    return *address;
}

} // namespace

TEST_CASE("a first read sees the shared zero frame, a write then its own") {
    Machine machine;
    Space space(machine);
    const VirtAddr page = map_pages(space, 4);
    const auto read = machine.touch(*space, page + 24, Operation::read);
    CHECK(read.resolution == Resolution::resolved);
    CHECK(read.physical == zero_frame().value + 24);
    CHECK(read.faults == 1);
    CHECK(space->counts().anonymous == 0);
    CHECK(machine.read_word(*space, page) == 0);
    const auto write = machine.touch(*space, page, Operation::write);
    CHECK(write.resolution == Resolution::resolved);
    CHECK(write.physical != zero_frame().value);
    CHECK(write.faults == 1);
    CHECK(space->counts().anonymous == 1);
    CHECK(frame_record(PhysAddr{write.physical}).kind == FrameKind::anonymous);
    CHECK(machine.read_word(*space, page) == 0);
    CHECK(faults_of(machine, *space) == "");
    // The other CPU still has the old translation, unless it was flushed.
    shim::set_cpu(1);
    const VirtAddr other = page + page_size;
    CHECK(machine.read_word(*space, other) == 0);
    shim::set_cpu(0);
    CHECK(machine.read_word(*space, other) == 0);
    CHECK(machine.write_word(*space, other, 5) == Resolution::resolved);
    CHECK(faults_of(machine, *space) == "");
    shim::set_cpu(1);
    CHECK(machine.read_word(*space, other) == 5);
    shim::set_cpu(0);
}

TEST_CASE("a first write gives a zeroed frame, with one fault, and no flush") {
    Machine machine;
    Space space(machine);
    const VirtAddr page = map_pages(space, 300);
    const std::uint64_t flushes = machine.mmu().counts().flushes;
    for (std::uint64_t n = 0; n < 300; ++n) {
        const VirtAddr at = page + n * page_size;
        const auto touched = machine.touch(*space, at, Operation::write);
        REQUIRE(touched.resolution == Resolution::resolved);
        REQUIRE(touched.faults == 1);
        const auto* bytes = static_cast<const std::uint8_t*>(direct(PhysAddr{touched.physical}));
        REQUIRE(std::all_of(bytes, bytes + page_size, [](std::uint8_t byte) { return byte == 0; }));
        REQUIRE(machine.write_word(*space, at + 8, n) == Resolution::resolved);
    }
    CHECK(machine.mmu().counts().flushes == flushes);
    CHECK(space->counts().anonymous == 300);
    for (std::uint64_t n = 0; n < 300; ++n)
        REQUIRE(machine.read_word(*space, page + n * page_size + 8) == n);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("every access against every right") {
    Machine machine;
    Space space(machine);
    struct Row {
        Access access;
        bool read, write, execute;
    };
    const std::array rows{Row{Access::none(), false, false, false},
                          Row{Access::read(), true, false, false},
                          Row{Access::read_write(), true, true, false},
                          Row{Access::read_execute(), true, false, true}};
    for (const Row& row : rows) {
        CAPTURE(static_cast<unsigned>(row.access.bits()));
        const auto expected = [](bool allowed) {
            return allowed ? Resolution::resolved : Resolution::forbidden;
        };
        const VirtAddr pages = map_pages(space, 6, row.access);
        CHECK(machine.touch(*space, pages, Operation::read).resolution == expected(row.read));
        CHECK(machine.touch(*space, pages + page_size, Operation::write).resolution ==
              expected(row.write));
        CHECK(machine.execute(*space, pages + 2 * page_size) == expected(row.execute));
        // The same once the page is there.
        CHECK(machine.touch(*space, pages, Operation::write).resolution == expected(row.write));
        CHECK(machine.execute(*space, pages) == expected(row.execute));
        CHECK(machine.touch(*space, pages, Operation::read).resolution == expected(row.read));
        if (row.write) {
            CHECK(machine.execute(*space, pages + page_size) == Resolution::forbidden);
        }
    }
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("holes are holes: beside mappings, in absent tables, outside the user half") {
    Machine machine;
    Space space(machine);
    const VirtAddr page = map_pages(space, 1);
    const std::uint64_t tables = space->counts().tables;
    for (const std::uint64_t address : std::array<std::uint64_t, 6>{
             page.value + page_size, page.value - 1, 0, 7 * gib, 1ULL << 46, (1ULL << 47) - 1}) {
        for (const Operation operation : {Operation::read, Operation::write, Operation::execute}) {
            CHECK(machine.touch(*space, VirtAddr{address}, operation).resolution ==
                  Resolution::hole);
        }
    }
    CHECK(space->resolve(VirtAddr{1ULL << 47}, {}) == Resolution::hole);
    CHECK(space->resolve(VirtAddr{0xffff800000000000}, {}) != Resolution::resolved);
    CHECK(space->resolve(VirtAddr{0xffffffffffffffff}, {.write = true}) != Resolution::resolved);
    CHECK(space->counts().tables == tables);
}

TEST_CASE("a fault that is no longer one is resolved, and changes nothing") {
    Machine machine;
    Space space(machine);
    const VirtAddr page = map_pages(space, 1);
    REQUIRE(machine.write_word(*space, page, 11) == Resolution::resolved);
    const auto frame = space->frame_of(page);
    REQUIRE(frame.ok());
    CHECK(space->resolve(page, {.write = true}) == Resolution::resolved);
    CHECK(space->resolve(page + 4095, {}) == Resolution::resolved);
    CHECK(*space->frame_of(page) == *frame);
    CHECK(machine.read_word(*space, page) == 11);
    CHECK(space->counts().anonymous == 1);
}

TEST_CASE("a guard is mapped and never accessible") {
    Machine machine;
    Space space(machine);
    const auto guard = space->map({.pages = {2}, .access = Access::none(), .guard = true});
    REQUIRE(guard.ok());
    for (const Operation operation : {Operation::read, Operation::write, Operation::execute})
        CHECK(machine.touch(*space, *guard, operation).resolution == Resolution::forbidden);
    const auto runs = shim::all_runs(*space);
    REQUIRE(runs.size() == 1);
    CHECK(runs[0].state == abi::State::callback);
    CHECK(runs[0].id == callback_guard.value);
    CHECK(runs[0].access == 0);
    CHECK(space->map({.address = *guard, .pages = {1}, .placement = Placement::fixed}).error() ==
          Error::already_mapped);
    CHECK(space->unmap(range_of(guard->value, 2 * page_size)).ok());
    CHECK(shim::all_runs(*space).empty());
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("populate gives every page its frame now, also without rights to write") {
    Machine machine;
    Space space(machine);
    for (const Access access : {Access::read(), Access::read_write(), Access::read_execute()}) {
        const VirtAddr pages = map_pages(space, 5, access);
        const std::uint64_t before = space->counts().anonymous;
        REQUIRE(space->populate(range_of(pages.value, 5 * page_size)).ok());
        CHECK(space->counts().anonymous == before + 5);
        for (std::uint64_t n = 0; n < 5; ++n) {
            const auto frame = space->frame_of(pages + n * page_size);
            REQUIRE(frame.ok());
            auto* words = static_cast<std::uint64_t*>(direct(*frame));
            CHECK(std::all_of(words, words + 512, [](std::uint64_t word) { return word == 0; }));
            words[0] = 100 + n;
            CHECK(machine.read_word(*space, pages + n * page_size) == 100 + n);
        }
        // Again: nothing is left to do, and nothing is lost.
        REQUIRE(space->populate(range_of(pages.value, 5 * page_size)).ok());
        CHECK(machine.read_word(*space, pages) == 100);
        CHECK(space->counts().anonymous == before + 5);
    }
    CHECK(space->frame_of(VirtAddr{5 * gib}).error() == Error::not_mapped);
    CHECK(space->populate(range_of(5 * gib, page_size)).error() == Error::not_mapped);
    CHECK(space->populate({VirtAddr{5 * gib + 1}, VirtAddr{6 * gib}}).error() ==
          Error::invalid_argument);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("populate replaces the zero frame") {
    Machine machine;
    Space space(machine);
    const VirtAddr pages = map_pages(space, 3);
    CHECK(machine.read_word(*space, pages + page_size) == 0);
    REQUIRE(space->populate(range_of(pages.value, 3 * page_size)).ok());
    CHECK(space->counts().anonymous == 3);
    CHECK(*space->frame_of(pages + page_size) != zero_frame());
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("locate tells the entry that decides") {
    Machine machine;
    Space space(machine);
    REQUIRE(space->map({.address = VirtAddr{gib}, .pages = {262144}, .noreserve = true}).ok());
    CHECK(space->locate(VirtAddr{gib}).level == 3);
    CHECK(space->locate(VirtAddr{gib}).entry.kind(3) == EntryKind::lazy);
    CHECK(space->locate(VirtAddr{5 * gib}).entry.empty());
    REQUIRE(machine.write_word(*space, VirtAddr{gib + 2 * mib}, 1) == Resolution::resolved);
    const auto at = space->locate(VirtAddr{gib + 2 * mib});
    CHECK(at.entry.kind(at.level) == EntryKind::leaf);
    CHECK(at.entry.dirty());
    CHECK(at.entry.accessed());
}
