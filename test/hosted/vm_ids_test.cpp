// SPDX-License-Identifier: MIT
// Id tables: found by content, swept, replaced by larger ones, shared with a child.
#include "shim/check.hpp"
#include "shim/objects.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace {

using namespace vm;
using shim::faults_of;
using shim::Machine;
using shim::range_of;
using shim::Space;
using shim::zeros_object;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr VirtAddr here{16 * mib};

Result<VirtAddr> map_page(Space& space, const ObjectRef& object, VirtAddr at,
                          std::uint64_t first = 0) {
    return space->map_object({.object = object.get(),
                              .first_page = first,
                              .address = at,
                              .pages = {1},
                              .placement = Placement::fixed,
                              .access = Access::read_write()});
}
std::uint32_t id_at(Space& space, VirtAddr at) { return space->locate(at).entry.id().value; }

} // namespace

TEST_CASE("attachments are found by what they are") {
    Machine machine;
    auto table = IdTable::make(64);
    REQUIRE(table.ok());
    std::vector<ObjectRef> objects;
    std::vector<std::pair<AttachmentKey, Id>> added;
    for (unsigned n = 0; n < 4; ++n) objects.push_back(zeros_object(1));
    for (unsigned n = 0; n < 64; ++n) {
        const AttachmentKey key{.object = objects[n % 4]->number(),
                                .base = (n / 8) * page_size,
                                .ceiling = n % 8 < 4 ? Ceiling::all() : Ceiling::none(),
                                .is_private = n / 8 % 2 != 0};
        CHECK(!(*table)->find(key));
        added.emplace_back(key, (*table)->add(*objects[n % 4], key));
    }
    CHECK((*table)->full());
    for (const auto& [key, id] : added) {
        CHECK((*table)->find(key) == id);
        CHECK((*table)->at(id).key() == key);
    }
    // Half of them are referred to.
    for (unsigned n = 0; n < 64; n += 2) {
        if (n % 4 == 0)
            (*table)->mark(added[n].second);
        else
            (*table)->mark(added[n].first);
    }
    (*table)->unlink_unmarked();
    for (unsigned n = 0; n < 64; ++n)
        CHECK((*table)->find(added[n].first).has_value() == (n % 2 == 0));
    CHECK((*table)->at(added[1].second).object == objects[1].get()); // until everybody has let go
    (*table)->free_unlinked();
    CHECK((*table)->used() == 32);
    auto copy = IdTable::make(128);
    REQUIRE(copy.ok());
    (*copy)->copy(**table);
    for (unsigned n = 0; n < 64; n += 2) CHECK((*copy)->find(added[n].first) == added[n].second);
    for (unsigned n = 1; n < 64; n += 2) {
        const Id id = (*copy)->add(*objects[n % 4], added[n].first);
        CHECK((*copy)->find(added[n].first) == id);
        CHECK(id.value < IdTable::first_id + 64); // ids are used again
    }
    (*table)->release();
    (*copy)->release();
    CHECK(IdTable::make(id_limit).error() == Error::limit_reached);
}

TEST_CASE("a space without objects has no id table; equal mappings have one id") {
    Machine machine;
    const ObjectRef object = zeros_object(8);
    Space space(machine);
    CHECK(space->ids() == nullptr);
    REQUIRE(map_page(space, object, here, 0).ok());
    REQUIRE(map_page(space, object, here + page_size, 1).ok());
    REQUIRE(map_page(space, object, here + 2 * page_size, 5).ok());
    CHECK(id_at(space, here) == id_at(space, here + page_size));
    CHECK(id_at(space, here) != id_at(space, here + 2 * page_size));
    CHECK(space->ids()->used() == 2);
    REQUIRE(space->unmap(range_of(here.value, page_size)).ok());
    REQUIRE(map_page(space, object, here, 0).ok());
    CHECK(space->ids()->used() == 2);
}

