// SPDX-License-Identifier: MIT
// Memory objects in spaces: shared, private, read-only; who goes first; what is left behind.
#include "shim/check.hpp"
#include "shim/objects.hpp"
#include "shim/payer.hpp"
#include "vm/commit.hpp"

#include <doctest/doctest.h>

namespace {

using namespace vm;
using shim::boot_object;
using shim::faults_of;
using shim::Machine;
using shim::map_at;
using shim::Operation;
using shim::range_of;
using shim::Space;
using shim::users_of;
using shim::zeros_object;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;
constexpr VirtAddr here{16 * mib};

using Part = shim::ObjectPart;
Part readable(std::uint64_t pages, std::uint64_t first = 0) {
    return {.first = first,
            .pages = pages,
            .access = Access::read(),
            .ceiling = Ceiling::of(Access::read_execute())};
}
Part owned(std::uint64_t pages, std::uint64_t first = 0) {
    return {.first = first, .pages = pages, .is_private = true};
}

VirtAddr page_at(std::uint64_t page) { return here + page * page_size; }

} // namespace

TEST_CASE("what one space writes to a shared object, another one reads") {
    Machine machine;
    shim::leaves_nothing([&] {
        const ObjectRef object = zeros_object(4);
        Space one(machine);
        Space other(machine);
        REQUIRE(map_at(one, object, here, {.pages = 4}).ok());
        REQUIRE(map_at(other, object, here + gib, {.first = 1, .pages = 3}).ok());
        CHECK(machine.read_word(*one, page_at(2)) == 0);
        CHECK(machine.write_word(*one, page_at(2), 77) == Resolution::resolved);
        shim::set_cpu(1);
        CHECK(machine.read_word(*other, here + gib + page_size) == 77);
        CHECK(machine.write_word(*other, here + gib + page_size, 78) == Resolution::resolved);
        shim::set_cpu(0);
        CHECK(machine.read_word(*one, page_at(2)) == 78);
        CHECK(users_of(*one, page_at(2)) == 3); // two entries, and the object
        CHECK(one->counts().anonymous == 0);
        CHECK(object->resident().value == 1);
        CHECK(faults_of(machine, *one) == "");
        CHECK(faults_of(machine, *other) == "");
        REQUIRE(one->unmap(range_of(here.value, 4 * page_size)).ok());
        CHECK(users_of(*other, here + gib + page_size) == 2);
        CHECK(faults_of(machine, *one) == "");
    });
}

TEST_CASE("an object stays as long as somebody maps it, whoever goes first") {
    Machine machine;
    SUBCASE("who made it") {
        Space one(machine);
        {
            const ObjectRef object = zeros_object(2);
            REQUIRE(map_at(one, object, here, {.pages = 2}).ok());
            REQUIRE(machine.write_word(*one, here, 5) == Resolution::resolved);
        }
        CHECK(machine.read_word(*one, here) == 5);
        CHECK(machine.read_word(*one, page_at(1)) == 0);
        CHECK(faults_of(machine, *one) == "");
    }
    SUBCASE("one of two users") {
        const ObjectRef object = zeros_object(2);
        Space one(machine);
        REQUIRE(map_at(one, object, here, {.pages = 2}).ok());
        {
            Space other(machine);
            REQUIRE(map_at(other, object, here, {.pages = 2}).ok());
            REQUIRE(machine.write_word(*other, here, 6) == Resolution::resolved);
        }
        CHECK(machine.read_word(*one, here) == 6);
    }
    SUBCASE("its users") {
        const ObjectRef object = zeros_object(2);
        {
            Space one(machine);
            REQUIRE(map_at(one, object, here, {.pages = 2}).ok());
            REQUIRE(machine.write_word(*one, page_at(1), 7) == Resolution::resolved);
        }
        Space later(machine);
        REQUIRE(map_at(later, object, here, {.pages = 2}).ok());
        CHECK(machine.read_word(*later, page_at(1)) == 7);
    }
}

TEST_CASE("nothing is left of objects and spaces when both have gone") {
    for (const bool object_first : {false, true}) {
        Machine machine;
        shim::leaves_nothing([&] {
            ObjectRef object = zeros_object(600);
            Space one(machine);
            REQUIRE(map_at(one, object, here, {.pages = 600}).ok());
            for (std::uint64_t page = 0; page < 600; page += 7)
                REQUIRE(machine.write_word(*one, page_at(page), page) == Resolution::resolved);
            if (object_first) object = {};
        });
    }
}

