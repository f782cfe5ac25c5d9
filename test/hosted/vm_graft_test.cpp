// SPDX-License-Identifier: MIT
// Grafts: whole page tables of an object's cache, read by all who map it.
#include "shim/check.hpp"
#include "shim/objects.hpp"
#include "vm/commit.hpp"

#include <doctest/doctest.h>

#include <functional>

namespace {

using namespace vm;
using shim::faults_of;
using shim::Machine;
using shim::map_at;
using shim::Operation;
using shim::paged_object;
using shim::range_of;
using shim::Space;
using shim::supply;
using shim::zeros_object;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;
constexpr std::uint64_t table_pages = table_entries;
constexpr VirtAddr here{16 * mib};

VirtAddr page_at(std::uint64_t page) { return here + page * page_size; }

shim::ObjectPart readable(std::uint64_t pages, bool is_private = false, std::uint64_t first = 0) {
    return {.first = first,
            .pages = pages,
            .access = Access::read(),
            .is_private = is_private,
            .ceiling = Ceiling::all()};
}

/// A file of so many pages, all resident; each begins with its index + 1.
ObjectRef file_of(std::uint64_t pages) {
    ObjectRef file = paged_object(pages);
    for (std::uint64_t page = 0; page < pages; ++page) REQUIRE(supply(*file, page, page + 1).ok());
    return file;
}

bool is_grafted(Space& space, VirtAddr at) {
    const auto found = space->locate(at);
    return found.entry.is_graft(found.level);
}

/// Reads a page, which has to be there, and gives the faults that it took.
std::uint64_t read(Machine& machine, Space& space, VirtAddr at, std::uint64_t expected) {
    const auto how = machine.touch(*space, at, Operation::read);
    CHECK(how.resolution == Resolution::resolved);
    CHECK(machine.read_word(*space, at) == expected);
    return how.faults;
}

} // namespace

TEST_CASE("one fault lets a space read 2 MiB of a file through the file's own page table") {
    Machine machine;
    shim::leaves_nothing([&] {
        const ObjectRef file = file_of(table_pages + 7);
        Space one(machine);
        Space other(machine);
        bool is_private = false;
        SUBCASE("shared") {}
        SUBCASE("private") { is_private = true; }
        REQUIRE(map_at(one, file, here, readable(table_pages + 7, is_private)).ok());
        REQUIRE(map_at(other, file, here + gib, readable(table_pages, is_private)).ok());
        const std::uint64_t tables = other->counts().tables;
        std::uint64_t faults = 0;
        for (std::uint64_t page = 0; page < table_pages; ++page)
            faults += read(machine, other, here + gib + page * page_size, page + 1);
        CHECK(faults == 1);
        CHECK(other->counts().tables == tables);
        CHECK(other->counts().shared_tables == 1);
        shim::set_cpu(1);
        CHECK(read(machine, one, page_at(300), 301) == 1);
        CHECK(read(machine, one, page_at(511), 512) == 0);
        // What is left is no whole table: page by page, with the neighbours.
        CHECK(read(machine, one, page_at(512), 513) == 1);
        CHECK(is_grafted(one, here));
        CHECK_FALSE(is_grafted(one, page_at(512)));
        CHECK(*one->frame_of(page_at(5)) == *other->frame_of(here + gib + 5 * page_size));
        CHECK(shim::users_of(*one, page_at(5)) == 1);
        CHECK(machine.write_word(*one, page_at(5), 1) == Resolution::forbidden);
        CHECK(machine.touch(*one, page_at(5), Operation::execute).resolution ==
              Resolution::forbidden);
        shim::set_cpu(0);
        CHECK(faults_of(machine, *one) == "");
        CHECK(faults_of(machine, *other) == "");
    });
}

