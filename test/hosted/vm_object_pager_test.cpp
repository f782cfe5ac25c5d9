// SPDX-License-Identifier: MIT
// Objects backed by pagers: slow, dead, lying, out of memory. What a pager does hurts only those
// who use it.
#include "shim/check.hpp"
#include "shim/objects.hpp"
#include "shim/payer.hpp"

#include <doctest/doctest.h>

#include <functional>

namespace {

using namespace vm;
using shim::faults_of;
using shim::Machine;
using shim::Operation;
using shim::paged_object;
using shim::range_of;
using shim::Space;

constexpr VirtAddr here{16ULL << 20};
constexpr std::uint64_t pages = 8;

/// A pager is asked with no lock held, for a page of an object; true if it says that it answered.
using Pager = std::function<bool(MemoryObject&, std::uint64_t index)>;

/// An access as a kernel makes it: asks the pager for what is missing, and tries again.
Resolution access(Machine& machine, AddressSpace& space, VirtAddr at, Operation operation,
                  const Pager& pager) {
    for (unsigned asked = 0;; ++asked) {
        const Resolution how = machine.touch(space, at, operation).resolution;
        if (how != Resolution::needs_page || asked == 3) return how;
        const auto missing = space.missing_page(at);
        if (!missing) continue; // the map has changed
        if (!pager(*missing->object, missing->index)) return how;
    }
}

void map_at(Space& space, const ObjectRef& object, VirtAddr at, bool is_private = false) {
    REQUIRE(shim::map_at(space, object, at, {.pages = pages, .is_private = is_private}).ok());
}

VirtAddr page_at(std::uint64_t page) { return here + page * page_size; }

bool good(MemoryObject& object, std::uint64_t index) {
    return shim::supply(object, index, 100 + index).ok();
}

} // namespace

TEST_CASE("a pager is asked once for a page, whoever maps it") {
    Machine machine;
    const ObjectRef object = paged_object(pages);
    Space one(machine);
    Space other(machine);
    map_at(one, object, here);
    map_at(other, object, here, true);
    unsigned asked = 0;
    const Pager counting = [&](MemoryObject& of, std::uint64_t index) {
        ++asked;
        return good(of, index);
    };
    CHECK(access(machine, *one, page_at(3), Operation::read, counting) == Resolution::resolved);
    CHECK(machine.read_word(*one, page_at(3)) == 103);
    CHECK(access(machine, *other, page_at(3), Operation::write, counting) == Resolution::resolved);
    CHECK(machine.write_word(*other, page_at(3), 1) == Resolution::resolved);
    CHECK(machine.read_word(*one, page_at(3)) == 103);
    CHECK(asked == 1);
    CHECK(access(machine, *other, page_at(4), Operation::write, counting) == Resolution::resolved);
    CHECK(machine.read_word(*other, page_at(4)) == 104);
    CHECK(access(machine, *one, page_at(4), Operation::read, counting) == Resolution::resolved);
    CHECK(asked == 2);
    CHECK(object->resident().value == 2);
    CHECK(faults_of(machine, *one) == "");
    CHECK(faults_of(machine, *other) == "");
}

TEST_CASE("a pager that is slow meets a map that has changed") {
    Machine machine;
    const ObjectRef object = paged_object(pages);
    const ObjectRef second = paged_object(pages);
    Space space(machine);
    map_at(space, object, here);
    const auto remap = [&] { REQUIRE(space->unmap(range_of(here.value, pages * page_size)).ok()); };
    SUBCASE("the range is gone") {
        const Pager slow = [&](MemoryObject& of, std::uint64_t index) {
            if (&of == object.get()) remap();
            return good(of, index);
        };
        CHECK(access(machine, *space, page_at(1), Operation::read, slow) == Resolution::hole);
    }
    SUBCASE("something else is there") {
        bool once = false;
        const Pager slow = [&](MemoryObject& of, std::uint64_t index) {
            if (!std::exchange(once, true)) {
                remap();
                map_at(space, second, here - page_size);
                return good(of, index);
            }
            CHECK(&of == second.get());
            CHECK(index == 2);
            return shim::supply(of, index, 900).ok();
        };
        CHECK(access(machine, *space, page_at(1), Operation::read, slow) == Resolution::resolved);
        CHECK(machine.read_word(*space, page_at(1)) == 900);
    }
    SUBCASE("another one has answered already") {
        const Pager slow = [&](MemoryObject& of, std::uint64_t index) {
            REQUIRE(good(of, index));
            CHECK(shim::supply(of, index, 5).error() == Error::already_mapped);
            return true;
        };
        CHECK(access(machine, *space, page_at(1), Operation::read, slow) == Resolution::resolved);
        CHECK(machine.read_word(*space, page_at(1)) == 101);
    }
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("a pager that is dead or lies leaves its users without a page, and nobody else") {
    Machine machine;
    const ObjectRef object = paged_object(pages);
    const ObjectRef sound = paged_object(pages);
    Space space(machine);
    map_at(space, object, here);
    map_at(space, sound, page_at(pages));
    const Pager dead = [](MemoryObject&, std::uint64_t) { return false; };
    const Pager lying = [](MemoryObject&, std::uint64_t) { return true; };
    const Pager confused = [](MemoryObject& of, std::uint64_t index) {
        CHECK(shim::supply(of, pages, 1).error() == Error::invalid_argument);
        return good(of, (index + 1) % pages) || true;
    };
    for (const Pager& pager : {dead, lying, confused})
        CHECK(access(machine, *space, page_at(2), Operation::read, pager) ==
              Resolution::needs_page);
    CHECK(access(machine, *space, page_at(pages + 2), Operation::read, good) ==
          Resolution::resolved);
    CHECK(machine.read_word(*space, page_at(pages + 2)) == 102);
    CHECK(object->resident().value == 1);
    CHECK(faults_of(machine, *space) == "");
    // Memory that has no pager takes nothing from one.
    const ObjectRef memory = shim::zeros_object(1);
    CHECK(shim::supply(*memory, 0, 1).error() == Error::unsupported);
}

TEST_CASE("what a pager supplies is charged to its object, within its quota") {
    Machine machine;
    const QuotaRef quota = shim::quota_of(5);
    {
        const ObjectRef object = paged_object(1ULL << 20, quota);
        const std::uint64_t own = quota.get()->charged().value;
        CHECK(shim::supply(*object, 0, 1).ok()); // a page, and three tables
        CHECK(quota.get()->charged().value == own + 4);
        CHECK(shim::supply(*object, 1, 1).error() == Error::limit_reached);
        CHECK(object->resident().value == 1);
        Space space(machine);
        map_at(space, object, here);
        CHECK(machine.read_word(*space, here) == 1);
        CHECK(access(machine, *space, page_at(1), Operation::read, good) == Resolution::needs_page);
        CHECK(faults_of(machine, *space) == "");
    }
    CHECK(quota.get()->charged().value == 0);
}
