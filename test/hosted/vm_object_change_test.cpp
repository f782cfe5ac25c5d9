// SPDX-License-Identifier: MIT
// Changes of an object in all spaces that map it: pages that are evicted, a new end, pages that
// were written; and forks of those spaces.
#include "shim/check.hpp"
#include "shim/objects.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <vector>

namespace {

using namespace vm;
using shim::faults_of;
using shim::Machine;
using shim::Operation;
using shim::paged_object;
using shim::range_of;
using shim::Space;
using shim::supply;
using shim::zeros_object;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr VirtAddr here{16 * mib};

void map_at(Space& space, const ObjectRef& object, VirtAddr at, std::uint64_t first,
            std::uint64_t pages, bool is_private = false) {
    REQUIRE(
        shim::map_at(space, object, at, {.first = first, .pages = pages, .is_private = is_private})
            .ok());
}
VirtAddr page_at(std::uint64_t page) { return here + page * page_size; }

Resolution read(Machine& machine, Space& space, VirtAddr at) {
    return machine.touch(*space, at, Operation::read).resolution;
}

void supply_all(MemoryObject& object, std::uint64_t pages) {
    for (std::uint64_t page = 0; page < pages; ++page)
        REQUIRE(supply(object, page, 100 + page).ok());
}

} // namespace

TEST_CASE("an evicted page leaves all spaces, and all that they cached of it") {
    Machine machine;
    const ObjectRef object = paged_object(8);
    supply_all(*object, 8);
    Space one(machine);
    Space other(machine);
    map_at(one, object, here, 0, 8);
    map_at(one, object, here + mib, 2, 4); // the same page twice
    map_at(other, object, here, 0, 8, true);
    shim::set_cpu(1);
    CHECK(machine.read_word(*other, page_at(3)) == 103);
    CHECK(machine.read_word(*other, page_at(4)) == 104);
    shim::set_cpu(0);
    CHECK(machine.read_word(*one, page_at(3)) == 103);
    CHECK(machine.read_word(*one, here + mib + page_size) == 103);
    const std::string before = shim::picture(*other);
    const std::uint64_t charged = other->account().charged().value;
    REQUIRE(object->evict(3).ok());
    CHECK(object->resident().value == 7);
    CHECK(faults_of(machine, *one) == "");
    CHECK(faults_of(machine, *other) == "");
    CHECK(other->account().charged().value == charged);
    CHECK(read(machine, one, page_at(3)) == Resolution::needs_page);
    CHECK(read(machine, one, here + mib + page_size) == Resolution::needs_page);
    shim::set_cpu(1);
    CHECK(read(machine, other, page_at(3)) == Resolution::needs_page);
    CHECK(machine.read_word(*other, page_at(4)) == 104);
    REQUIRE(supply(*object, 3, 903).ok());
    CHECK(machine.read_word(*other, page_at(3)) == 903);
    CHECK(shim::picture(*other) == before);
    shim::set_cpu(0);
    CHECK(machine.read_word(*one, page_at(3)) == 903);
    CHECK(object->evict(8).error() == Error::not_found);
    CHECK(zeros_object(1)->evict(0).error() == Error::unsupported);
}

TEST_CASE("a page that was written, or is in somebody's hand, is not evicted; a copy stays") {
    Machine machine;
    const ObjectRef object = paged_object(4);
    supply_all(*object, 4);
    Space space(machine);
    Space copies(machine);
    map_at(space, object, here, 0, 4);
    map_at(copies, object, here, 0, 4, true);
    CHECK(machine.write_word(*space, page_at(1), 7) == Resolution::resolved);
    CHECK(object->evict(1).error() == Error::would_block);
    CHECK(machine.read_word(*space, page_at(1)) == 7);
    std::uint64_t written[4]{};
    CHECK(object->collect_written(0, 4, written) == 1);
    CHECK(written[0] == 1);
    CHECK(object->evict(1).ok());
    CHECK(read(machine, space, page_at(1)) == Resolution::needs_page);

    const MemoryObject::Held held = object->hold(2);
    REQUIRE(held.state == PageState::held);
    CHECK(object->evict(2).error() == Error::would_block);
    release_frame(held.frame);
    CHECK(object->evict(2).ok());

    CHECK(machine.write_word(*copies, page_at(3), 8) == Resolution::resolved);
    CHECK(object->evict(3).ok());
    CHECK(machine.read_word(*copies, page_at(3)) == 8);
    REQUIRE(copies->discard(range_of(here.value, 4 * page_size)).ok());
    CHECK(read(machine, copies, page_at(3)) == Resolution::needs_page);
    CHECK(faults_of(machine, *space) == "");
    CHECK(faults_of(machine, *copies) == "");
}