TEST_CASE("a private mapping reads the object's pages, and writes copies") {
    Machine machine;
    const ObjectRef object = boot_object(machine, 4);
    Space one(machine);
    Space other(machine);
    REQUIRE(map_at(one, object, here, owned(4)).ok());
    REQUIRE(map_at(other, object, here, owned(4)).ok());
    CHECK(machine.read_word(*one, page_at(1)) == 2);
    CHECK(users_of(*one, page_at(1)) == 3); // its own that stays, the object's, and the entry's
    SUBCASE("after it was read") {}
    SUBCASE("at the first touch") { CHECK(machine.read_word(*one, page_at(2)) == 3); }
    CHECK(machine.write_word(*one, page_at(1), 50) == Resolution::resolved);
    CHECK(machine.write_word(*one, page_at(2) + 8, 51) == Resolution::resolved);
    CHECK(machine.read_word(*one, page_at(1)) == 50);
    CHECK(machine.read_word(*one, page_at(2)) == 3);
    CHECK(machine.read_word(*one, page_at(2) + 8) == 51);
    CHECK(machine.read_word(*other, page_at(1)) == 2);
    CHECK(machine.read_word(*other, page_at(2) + 8) == 0);
    CHECK(one->counts().anonymous == 2);
    CHECK(other->counts().anonymous == 0);
    CHECK(faults_of(machine, *one) == "");
    CHECK(faults_of(machine, *other) == "");
}