TEST_CASE("the map says what a graft shows: file, offset, and how much of it is there") {
    Machine machine;
    const ObjectRef file = paged_object(4 * table_pages);
    Space space(machine);
    REQUIRE(map_at(space, file, here, readable(table_pages, true, 2 * table_pages)).ok());
    for (const std::uint64_t page : {0UL, 5UL, 6UL})
        REQUIRE(supply(*file, 2 * table_pages + page, page).ok());
    read(machine, space, page_at(5), 5);
    REQUIRE(is_grafted(space, here));
    const auto runs = shim::all_runs(*space);
    REQUIRE(runs.size() == 1);
    CHECK(runs[0].id == static_cast<std::uint32_t>(file->number()));
    CHECK(runs[0].offset == 4 * mib);
    CHECK(runs[0].present == 3);
    CHECK(runs[0].levels == 2);
    CHECK(runs[0].state == abi::State::shared);
    CHECK(space->frame_of(page_at(6)).ok());
    CHECK(space->frame_of(page_at(7)).error() == Error::not_mapped);
    CHECK(space->nearest(page_at(9), abi::Direction::down)->offset == 4 * mib);
    // It is no hole, and nothing is found in it.
    CHECK(space->first_fit({1}, page_size, here)->value == (here + 2 * mib).value);
}

TEST_CASE("what is not in the cache is asked for, and is there for all at once") {
    Machine machine;
    const ObjectRef file = paged_object(table_pages);
    Space one(machine);
    Space other(machine);
    REQUIRE(map_at(one, file, here, readable(table_pages)).ok());
    REQUIRE(map_at(other, file, here, readable(table_pages)).ok());
    CHECK(machine.touch(*one, page_at(3), Operation::read).resolution == Resolution::needs_page);
    CHECK_FALSE(is_grafted(one, here));
    REQUIRE(supply(*file, 3, 33).ok());
    CHECK(read(machine, one, page_at(3), 33) == 1);
    CHECK(read(machine, other, page_at(3), 33) == 1);
    REQUIRE(is_grafted(one, here));
    CHECK(machine.touch(*one, page_at(4), Operation::read).resolution == Resolution::needs_page);
    const auto missing = one->missing_page(page_at(4));
    REQUIRE(missing.has_value());
    CHECK(missing->object.get() == file.get());
    CHECK(missing->index == 4);
    REQUIRE(supply(*file, 4, 44).ok());
    CHECK(read(machine, one, page_at(4), 44) == 0);
    CHECK(read(machine, other, page_at(4), 44) == 0);
    // Memory that is shared for reading alone is made as it is touched.
    const ObjectRef memory = zeros_object(table_pages);
    REQUIRE(map_at(one, memory, here + gib, readable(table_pages)).ok());
    REQUIRE(map_at(other, memory, here + gib, {.pages = table_pages}).ok());
    CHECK(read(machine, one, here + gib, 0) == 1);
    CHECK(read(machine, one, here + gib + page_size, 0) == 1);
    CHECK(machine.write_word(*other, here + gib + page_size, 9) == Resolution::resolved);
    CHECK(read(machine, one, here + gib + page_size, 9) == 0);
    CHECK(memory->resident().value == 2);
    CHECK(faults_of(machine, *one) == "");
    CHECK(faults_of(machine, *other) == "");
}