TEST_CASE("parked pages are evicted too") {
    Machine machine;
    const ObjectRef object = paged_object(2);
    supply_all(*object, 2);
    Space space(machine);
    map_at(space, object, here, 0, 2);
    CHECK(machine.read_word(*space, here) == 100);
    REQUIRE(space->protect(range_of(here.value, page_size), Access::none()).ok());
    REQUIRE(object->evict(0).ok());
    REQUIRE(space->protect(range_of(here.value, page_size), Access::read()).ok());
    CHECK(read(machine, space, here) == Resolution::needs_page);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("pages that were written are told once, by whichever mapping") {
    Machine machine;
    const ObjectRef object = zeros_object(600);
    Space one(machine);
    Space other(machine);
    map_at(one, object, here, 0, 600);
    map_at(other, object, here + mib, 0, 600);
    shim::set_cpu(1);
    CHECK(machine.write_word(*other, here + mib + 2 * page_size, 1) == Resolution::resolved);
    CHECK(machine.write_word(*other, here + mib + 555 * page_size, 1) == Resolution::resolved);
    shim::set_cpu(0);
    CHECK(machine.read_word(*one, page_at(2)) == 1);
    CHECK(machine.read_word(*one, page_at(4)) == 0);
    CHECK(machine.write_word(*one, page_at(5), 1) == Resolution::resolved);
    REQUIRE(one->unmap(range_of(page_at(5).value, page_size)).ok()); // its dirty bit goes on
    CHECK(machine.write_word(*one, page_at(6), 1) == Resolution::resolved);
    REQUIRE(one->unmap(range_of(here.value, 600 * page_size)).ok()); // with tables
    std::vector<std::uint64_t> written(2);
    CHECK(object->collect_written(0, 600, written) == 2);
    CHECK(written == std::vector<std::uint64_t>{2, 5});
    CHECK(object->collect_written(0, 600, written) == 2);
    CHECK(written == std::vector<std::uint64_t>{6, 555});
    CHECK(object->collect_written(0, 600, written) == 0);
    CHECK(faults_of(machine, *other) == "");
    // The right to write is gone from the processor, not from the mapping.
    shim::set_cpu(1);
    CHECK(machine.read_word(*other, here + mib + 2 * page_size) == 1);
    const auto again = machine.touch(*other, here + mib + 2 * page_size, Operation::write);
    CHECK(again.resolution == Resolution::resolved);
    CHECK(again.faults == 1);
    shim::set_cpu(0);
    CHECK(object->collect_written(0, 600, written) == 1);
    CHECK(written[0] == 2);
    CHECK(faults_of(machine, *other) == "");
}

TEST_CASE("beyond a lower end nothing is left; what comes again is zeros") {
    Machine machine({.commit_limit = PageCount{1ULL << 30}});
    const std::uint64_t before = committed().value;
    {
        const ObjectRef object = zeros_object(1500);
        Space one(machine);
        Space other(machine);
        map_at(one, object, here, 0, 1500);
        map_at(other, object, here, 600, 900, true);
        for (const std::uint64_t page : {0ULL, 3ULL, 511ULL, 512ULL, 700ULL, 1499ULL})
            CHECK(machine.write_word(*one, page_at(page), page + 1) == Resolution::resolved);
        shim::set_cpu(1);
        CHECK(machine.read_word(*other, page_at(100)) == 701);
        CHECK(machine.write_word(*other, page_at(899) + 8, 5) == Resolution::resolved);
        shim::set_cpu(0);
        const std::uint64_t with_all = committed().value;
        REQUIRE(object->resize({4}).ok());
        CHECK(object->resident().value == 2);
        CHECK(committed().value == with_all - 1496 - 3); // pages, tables
        CHECK(faults_of(machine, *one) == "");
        CHECK(faults_of(machine, *other) == "");
        CHECK(machine.read_word(*one, page_at(3)) == 4);
        CHECK(read(machine, one, page_at(4)) == Resolution::beyond_end);
        CHECK(read(machine, one, page_at(512)) == Resolution::beyond_end);
        CHECK(read(machine, other, page_at(100)) == Resolution::beyond_end);
        CHECK(machine.read_word(*other, page_at(899)) == 1500); // a copy is its own
        REQUIRE(object->resize({512 * 512 + 1}).ok());
        CHECK(machine.read_word(*one, page_at(3)) == 4);
        CHECK(machine.read_word(*one, page_at(512)) == 0);
        CHECK(machine.read_word(*other, page_at(100)) == 0);
        const MemoryObject::Held last = object->hold(512 * 512);
        REQUIRE(last.state == PageState::held);
        release_frame(last.frame);
        REQUIRE(object->resize({1}).ok());
        CHECK(object->resident().value == 1);
        CHECK(machine.read_word(*one, page_at(0)) == 1);
        CHECK(read(machine, one, page_at(3)) == Resolution::beyond_end);
        CHECK(object->resize({0}).error() == Error::invalid_argument);
        CHECK(object->resize({1ULL << 36}).error() == Error::no_memory);
        CHECK(faults_of(machine, *one) == "");
    }
    CHECK(committed().value <= before + 16); // what the kernel keeps
    CHECK(shim::boot_object(machine, 2)->resize({1}).error() == Error::unsupported);
}

namespace {
MemoryObject* object_at_work = nullptr;
std::uint64_t pages_at_last = 0;

/// Another CPU makes the object shorter, and then perhaps longer again.
void resize_meanwhile() {
    shim::zero_watcher = nullptr;
    shim::set_cpu(1);
    CHECK(object_at_work->resize({1}).ok());
    if (pages_at_last != 1) CHECK(object_at_work->resize({pages_at_last}).ok());
    shim::set_cpu(0);
}
/// Another CPU asks for the page that is being made, and for another one.
void hold_meanwhile() {
    shim::zero_watcher = nullptr;
    shim::set_cpu(1);
    CHECK(object_at_work->hold(3).state == PageState::leaving);
    const MemoryObject::Held other = object_at_work->hold(4);
    CHECK(other.state == PageState::held);
    release_frame(other.frame);
    shim::set_cpu(0);
}
} // namespace

TEST_CASE("while a page is filled with zeros, others use the object, and change it") {
    Machine machine;
    const ObjectRef object = zeros_object(8);
    Space space(machine);
    map_at(space, object, here, 0, 8);
    object_at_work = object.get();
    SUBCASE("it is asked for") {
        shim::zero_watcher = hold_meanwhile;
        CHECK(machine.read_word(*space, page_at(3)) == 0);
        CHECK(object->resident().value == 2);
        CHECK(shim::users_of(*space, page_at(3)) == 2);
    }
    SUBCASE("it is cut off") {
        pages_at_last = 1;
        shim::zero_watcher = resize_meanwhile;
        CHECK(read(machine, space, page_at(3)) == Resolution::beyond_end);
        CHECK(object->resident().value == 0);
    }
    SUBCASE("it is cut off, beside one that stays") {
        pages_at_last = 1;
        CHECK(read(machine, space, page_at(0)) == Resolution::resolved);
        shim::zero_watcher = resize_meanwhile;
        CHECK(read(machine, space, page_at(3)) == Resolution::beyond_end);
        REQUIRE(object->resize({8}).ok());
        CHECK(machine.read_word(*space, page_at(3)) == 0);
        CHECK(object->resident().value == 2);
    }
    SUBCASE("it is cut off, and comes again") {
        pages_at_last = 8;
        shim::zero_watcher = resize_meanwhile;
        CHECK(machine.read_word(*space, page_at(3)) == 0);
        CHECK(object->resident().value == 1);
    }
    CHECK((shim::zero_watcher == nullptr));
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("a pager's object grows and shrinks with what it was given") {
    Machine machine;
    const std::uint64_t before = committed().value;
    {
        const ObjectRef object = paged_object(4);
        supply_all(*object, 4);
        REQUIRE(object->resize({1ULL << 20}).ok());
        REQUIRE(supply(*object, 1'000'000, 5).ok());
        Space space(machine);
        map_at(space, object, here, 1'000'000, 1);
        CHECK(machine.read_word(*space, here) == 5);
        REQUIRE(object->resize({2}).ok());
        CHECK(object->resident().value == 2);
        CHECK(read(machine, space, here) == Resolution::beyond_end);
        CHECK(supply(*object, 2, 1).error() == Error::invalid_argument);
        REQUIRE(object->resize({3}).ok());
        CHECK(supply(*object, 2, 1).ok());
        CHECK(faults_of(machine, *space) == "");
    }
    CHECK(committed().value <= before + 16); // what the kernel keeps
}

TEST_CASE("many spaces and mappings are all found") {
    Machine machine;
    const ObjectRef object = paged_object(4);
    supply_all(*object, 4);
    std::vector<std::unique_ptr<Space>> spaces;
    for (unsigned n = 0; n < 30; ++n) {
        spaces.push_back(std::make_unique<Space>(machine));
        for (unsigned k = 0; k < 3; ++k) {
            const VirtAddr at = here + (n + 1) * k * mib;
            map_at(*spaces.back(), object, at, 0, 4, k == 1);
            CHECK(machine.read_word(**spaces.back(), at + 2 * page_size) == 102);
        }
    }
    spaces.erase(spaces.begin() + 3, spaces.begin() + 9);
    REQUIRE(object->evict(2).ok());
    for (unsigned n = 0; n < spaces.size(); ++n) {
        CHECK(read(machine, *spaces[n], page_at(2)) == Resolution::needs_page);
        CHECK(faults_of(machine, **spaces[n]) == "");
    }
}

TEST_CASE("forks share what they shared, and copy what was their own") {
    Machine machine;
    shim::leaves_nothing([&] {
        const ObjectRef memory = zeros_object(64);
        const ObjectRef file = zeros_object(64);
        auto parent = std::make_unique<Space>(machine);
        map_at(*parent, memory, here, 0, 64);
        map_at(*parent, file, page_at(64), 0, 64, true);
        for (std::uint64_t page = 0; page < 128; page += 2)
            CHECK(machine.write_word(**parent, page_at(page), page + 1) == Resolution::resolved);
        CHECK(machine.read_word(**parent, page_at(65)) == 0);
        Space child(machine, **parent);
        CHECK((*parent)->ids() == child->ids());
        CHECK(faults_of(machine, **parent) == "");
        CHECK(faults_of(machine, *child) == "");
        // Shared memory stays so, touched before or after.
        CHECK(machine.write_word(*child, page_at(2), 500) == Resolution::resolved);
        CHECK(machine.read_word(**parent, page_at(2)) == 500);
        CHECK(machine.write_word(**parent, page_at(3), 501) == Resolution::resolved);
        CHECK(machine.read_word(*child, page_at(3)) == 501);
        // Copies are copied; what was not written is the file's still.
        CHECK(machine.write_word(*child, page_at(66), 600) == Resolution::resolved);
        CHECK(machine.read_word(**parent, page_at(66)) == 67);
        CHECK(machine.write_word(**parent, page_at(65), 601) == Resolution::resolved);
        CHECK(machine.read_word(*child, page_at(65)) == 0);
        CHECK(machine.write_word(*child, page_at(65), 602) == Resolution::resolved);
        CHECK(machine.read_word(**parent, page_at(65)) == 601);
        // And each drops its own.
        REQUIRE(child->discard(range_of(page_at(64).value, 8 * page_size)).ok());
        CHECK(machine.read_word(*child, page_at(66)) == 0);
        CHECK(machine.read_word(**parent, page_at(66)) == 67);
        CHECK(faults_of(machine, **parent) == "");
        CHECK(faults_of(machine, *child) == "");
        REQUIRE((*parent)->unmap(range_of(here.value, 64 * page_size)).ok());
        CHECK(machine.read_word(*child, page_at(4)) == 5);
        parent.reset();
        CHECK(machine.read_word(*child, page_at(68)) == 0);
        CHECK(machine.read_word(*child, page_at(80)) == 81);
        CHECK(faults_of(machine, *child) == "");
    });
}

TEST_CASE("a page in a table that two spaces have is evicted from both") {
    Machine machine;
    const ObjectRef object = paged_object(64);
    supply_all(*object, 64);
    Space parent(machine);
    map_at(parent, object, here, 0, 64);
    for (std::uint64_t page = 0; page < 64; ++page)
        CHECK(machine.read_word(*parent, page_at(page)) == 100 + page);
    Space child(machine, *parent);
    const std::uint64_t tables = child->counts().tables;
    shim::set_cpu(1);
    CHECK(machine.read_word(*child, page_at(5)) == 105);
    machine.mmu().prefetch(1);
    shim::set_cpu(0);
    CHECK(machine.read_word(*parent, page_at(5)) == 105);
    REQUIRE(object->evict(5).ok());
    CHECK(faults_of(machine, *parent) == "");
    CHECK(faults_of(machine, *child) == "");
    shim::set_cpu(1);
    CHECK(read(machine, child, page_at(5)) == Resolution::needs_page);
    shim::set_cpu(0);
    CHECK(read(machine, parent, page_at(5)) == Resolution::needs_page);
    REQUIRE(supply(*object, 5, 905).ok());
    CHECK(machine.read_word(*child, page_at(5)) == 905);
    CHECK(machine.read_word(*parent, page_at(5)) == 905);
    CHECK(child->counts().tables == tables); // none was copied
    // The same with what was written.
    CHECK(machine.write_word(*parent, page_at(6), 1) == Resolution::resolved);
    std::uint64_t written[2]{};
    CHECK(object->collect_written(0, 64, written) == 1);
    CHECK(written[0] == 6);
    REQUIRE(object->resize({4}).ok());
    CHECK(read(machine, child, page_at(6)) == Resolution::beyond_end);
    CHECK(read(machine, parent, page_at(6)) == Resolution::beyond_end);
    CHECK(faults_of(machine, *parent) == "");
    CHECK(faults_of(machine, *child) == "");
}
