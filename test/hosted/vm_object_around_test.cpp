// SPDX-License-Identifier: MIT
// A fault on an object's page maps the neighbours that are resident, and nothing else.
#include "shim/check.hpp"
#include "shim/objects.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

using namespace vm;
using shim::boot_object;
using shim::faults_of;
using shim::Machine;
using shim::Operation;
using shim::paged_object;
using shim::range_of;
using shim::Space;
using shim::supply;

constexpr std::uint64_t mib = 1ULL << 20;
/// The second window of 64 KiB of a page table's range begins there.
constexpr VirtAddr here{16 * mib + 16 * page_size};
constexpr std::uint64_t window = 16;

VirtAddr page_at(std::int64_t page) {
    return VirtAddr{here.value + static_cast<std::uint64_t>(page) * page_size};
}

void map_at(Space& space, const ObjectRef& object, VirtAddr at, std::uint64_t first,
            std::uint64_t pages, Access access, bool is_private = false) {
    const Ceiling ceiling =
        access.writable() ? Ceiling::all() : Ceiling::of(Access::read_execute());
    REQUIRE(shim::map_at(space, object, at,
                         {.first = first,
                          .pages = pages,
                          .access = access,
                          .is_private = is_private,
                          .ceiling = ceiling})
                .ok());
}

/// A page of the space's own beside them, so that there is a page table.
void make_table(Machine& machine, Space& space) {
    REQUIRE(
        space
            ->map(
                {.address = VirtAddr{16 * mib + mib}, .pages = {1}, .placement = Placement::fixed})
            .ok());
    REQUIRE(machine.write_word(*space, VirtAddr{16 * mib + mib}, 1) == Resolution::resolved);
}

/// Which of the pages [first, end) are present, as text: one character each.
std::string present(const Space& space, std::int64_t first, std::int64_t end) {
    std::string text;
    for (std::int64_t page = first; page < end; ++page)
        text += (*space).frame_of(page_at(page)).ok() ? '#' : '.';
    return text;
}

Resolution read(Machine& machine, Space& space, std::int64_t page) {
    return machine.touch(*space, page_at(page), Operation::read).resolution;
}

} // namespace