TEST_CASE("what may be written, or stands askew, is not grafted") {
    Machine machine;
    const ObjectRef file = file_of(2 * table_pages);
    Space space(machine);
    std::uint64_t first = 0;
    SUBCASE("writable and private") {
        REQUIRE(map_at(space, file, here, {.pages = table_pages, .is_private = true}).ok());
    }
    SUBCASE("writable and shared") {
        REQUIRE(map_at(space, file, here, {.pages = table_pages}).ok());
    }
    SUBCASE("askew") {
        first = 3;
        REQUIRE(map_at(space, file, here, readable(table_pages, true, first)).ok());
    }
    SUBCASE("less than a table") {
        REQUIRE(map_at(space, file, here, readable(table_pages - 1)).ok());
    }
    read(machine, space, page_at(9), first + 10);
    CHECK_FALSE(is_grafted(space, here));
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("whatever changes a part of a graft finds the same memory, page by page") {
    Machine machine;
    shim::leaves_nothing([&] {
        const ObjectRef file = file_of(3 * table_pages);
        Space space(machine);
        REQUIRE(map_at(space, file, here, readable(3 * table_pages, true)).ok());
        for (const std::uint64_t table : {0UL, 1UL, 2UL})
            REQUIRE(read(machine, space, page_at(table * table_pages + 1),
                         table * table_pages + 2) == 1);
        REQUIRE(space->counts().shared_tables == 3);
        /// All pages but [first, end) of the second table and around it say what they did.
        const auto check_but = [&](std::uint64_t first, std::uint64_t end) {
            for (std::uint64_t page = 0; page < 3 * table_pages; ++page) {
                if (first <= page && page < end) continue;
                CAPTURE(page);
                read(machine, space, page_at(page), page + 1);
            }
            CHECK(faults_of(machine, *space) == "");
        };
        constexpr std::uint64_t first = table_pages - 5;
        constexpr std::uint64_t end = 2 * table_pages + 5;
        const VirtRange part{page_at(first), page_at(end)};
        const VirtRange within{page_at(600), page_at(700)};
        SUBCASE("unmap") {
            REQUIRE(space->unmap(part).ok());
            check_but(first, end);
            CHECK(machine.touch(*space, page_at(600), Operation::read).resolution ==
                  Resolution::hole);
        }
        SUBCASE("unmap within") {
            REQUIRE(space->unmap(within).ok());
            check_but(600, 700);
        }
        SUBCASE("unmap of a whole one") {
            REQUIRE(space->unmap({page_at(table_pages), page_at(2 * table_pages)}).ok());
            CHECK(space->counts().shared_tables == 2);
            check_but(table_pages, 2 * table_pages);
        }
        SUBCASE("all rights taken") {
            REQUIRE(space->protect(part, Access::none()).ok());
            CHECK(machine.touch(*space, page_at(600), Operation::read).resolution ==
                  Resolution::forbidden);
            check_but(first, end);
            REQUIRE(space->protect(part, Access::read()).ok());
            check_but(0, 0);
        }
        SUBCASE("to be executed") {
            REQUIRE(space->protect(part, Access::read_execute()).ok());
            CHECK(machine.touch(*space, page_at(600), Operation::execute).resolution ==
                  Resolution::resolved);
            CHECK(is_grafted(space, page_at(600)));
            check_but(0, 0);
        }
        SUBCASE("to be written") {
            REQUIRE(space->protect(part, Access::read_write()).ok());
            CHECK(machine.write_word(*space, page_at(600), 7) == Resolution::resolved);
            CHECK(machine.read_word(*space, page_at(600)) == 7);
            check_but(600, 601);
            REQUIRE(space->discard(part).ok());
            check_but(0, 0);
        }
        SUBCASE("the same rights") {
            REQUIRE(space->protect(part, Access::read()).ok());
            check_but(0, 0);
            CHECK(space->counts().shared_tables == 3);
        }
        SUBCASE("discard") {
            REQUIRE(space->discard(part).ok());
            CHECK_FALSE(is_grafted(space, page_at(600)));
            check_but(0, 0);
        }
        SUBCASE("something else over it") {
            REQUIRE(space
                        ->map({.address = within.start,
                               .pages = within.pages(),
                               .placement = Placement::replace})
                        .ok());
            CHECK(machine.read_word(*space, page_at(650)) == 0);
            check_but(600, 700);
        }
        SUBCASE("populate") {
            REQUIRE(space->populate({page_at(600), page_at(602)}).ok());
            CHECK(space->frame_of(page_at(601)).ok());
            check_but(0, 0);
            CHECK(space->counts().anonymous == 2);
        }
        SUBCASE("grow from its end") {
            REQUIRE(space->unmap({page_at(2 * table_pages), page_at(3 * table_pages)}).ok());
            REQUIRE(space->grow(page_at(2 * table_pages), {table_pages}, abi::Direction::up).ok());
            check_but(0, 0);
            CHECK(shim::all_runs(*space).size() == 1);
        }
        SUBCASE("a move, and back") {
            REQUIRE(
                space
                    ->remap({.from = part, .address = here + gib, .placement = Placement::fixed},
                            part.pages())
                    .ok());
            CHECK(machine.read_word(*space, here + gib + 5 * page_size) == table_pages + 1);
            check_but(first, end);
            REQUIRE(space
                        ->remap({.from = {here + gib, here + gib + part.bytes()},
                                 .address = part.start,
                                 .placement = Placement::fixed},
                                part.pages())
                        .ok());
            check_but(0, 0);
        }
        SUBCASE("a share with another space") {
            Space other(machine);
            REQUIRE(space
                        ->share_with(*other,
                                     {.from = part,
                                      .address = part.start,
                                      .placement = Placement::fixed,
                                      .most = Ceiling::of(Access::read())},
                                     {})
                        .ok());
            read(machine, other, page_at(600), 601);
            CHECK(is_grafted(other, page_at(600)));
            CHECK(faults_of(machine, *other) == "");
            check_but(0, 0);
        }
    });
}

TEST_CASE("a page leaves the cache: nobody reads through its table before, and others may after") {
    Machine machine;
    shim::leaves_nothing([&] {
        const ObjectRef file = file_of(2 * table_pages);
        Space one(machine);
        Space other(machine);
        REQUIRE(map_at(one, file, here, readable(2 * table_pages)).ok());
        REQUIRE(map_at(other, file, here + gib, readable(2 * table_pages)).ok());
        for (const std::uint64_t page : {3UL, table_pages + 3}) {
            read(machine, one, page_at(page), page + 1);
            shim::set_cpu(1);
            read(machine, other, here + gib + page * page_size, page + 1);
            shim::set_cpu(0);
        }
        REQUIRE(file->evict(3).ok());
        CHECK_FALSE(is_grafted(one, here));
        CHECK_FALSE(is_grafted(other, here + gib));
        CHECK(is_grafted(one, page_at(table_pages)));
        CHECK(machine.touch(*one, page_at(3), Operation::read).resolution ==
              Resolution::needs_page);
        REQUIRE(supply(*file, 3, 77).ok());
        shim::set_cpu(1);
        CHECK(read(machine, other, here + gib + 3 * page_size, 77) == 1);
        shim::set_cpu(0);
        CHECK(read(machine, one, page_at(4), 5) == 1);
        CHECK(faults_of(machine, *one) == "");
        CHECK(faults_of(machine, *other) == "");
    });
}

TEST_CASE("an object that becomes shorter, and longer again") {
    Machine machine;
    shim::leaves_nothing([&] {
        const ObjectRef memory = zeros_object(3 * table_pages);
        Space writer(machine);
        Space reader(machine);
        REQUIRE(map_at(writer, memory, here, {.pages = 3 * table_pages}).ok());
        REQUIRE(map_at(reader, memory, here, readable(3 * table_pages)).ok());
        for (std::uint64_t page = 0; page < 3 * table_pages; page += 64)
            REQUIRE(machine.write_word(*writer, page_at(page), page + 1) == Resolution::resolved);
        for (std::uint64_t page = 0; page < 3 * table_pages; page += 64)
            read(machine, reader, page_at(page), page + 1);
        CHECK(reader->counts().shared_tables == 3);
        const std::uint64_t left = table_pages + 100;
        REQUIRE(memory->resize({left}).ok());
        CHECK(reader->counts().shared_tables == 1);
        CHECK(read(machine, reader, page_at(64), 65) == 0);
        CHECK(read(machine, reader, page_at(576), 577) == 1);
        for (const std::uint64_t page : {left, 2 * table_pages, 3 * table_pages - 1})
            CHECK(machine.touch(*reader, page_at(page), Operation::read).resolution ==
                  Resolution::beyond_end);
        CHECK(faults_of(machine, *reader) == "");
        REQUIRE(memory->resize({3 * table_pages}).ok());
        CHECK(read(machine, reader, page_at(640), 0) != 0);
        CHECK(read(machine, reader, page_at(1024), 0) == 1);
        CHECK(faults_of(machine, *reader) == "");
        CHECK(faults_of(machine, *writer) == "");
    });
}

TEST_CASE("a child reads through its parent's grafts, whoever lets go of them first") {
    Machine machine;
    shim::leaves_nothing([&] {
        const ObjectRef file = file_of(2 * table_pages);
        Space parent(machine);
        REQUIRE(map_at(parent, file, here, readable(2 * table_pages, true)).ok());
        read(machine, parent, page_at(1), 2);
        bool child_first = false;
        SUBCASE("the child") { child_first = true; }
        SUBCASE("the parent") {}
        {
            Space child(machine, *parent);
            CHECK(is_grafted(child, here));
            CHECK(read(machine, child, page_at(2), 3) == 0);
            CHECK(child->counts().shared_tables == 1);
            Space& first = child_first ? child : parent;
            Space& second = child_first ? parent : child;
            REQUIRE(first->unmap({here, here + 2 * mib}).ok());
            CHECK(machine.touch(*first, page_at(1), Operation::read).resolution ==
                  Resolution::hole);
            CHECK(read(machine, second, page_at(9), 10) == 0);
            CHECK(faults_of(machine, *child) == "");
        }
        CHECK(faults_of(machine, *parent) == "");
    });
}

TEST_CASE("a sweep of ids keeps what a graft shows, and the object stays for it") {
    Machine machine;
    shim::leaves_nothing([&] {
        Space space(machine);
        {
            const ObjectRef file = file_of(table_pages);
            REQUIRE(map_at(space, file, here, readable(table_pages)).ok());
            read(machine, space, page_at(1), 2);
        }
        const ObjectRef other = zeros_object(1);
        for (std::uint64_t n = 0; n < 10 * IdTable::least_capacity; ++n) {
            const VirtAddr at = here + gib + n * page_size;
            REQUIRE(map_at(space, other, at, {}).ok());
            REQUIRE(space->unmap({at, at + page_size}).ok());
        }
        CHECK(space->ids()->capacity() == IdTable::least_capacity);
        CHECK(read(machine, space, page_at(300), 301) == 0);
        CHECK(faults_of(machine, *space) == "");
        REQUIRE(space->unmap({here, here + 2 * mib}).ok());
        static_cast<void>(space->sweep_ids());
        CHECK(space->ids()->used() <= 1);
    });
}

TEST_CASE("a graft within a larger entry needs a table above it, or says that there is none") {
    bool refused = false;
    bool done = false;
    for (std::uint64_t allowed = 0; !done; ++allowed) {
        CAPTURE(allowed);
        REQUIRE(allowed < 20);
        Machine machine;
        const ObjectRef memory = zeros_object(table_pages);
        REQUIRE(memory->hold(5).state == PageState::held); // and kept
        Space space(machine);
        REQUIRE(map_at(space, memory, VirtAddr{4 * gib}, readable(gib / page_size)).ok());
        REQUIRE(space->locate(VirtAddr{4 * gib}).level == 3);
        const auto before = shim::Likeness::of(*space);
        shim::fail_allocations_after(allowed);
        const auto how = machine.touch(*space, VirtAddr{4 * gib + 5 * page_size}, Operation::read);
        REQUIRE(shim::allow_allocations() == (how.resolution != Resolution::resolved));
        if (how.resolution == Resolution::resolved) {
            done = true;
            CHECK(is_grafted(space, VirtAddr{4 * gib}));
            CHECK(machine.read_word(*space, VirtAddr{4 * gib + 5 * page_size}) == 0);
        } else {
            CHECK(how.resolution == Resolution::no_memory);
            CHECK((shim::Likeness::of(*space) == before));
            refused = true;
        }
        CHECK(faults_of(machine, *space) == "");
    }
    CHECK(refused);
}