TEST_CASE("what no entry refers to any more is given up when the table is full") {
    Machine machine;
    shim::leaves_nothing([&] {
        Space space(machine);
        const ObjectRef kept = zeros_object(4);
        for (std::uint64_t page = 0; page < 4; ++page)
            REQUIRE(map_page(space, kept, here + page * page_size, page).ok());
        // Present, copied, parked: each is still told by its page.
        REQUIRE(space
                    ->map_object({.object = kept.get(),
                                  .address = here + mib,
                                  .pages = {4},
                                  .placement = Placement::fixed,
                                  .access = Access::read_write(),
                                  .is_private = true})
                    .ok());
        REQUIRE(machine.write_word(*space, here, 3) == Resolution::resolved);
        REQUIRE(machine.write_word(*space, here + mib, 4) == Resolution::resolved);
        REQUIRE(machine.read_word(*space, here + mib + page_size) == 0);
        REQUIRE(space->unmap(range_of((here + mib).value + 2 * page_size, 2 * page_size)).ok());
        REQUIRE(space->protect(range_of((here + mib).value, page_size), Access::none()).ok());
        REQUIRE(space->unmap(range_of(here.value + page_size, 3 * page_size)).ok());
        for (unsigned n = 0; n < 500; ++n) {
            const ObjectRef object = zeros_object(1);
            REQUIRE(map_page(space, object, here + 2 * mib).ok());
            REQUIRE(machine.write_word(*space, here + 2 * mib, n) == Resolution::resolved);
            REQUIRE(space->unmap(range_of((here + 2 * mib).value, page_size)).ok());
        }
        CHECK(space->ids()->capacity() == IdTable::least_capacity);
        CHECK(faults_of(machine, *space) == "");
        space->sweep_ids();
        CHECK(space->ids()->used() == 2);
        CHECK(faults_of(machine, *space) == "");
        REQUIRE(space->discard(range_of((here + mib).value, 2 * page_size)).ok());
        REQUIRE(space->protect(range_of((here + mib).value, page_size), Access::read()).ok());
        CHECK(machine.read_word(*space, here + mib) == 3);
    });
}

TEST_CASE("a table grows as far as it must, and ids keep what they stand for") {
    Machine machine;
    Space space(machine);
    const ObjectRef object = zeros_object(1000);
    constexpr std::uint64_t count = 1000;
    for (std::uint64_t n = 0; n < count; ++n) {
        // Each page lies elsewhere than the one before would have it.
        REQUIRE(map_page(space, object, here + n * page_size, count - 1 - n).ok());
        REQUIRE(machine.write_word(*space, here + n * page_size, n) == Resolution::resolved);
        if (n % 2 != 0)
            REQUIRE(space->discard(range_of(here.value + n * page_size, page_size)).ok());
    }
    CHECK(space->ids()->used() == count);
    for (std::uint64_t n = 0; n < count; ++n)
        CHECK(machine.read_word(*space, here + n * page_size) == n);
    CHECK(faults_of(machine, *space) == "");
    REQUIRE(space->unmap(range_of(here.value, count * page_size)).ok());
    space->sweep_ids();
    CHECK(space->ids()->used() == 0);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("a child uses the parent's id table until one of them adds to it") {
    for (const bool parent_adds : {false, true}) {
        Machine machine;
        shim::leaves_nothing([&] {
            Space parent(machine);
            Space child(machine);
            const ObjectRef object = zeros_object(4);
            REQUIRE(map_page(parent, object, here).ok());
            const std::uint32_t id = id_at(parent, here);
            REQUIRE(parent->share_ids(*child).ok());
            CHECK(parent->ids() == child->ids());
            const std::uint64_t charged = child->account().charged().value;
            parent->sweep_ids(); // not its own alone: stays
            CHECK(parent->ids()->used() == 1);
            // The same attachment is there already: no clone.
            REQUIRE(map_page(child, object, here).ok());
            CHECK(id_at(child, here) == id);
            CHECK(parent->ids() == child->ids());
            Space& adds = parent_adds ? parent : child;
            REQUIRE(map_page(adds, object, here + page_size).ok());
            CHECK(parent->ids() != child->ids());
            CHECK(adds->ids()->used() == 2);
            CHECK((parent_adds ? child : parent)->ids()->used() == 1);
            CHECK(id_at(parent, here) == id);
            REQUIRE(machine.write_word(*parent, here, 8) == Resolution::resolved);
            CHECK(machine.read_word(*child, here) == 8);
            CHECK(child->account().charged().value >= charged);
            CHECK(faults_of(machine, *parent) == "");
            CHECK(faults_of(machine, *child) == "");
        });
    }
}