TEST_CASE("a fault maps what an object has in an aligned window of 64 KiB") {
    Machine machine;
    const ObjectRef object = boot_object(machine, 64);
    Space space(machine);
    make_table(machine, space);
    bool is_private = false;
    SUBCASE("shared") {}
    SUBCASE("private") { is_private = true; }
    map_at(space, object, page_at(-5), 7, 40, Access::read(), is_private);
    for (const std::int64_t touched : {0, 9, 15}) {
        CAPTURE(touched);
        CHECK(read(machine, space, touched) == Resolution::resolved);
        CHECK(present(space, -5, 35) ==
              std::string(5, '.') + std::string(window, '#') + std::string(40 - 5 - window, '.'));
        for (std::int64_t page = 0; page < 16; ++page) {
            CHECK(machine.touch(*space, page_at(page), Operation::read).faults == 0);
            CHECK(machine.read_word(*space, page_at(page)) ==
                  static_cast<std::uint64_t>(page) + 5 + 7 + 1);
            CHECK(shim::users_of(*space, page_at(page)) == 3); // boot memory keeps one more
        }
        CHECK(faults_of(machine, *space) == "");
        REQUIRE(space->discard(range_of(page_at(-5).value, 40 * page_size)).ok());
        CHECK(present(space, -5, 35) == std::string(40, '.'));
    }
    // At the ends of the mapping.
    CHECK(read(machine, space, -1) == Resolution::resolved);
    CHECK(read(machine, space, 34) == Resolution::resolved);
    CHECK(present(space, -5, 35) == "#####" + std::string(32, '.') + "###");
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("only where the same entry stands, up to the first other one") {
    Machine machine;
    const ObjectRef object = boot_object(machine, 64);
    const ObjectRef other = boot_object(machine, 64);
    Space space(machine);
    make_table(machine, space);
    map_at(space, object, page_at(0), 0, 16, Access::read_write(), true);
    REQUIRE(space->protect(range_of(page_at(3).value, page_size), Access::read()).ok());
    map_at(space, other, page_at(16), 0, 16, Access::read_write(), true);
    SUBCASE("another right") {
        CHECK(read(machine, space, 5) == Resolution::resolved);
        CHECK(present(space, 0, 32) == "....############................");
        CHECK(read(machine, space, 3) == Resolution::resolved);
        CHECK(present(space, 0, 4) == "...#");
    }
    SUBCASE("a page that is there already, copied") {
        REQUIRE(machine.write_word(*space, page_at(8), 5) == Resolution::resolved);
        CHECK(present(space, 0, 16) == "........#.......");
        CHECK(read(machine, space, 6) == Resolution::resolved);
        CHECK(present(space, 0, 16) == "....#####.......");
        CHECK(machine.read_word(*space, page_at(8)) == 5);
        CHECK(machine.read_word(*space, page_at(7)) == 8);
    }
    SUBCASE("a hole, and another object") {
        REQUIRE(space->unmap(range_of(page_at(10).value, 2 * page_size)).ok());
        map_at(space, other, page_at(10), 40, 1, Access::read_write(), true);
        CHECK(read(machine, space, 12) == Resolution::resolved);
        CHECK(present(space, 0, 16) == "............####");
        CHECK(read(machine, space, 10) == Resolution::resolved);
        CHECK(present(space, 0, 16) == "..........#.####");
        CHECK(machine.read_word(*space, page_at(10)) == 41);
    }
    SUBCASE("no right to read") {
        REQUIRE(space->protect(range_of(page_at(5).value, page_size), Access::none()).ok());
        CHECK(read(machine, space, 5) == Resolution::forbidden);
        CHECK(read(machine, space, 6) == Resolution::resolved);
        CHECK(present(space, 0, 16) == "......##########");
    }
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("neighbours that are not resident are not asked for, nor made") {
    Machine machine;
    Space space(machine);
    make_table(machine, space);
    SUBCASE("a pager's") {
        const ObjectRef object = paged_object(64);
        for (const std::uint64_t page : {1U, 4U, 5U, 9U}) REQUIRE(supply(*object, page, page).ok());
        map_at(space, object, page_at(0), 0, 16, Access::read());
        CHECK(read(machine, space, 2) == Resolution::needs_page);
        CHECK(present(space, 0, 16) == "................");
        CHECK(read(machine, space, 4) == Resolution::resolved);
        CHECK(present(space, 0, 16) == ".#..##...#......");
        CHECK(object->resident().value == 4);
        CHECK(read(machine, space, 2) == Resolution::needs_page);
    }
    SUBCASE("shared memory's") {
        const ObjectRef object = shim::zeros_object(64);
        map_at(space, object, page_at(0), 40, 30, Access::read_write());
        CHECK(machine.write_word(*space, page_at(3), 1) == Resolution::resolved);
        CHECK(machine.write_word(*space, page_at(7), 1) == Resolution::resolved);
        CHECK(object->resident().value == 2);
        CHECK(present(space, 0, 16) == "...#...#........");
        REQUIRE(space->discard(range_of(page_at(0).value, 8 * page_size)).ok());
        CHECK(read(machine, space, 7) == Resolution::resolved);
        CHECK(present(space, 0, 16) == "...#...#........");
        CHECK(object->resident().value == 2);
        // Beyond its end is nothing.
        CHECK(machine.write_word(*space, page_at(23), 1) == Resolution::resolved);
        CHECK(read(machine, space, 24) == Resolution::beyond_end);
    }
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("a window over two tables of the cache ends between them") {
    Machine machine({.zones = {{PhysAddr{0x100000}, PhysAddr{0xa00000}}}});
    const ObjectRef object = paged_object(2000);
    for (std::uint64_t page = 500; page < 530; ++page) REQUIRE(supply(*object, page, page).ok());
    Space space(machine);
    make_table(machine, space);
    map_at(space, object, page_at(0), 508, 16, Access::read());
    CHECK(read(machine, space, 2) == Resolution::resolved);
    CHECK(present(space, 0, 16) == "####............");
    CHECK(read(machine, space, 9) == Resolution::resolved);
    CHECK(present(space, 0, 16) == "################");
    for (std::int64_t page = 0; page < 16; ++page)
        CHECK(machine.read_word(*space, page_at(page)) == static_cast<std::uint64_t>(page) + 508);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("a table that other spaces have gets pages for all of them") {
    Machine machine;
    const ObjectRef object = boot_object(machine, 16);
    Space parent(machine);
    make_table(machine, parent);
    for (std::uint64_t page = 0; page < 64; ++page) // a table with few pages is not shared
        REQUIRE(parent
                    ->map({.address = page_at(-16) + 256 * page_size + page * page_size,
                           .pages = {1},
                           .placement = Placement::replace})
                    .ok());
    map_at(parent, object, page_at(0), 0, 16, Access::read_write(), true);
    Space child(machine, *parent);
    CHECK(read(machine, child, 4) == Resolution::resolved);
    CHECK(present(child, 0, 16) == "################");
    CHECK(machine.read_word(*parent, page_at(5)) == 6);
    CHECK(machine.write_word(*child, page_at(5), 60) == Resolution::resolved);
    CHECK(machine.read_word(*parent, page_at(5)) == 6);
    CHECK(machine.read_word(*child, page_at(5)) == 60);
    CHECK(machine.write_word(*parent, page_at(5), 61) == Resolution::resolved);
    CHECK(machine.read_word(*child, page_at(5)) == 60);
    CHECK(faults_of(machine, *parent) == "");
    CHECK(faults_of(machine, *child) == "");
}

namespace {
const volatile void* watched_lock = nullptr;
unsigned times_taken = 0;
Machine* machine_at_work = nullptr;
Space* other_space = nullptr;

void find_lock(const volatile void* lock) {
    if (watched_lock == nullptr) watched_lock = lock;
}
/// The evictor has locked the first space's table: another CPU reads beside the page that leaves.
void read_beside(const volatile void* lock) {
    if (lock != watched_lock || times_taken++ != 0) return;
    lock_watcher = nullptr;
    shim::set_cpu(1);
    CHECK(read(*machine_at_work, *other_space, 4) == Resolution::resolved);
    CHECK(present(*other_space, 0, 8) == "....#...");
    shim::set_cpu(0);
}
} // namespace

TEST_CASE("while a page leaves, no fault maps it beside another one") {
    Machine machine;
    const ObjectRef object = paged_object(8);
    for (std::uint64_t page = 0; page < 8; ++page) REQUIRE(supply(*object, page, page + 100).ok());
    Space one(machine);
    Space other(machine);
    make_table(machine, one);
    make_table(machine, other);
    map_at(one, object, page_at(0), 0, 8, Access::read());
    map_at(other, object, page_at(0), 0, 8, Access::read());
    CHECK(read(machine, one, 0) == Resolution::resolved);
    watched_lock = nullptr;
    times_taken = 0;
    machine_at_work = &machine;
    other_space = &other;
    lock_watcher = find_lock;
    REQUIRE(one->protect(range_of(page_at(0).value, page_size), Access::read()).ok());
    lock_watcher = read_beside;
    CHECK(object->evict(3).ok());
    lock_watcher = nullptr;
    CHECK(times_taken != 0);
    CHECK(present(one, 0, 8) == "###.####");
    CHECK(read(machine, other, 3) == Resolution::needs_page);
    CHECK(read(machine, other, 5) == Resolution::resolved);
    CHECK(present(other, 0, 8) == "....####");
    CHECK(faults_of(machine, *one) == "");
    CHECK(faults_of(machine, *other) == "");
}

TEST_CASE("a first write to a page of a private mapping copies that page only, as promised") {
    Machine machine({.zones = shim::MachineOptions::small_zones()});
    const ObjectRef object = boot_object(machine, 32);
    Space space(machine);
    make_table(machine, space);
    map_at(space, object, page_at(0), 0, 32, Access::read_write(), true);
    const std::uint64_t charged = space->account().charged().value;
    for (const std::int64_t page : {3, 4, 20}) {
        CHECK(machine.write_word(*space, page_at(page), 500) == Resolution::resolved);
        CHECK(shim::users_of(*space, page_at(page)) == 1);
    }
    CHECK(present(space, 0, 32) == "...##...............#...........");
    CHECK(space->account().charged().value == charged);
    CHECK(machine.read_word(*space, page_at(4)) == 500);
    CHECK(machine.read_word(*space, page_at(5)) == 6);
    CHECK(faults_of(machine, *space) == "");
    // Not promised: each copy is charged when it is made.
    REQUIRE(shim::map_at(space, object, page_at(40),
                         {.pages = 8, .is_private = true, .noreserve = true})
                .ok());
    const std::uint64_t before = space->account().charged().value;
    CHECK(machine.write_word(*space, page_at(41), 1) == Resolution::resolved);
    CHECK(space->account().charged().value == before + 1);
    CHECK(faults_of(machine, *space) == "");
}