TEST_CASE("who cached an object's page sees the copy that another CPU made of it") {
    Machine machine;
    const ObjectRef object = boot_object(machine, 2);
    Space space(machine);
    REQUIRE(map_at(space, object, here, owned(2)).ok());
    shim::set_cpu(1);
    CHECK(machine.read_word(*space, here) == 1);
    shim::set_cpu(0);
    CHECK(machine.write_word(*space, here, 9) == Resolution::resolved);
    shim::set_cpu(1);
    CHECK(machine.read_word(*space, here) == 9);
    shim::set_cpu(0);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("a read-only object is not written through shared mappings") {
    Machine machine;
    const ObjectRef object = boot_object(machine, 2);
    Space space(machine);
    Part part = readable(2);
    part.ceiling = Ceiling::all();
    CHECK(map_at(space, object, here, part).error() == Error::not_permitted);
    part = readable(2);
    part.access = Access::read_write();
    CHECK(map_at(space, object, here, part).error() == Error::not_permitted);
    REQUIRE(map_at(space, object, here, readable(2)).ok());
    CHECK(machine.write_word(*space, here, 1) == Resolution::forbidden);
    CHECK(machine.read_word(*space, here) == 1);
    CHECK(machine.write_word(*space, here, 1) == Resolution::forbidden);
    CHECK(space->protect(range_of(here.value, page_size), Access::read_write()).error() ==
          Error::not_permitted);
    REQUIRE(space->protect(range_of(here.value, page_size), Access::read_execute()).ok());
    CHECK(machine.execute(*space, here) == Resolution::resolved);
    CHECK(machine.execute(*space, page_at(1)) == Resolution::forbidden);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("rights of objects' pages change as those of others, and go") {
    Machine machine;
    const ObjectRef object = boot_object(machine, 3);
    Space space(machine);
    const VirtRange all = range_of(here.value, 3 * page_size);
    REQUIRE(map_at(space, object, here, owned(3)).ok());
    CHECK(machine.read_word(*space, here) == 1);
    CHECK(machine.write_word(*space, page_at(1), 60) == Resolution::resolved);
    const std::uint64_t charged = space->account().charged().value;
    REQUIRE(space->protect(all, Access::none()).ok());
    CHECK(machine.touch(*space, here, Operation::read).resolution == Resolution::forbidden);
    CHECK(machine.touch(*space, page_at(1), Operation::read).resolution == Resolution::forbidden);
    CHECK(machine.touch(*space, page_at(2), Operation::read).resolution == Resolution::forbidden);
    CHECK(space->account().charged().value == charged - 2); // the copy stays charged
    CHECK(faults_of(machine, *space) == "");
    SUBCASE("brought back") {
        REQUIRE(space->protect(all, Access::read()).ok());
        CHECK(machine.write_word(*space, here, 1) == Resolution::forbidden);
        REQUIRE(space->protect(all, Access::read_write()).ok());
        CHECK(space->account().charged().value == charged);
        CHECK(machine.read_word(*space, here) == 1);
        CHECK(machine.read_word(*space, page_at(1)) == 60);
        CHECK(machine.write_word(*space, here, 61) == Resolution::resolved);
        CHECK(machine.write_word(*space, page_at(2), 62) == Resolution::resolved);
        CHECK(machine.read_word(*space, here) == 61);
        CHECK(*static_cast<const std::uint64_t*>(direct(object->hold(0).frame)) == 1);
    }
    SUBCASE("dropped while parked") {
        REQUIRE(space->discard(all).ok());
        REQUIRE(space->protect(all, Access::read()).ok());
        CHECK(machine.read_word(*space, page_at(1)) == 2);
    }
    SUBCASE("unmapped while parked") {
        REQUIRE(space->unmap(range_of(here.value, 2 * page_size)).ok());
        CHECK(space->counts().anonymous == 0);
    }
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("discard brings the object's pages back") {
    Machine machine;
    const ObjectRef file = boot_object(machine, 4);
    const ObjectRef memory = zeros_object(4);
    Space space(machine);
    REQUIRE(map_at(space, file, here, owned(4)).ok());
    // Right behind it, and alike in all but the object.
    REQUIRE(map_at(space, memory, page_at(4), owned(4)).ok());
    REQUIRE(map_at(space, memory, page_at(8), {.pages = 4}).ok());
    const std::string untouched = shim::picture(*space);
    for (std::uint64_t page = 0; page < 12; ++page)
        CHECK(machine.write_word(*space, page_at(page), 100 + page) == Resolution::resolved);
    const std::uint64_t charged = space->account().charged().value;
    REQUIRE(space->discard(range_of(here.value, 12 * page_size)).ok());
    CHECK(shim::picture(*space) == untouched);
    CHECK(space->account().charged().value == charged);
    CHECK(space->counts().anonymous == 0);
    CHECK(faults_of(machine, *space) == "");
    for (std::uint64_t page = 0; page < 4; ++page) {
        CHECK(machine.read_word(*space, page_at(page)) == page + 1);
        CHECK(machine.read_word(*space, page_at(4 + page)) == 108 + page);
        CHECK(machine.read_word(*space, page_at(8 + page)) == 108 + page);
    }
    CHECK(space->discard(range_of(here.value, 13 * page_size)).error() == Error::not_mapped);
}

TEST_CASE("parts of a mapped object go, and others take their place") {
    Machine machine;
    const ObjectRef object = zeros_object(40);
    Space space(machine);
    REQUIRE(map_at(space, object, here, {.pages = 40}).ok());
    for (std::uint64_t page = 0; page < 40; ++page)
        CHECK(machine.write_word(*space, page_at(page), page + 1) == Resolution::resolved);
    REQUIRE(space->unmap(range_of(page_at(3).value, 35 * page_size)).ok());
    CHECK(machine.touch(*space, page_at(3), Operation::read).resolution == Resolution::hole);
    CHECK(machine.read_word(*space, page_at(2)) == 3);
    CHECK(machine.read_word(*space, page_at(38)) == 39);
    CHECK(faults_of(machine, *space) == "");
    // A part at an odd offset into the hole, and memory over the rest.
    REQUIRE(map_at(space, object, page_at(5), {.first = 20, .pages = 7}).ok());
    CHECK(machine.read_word(*space, page_at(6)) == 22);
    REQUIRE(space
                ->map({.address = here,
                       .pages = {6},
                       .placement = Placement::replace,
                       .access = Access::read_write()})
                .ok());
    CHECK(machine.read_word(*space, page_at(2)) == 0);
    CHECK(machine.read_word(*space, page_at(5)) == 0);
    CHECK(machine.read_word(*space, page_at(6)) == 22);
    CHECK(object->hold(2).state == PageState::held);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("an object over another one, in one step") {
    Machine machine;
    const ObjectRef old = zeros_object(80);
    const ObjectRef file = boot_object(machine, 80);
    Space space(machine);
    REQUIRE(map_at(space, old, here, {.pages = 80}).ok());
    for (std::uint64_t page = 0; page < 80; ++page)
        CHECK(machine.write_word(*space, page_at(page), 1000) == Resolution::resolved);
    CHECK(map_at(space, file, here, owned(80)).error() == Error::already_mapped);
    Part over = owned(80);
    over.placement = Placement::replace;
    REQUIRE(map_at(space, file, here, over).ok());
    for (std::uint64_t page = 0; page < 80; ++page)
        CHECK(machine.read_word(*space, page_at(page)) == page + 1);
    CHECK(old->resident().value == 80);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("one large entry speaks for all pages of an object, until one is touched") {
    Machine machine;
    const ObjectRef object = zeros_object(4000);
    Space space(machine);
    // Beyond its end nothing is, but the mapping may be larger.
    constexpr VirtAddr at{4 * gib};
    REQUIRE(map_at(space, object, at, {.pages = gib / page_size + 512 + 3}).ok());
    CHECK(space->locate(at).level == 3);
    CHECK(space->locate(at + gib).level == 2);
    CHECK(space->locate(at + gib + 2 * mib).level == 1);
    const auto runs = shim::all_runs(*space);
    REQUIRE(runs.size() == 1);
    CHECK(runs[0].levels == 7);
    CHECK(machine.write_word(*space, at + 5 * mib, 1) == Resolution::resolved);
    CHECK(space->locate(at).level == 2);
    CHECK(machine.touch(*space, at + 4000 * page_size, Operation::read).resolution ==
          Resolution::beyond_end);
    CHECK(machine.touch(*space, at + gib, Operation::read).resolution == Resolution::beyond_end);
    CHECK(faults_of(machine, *space) == "");
    REQUIRE(space->discard({at, at + gib}).ok());
    REQUIRE(space->unmap({at, at + gib}).ok());
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("the map tells which object's page is where, present or not") {
    Machine machine;
    const ObjectRef memory = zeros_object(64);
    const ObjectRef file = boot_object(machine, 64);
    Space space(machine);
    REQUIRE(map_at(space, memory, here, {.first = 8, .pages = 16}).ok());
    REQUIRE(map_at(space, file, page_at(16), owned(48, 3)).ok());
    CHECK(machine.write_word(*space, page_at(2), 1) == Resolution::resolved);
    CHECK(machine.read_word(*space, page_at(36)) == 24); // with its neighbours, 32 to 47
    CHECK(machine.write_word(*space, page_at(37), 1) == Resolution::resolved);
    const auto runs = shim::all_runs(*space);
    struct Expected {
        std::uint64_t page;
        const ObjectRef& object;
        std::uint64_t index;
        abi::State state;
        std::uint64_t present;
    };
    const Expected expected[] = {
        {0, memory, 8, abi::State::shared, 1},  {2, memory, 10, abi::State::shared, 1},
        {3, memory, 11, abi::State::shared, 1}, {16, file, 3, abi::State::file, 0},
        {31, file, 18, abi::State::file, 0},    {32, file, 19, abi::State::shared, 5},
        {36, file, 23, abi::State::shared, 5},  {37, file, 24, abi::State::present, 1},
        {38, file, 25, abi::State::shared, 10}, {48, file, 35, abi::State::file, 0},
    };
    std::size_t at = 0;
    for (const Expected& one : expected) {
        CAPTURE(one.page);
        while (at < runs.size() && runs[at].end <= page_at(one.page).value) ++at;
        REQUIRE(at < runs.size());
        CHECK(runs[at].id == one.object->number());
        CHECK(runs[at].offset + (page_at(one.page).value - runs[at].start) ==
              one.index * page_size);
        CHECK(runs[at].state == one.state);
        CHECK(runs[at].present == one.present);
    }
    const auto near = space->nearest(page_at(60), abi::Direction::up);
    REQUIRE(near);
    CHECK(near->offset == 35 * page_size);
    CHECK(near->id == file->number());
}

TEST_CASE("memory shared by handle is charged to its maker, and a touch of it never fails") {
    Machine machine;
    Space space(machine);
    {
        const QuotaRef quota = shim::quota_of(700);
        CHECK(MemoryObject::make_zeros({700}, quota).error() == Error::limit_reached);
        const ObjectRef object = zeros_object(600, quota);
        CHECK(quota.get()->charged().value >= 600 + 2 + 1);
        CHECK(MemoryObject::make_zeros({200}, quota).error() == Error::limit_reached);
        const std::uint64_t own = space->account().charged().value;
        REQUIRE(map_at(space, object, here, {.pages = 600}).ok());
        // Tables for what it maps, and the id table.
        CHECK(space->account().charged().value <= own + 6);
        CHECK(quota.get()->charged().value >= 603);
    }
    // Now all memory there is, to the last page that can be promised.
    std::uint64_t pages = commit_limit().value - committed().value;
    while (!MemoryObject::make_zeros({pages}, {}).ok()) --pages;
    CHECK(pages > 1000);
    const ObjectRef all = zeros_object(pages);
    CHECK(space->map({.pages = {16}}).error() == Error::no_memory);
    std::uint64_t touched = 0;
    while (touched < pages && all->hold(touched).state == PageState::held) ++touched;
    CHECK(touched == pages);
    CHECK(all->hold(pages).state == PageState::beyond_end);
}

TEST_CASE("private copies are promised, or charged when they are made") {
    Machine machine;
    const ObjectRef object = boot_object(machine, 8);
    Space space(machine);
    REQUIRE(map_at(space, object, here, readable(8)).ok());
    CHECK(machine.read_word(*space, here) == 1);
    const std::uint64_t before = space->account().charged().value;
    REQUIRE(map_at(space, object, page_at(8), owned(8)).ok());
    CHECK(space->account().charged().value == before + 8);
    CHECK(machine.write_word(*space, page_at(8), 1) == Resolution::resolved);
    CHECK(machine.read_word(*space, page_at(9)) == 2);
    CHECK(space->account().charged().value == before + 8);
    REQUIRE(map_at(space, object, page_at(16), {.pages = 8, .is_private = true, .noreserve = true})
                .ok());
    CHECK(space->account().charged().value == before + 8);
    CHECK(machine.read_word(*space, page_at(16)) == 1);
    CHECK(machine.write_word(*space, page_at(16), 1) == Resolution::resolved);
    CHECK(machine.write_word(*space, page_at(17), 1) == Resolution::resolved);
    CHECK(space->account().charged().value == before + 10);
    REQUIRE(space->discard(range_of(page_at(16).value, 8 * page_size)).ok());
    CHECK(space->account().charged().value == before + 8);
    CHECK(machine.read_word(*space, page_at(17)) == 2);
    REQUIRE(space->unmap(range_of(page_at(8).value, 16 * page_size)).ok());
    CHECK(space->account().charged().value == before);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("bad requests for objects are refused") {
    Machine machine;
    const ObjectRef object = zeros_object(4);
    Space space(machine);
    CHECK(map_at(space, object, here, {.pages = 0}).error() == Error::invalid_argument);
    CHECK(map_at(space, object, here + 1, {}).error() == Error::invalid_argument);
    CHECK(map_at(space, object, VirtAddr{0}, {}).error() == Error::invalid_argument);
    CHECK(map_at(space, object, here, {.first = 1ULL << 40}).error() == Error::invalid_argument);
    CHECK(map_at(space, object, here, {.ceiling = Ceiling::of(Access::read())}).error() ==
          Error::not_permitted);
    CHECK(kernel_space().map_object({.object = object.get(), .pages = {1}}).error() ==
          Error::unsupported);
    CHECK(MemoryObject::make_zeros({0}, {}).error() == Error::invalid_argument);
    CHECK(MemoryObject::make_zeros({~0ULL}, {}).error() == Error::invalid_argument);
    CHECK(MemoryObject::make_zeros({1ULL << 36}, {}).error() == Error::no_memory);
    CHECK(shim::picture(*space) == "");
    REQUIRE(map_at(space, object, here, {}).ok());
}

TEST_CASE("a mapping of an object grows by the pages that follow in the object, touched or not") {
    Machine machine;
    const ObjectRef object = zeros_object(3);
    Space space(machine);
    REQUIRE(map_at(space, object, here, {.pages = 1}).ok());
    REQUIRE(space->grow(page_at(1), {1}, abi::Direction::up).ok());
    CHECK(machine.write_word(*space, page_at(1), 1) == Resolution::resolved);
    CHECK(space->grow(page_at(1), {1}, abi::Direction::up).error() == Error::no_space);
    REQUIRE(space->grow(page_at(2), {2}, abi::Direction::up).ok());
    REQUIRE(map_at(space, object, page_at(8), {.pages = 3}).ok());
    CHECK(machine.write_word(*space, page_at(2), 2) == Resolution::resolved);
    CHECK(machine.read_word(*space, page_at(9)) == 1);
    CHECK(machine.read_word(*space, page_at(10)) == 2);
    CHECK(machine.touch(*space, page_at(3), Operation::read).resolution == Resolution::beyond_end);
    CHECK(faults_of(machine, *space) == "");
}
