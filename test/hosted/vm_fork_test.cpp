// SPDX-License-Identifier: MIT
// A space that is made the same as another one: what both share, and how it becomes their own.
#include "shim/check.hpp"
#include "vm/quota.hpp"
#include "vm/space.hpp"
#include "vm/table.hpp"
#include "vm/validate.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <vector>

namespace {

using namespace vm;
using shim::faults_of;
using shim::Likeness;
using shim::Machine;
using shim::Operation;
using shim::picture;
using shim::range_of;
using shim::Space;
using shim::Totals;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;
constexpr std::uint64_t table_bytes = 2 * mib;

void map(Space& space, std::uint64_t start, std::uint64_t bytes, bool huge = false,
         Access access = Access::read_write()) {
    REQUIRE(space
                ->map({.address = VirtAddr{start},
                       .pages = {bytes / page_size},
                       .placement = Placement::fixed,
                       .access = access,
                       .huge = huge})
                .ok());
}
void write(Machine& machine, Space& space, std::uint64_t address, std::uint64_t value) {
    REQUIRE(machine.write_word(*space, VirtAddr{address}, value) == Resolution::resolved);
}
std::uint64_t read(Machine& machine, Space& space, std::uint64_t address) {
    return machine.read_word(*space, VirtAddr{address});
}
/// Writes a word of its own into every page.
void fill(Machine& machine, Space& space, std::uint64_t start, std::uint64_t bytes,
          std::uint64_t value = 1) {
    for (std::uint64_t at = start; at < start + bytes; at += page_size)
        write(machine, space, at, value + at);
}
bool is_filled(Machine& machine, Space& space, std::uint64_t start, std::uint64_t bytes,
               std::uint64_t value = 1) {
    for (std::uint64_t at = start; at < start + bytes; at += page_size)
        if (read(machine, space, at) != value + at) return false;
    return true;
}
PhysAddr frame(Space& space, std::uint64_t address) {
    const auto found = space->frame_of(VirtAddr{address});
    REQUIRE(found.ok());
    return *found;
}
/// The entry of level 2 above an address.
Entry link(Space& space, std::uint64_t address) {
    TableRef table = table_at(space->root(), space->levels(), VirtAddr{0});
    while (table.level > 2) {
        const unsigned index = table.index_of(VirtAddr{address});
        const Entry entry = table.slots[index].load();
        REQUIRE(entry.is_table(table.level));
        table = table_at(entry.frame(), table.level - 1, VirtAddr{0});
    }
    return table.slots[table.index_of(VirtAddr{address})].load();
}
bool shares_table(Space& one, Space& other, std::uint64_t address) {
    const Entry first = link(one, address);
    const Entry second = link(other, address);
    return first.is_table(2) && second.is_table(2) && first.is_narrowed() && second.is_narrowed() &&
           first.frame() == second.frame();
}
std::uint64_t tables_in_use() {
    return frame_statistics().by_kind[static_cast<unsigned>(FrameKind::table)];
}
void check(Machine& machine, Space& space) {
    CHECK(faults_of(machine, *space) == "");
    settle_promises(*space);
    CHECK(validate(*space, true) == nullptr);
}

} // namespace

TEST_CASE("a fork shares page tables, and copies those above without what is empty") {
    for (const bool mirrored : {false, true}) {
        Machine machine({.mirrored_roots = mirrored});
        const Totals before = Totals::now();
        {
            Space parent(machine);
            map(parent, gib, 8 * mib);
            fill(machine, parent, gib, 8 * mib);
            map(parent, 4 * gib, page_size);
            REQUIRE(parent->unmap(range_of(4 * gib, page_size)).ok()); // leaves an empty table
            const std::uint64_t tables = tables_in_use();
            Space child(machine, *parent);
            CHECK(tables_in_use() == tables + parent->levels() - 1 + (mirrored ? 1 : 0));
            CHECK(picture(*child) == picture(*parent));
            CHECK(child->account().charged() < parent->account().charged());
            for (std::uint64_t at = gib; at < gib + 8 * mib; at += table_bytes)
                CHECK(shares_table(parent, child, at));
            CHECK(is_filled(machine, child, gib, 8 * mib));
            CHECK(is_filled(machine, parent, gib, 8 * mib));
            CHECK(tables_in_use() == tables + parent->levels() - 1 + (mirrored ? 1 : 0));
            check(machine, parent);
            check(machine, child);
        }
        CHECK(Totals::now() == before);
    }
}

TEST_CASE("the first write copies the table, the next the page, and nobody else sees it") {
    Machine machine;
    const Totals before = Totals::now();
    {
        Space parent(machine);
        map(parent, gib, 2 * table_bytes);
        fill(machine, parent, gib, 2 * table_bytes);
        Space child(machine, *parent);
        const std::uint64_t tables = tables_in_use();
        const std::uint64_t charged = child->account().charged().value;
        write(machine, child, gib + 5 * page_size, 77);
        CHECK(tables_in_use() == tables + 1);
        CHECK_FALSE(shares_table(parent, child, gib));
        CHECK(shares_table(parent, child, gib + table_bytes));
        CHECK(frame(child, gib + 5 * page_size) != frame(parent, gib + 5 * page_size));
        CHECK(frame(child, gib + 6 * page_size) == frame(parent, gib + 6 * page_size));
        CHECK(child->account().charged().value == charged);
        CHECK(read(machine, child, gib + 5 * page_size) == 77);
        CHECK(is_filled(machine, parent, gib, 2 * table_bytes));
        // The parent has the table alone now: it takes it back, and copies its pages only.
        write(machine, parent, gib + 6 * page_size, 88);
        CHECK(tables_in_use() == tables + 1);
        CHECK(link(parent, gib).is_own_table());
        CHECK(frame(child, gib + 6 * page_size) != frame(parent, gib + 6 * page_size));
        CHECK(read(machine, child, gib + 6 * page_size) == 1 + gib + 6 * page_size);
        // And that page the child has alone now.
        const PhysAddr own = frame(child, gib + 6 * page_size);
        write(machine, child, gib + 6 * page_size, 99);
        CHECK(frame(child, gib + 6 * page_size) == own);
        check(machine, parent);
        check(machine, child);
    }
    CHECK(Totals::now() == before);
}

TEST_CASE("who is left alone takes tables and pages back without a copy") {
    Machine machine;
    Space parent(machine);
    map(parent, gib, 2 * table_bytes);
    fill(machine, parent, gib, 2 * table_bytes);
    const PhysAddr first = frame(parent, gib);
    const PhysAddr second = frame(parent, gib + page_size);
    const std::uint64_t tables = tables_in_use();
    {
        Space child(machine, *parent);
        write(machine, child, gib, 1); // one table was copied, and one page
    }
    CHECK(tables_in_use() == tables);
    CHECK(machine.touch(*parent, VirtAddr{gib}, Operation::write).faults == 1);
    CHECK(machine.touch(*parent, VirtAddr{gib + page_size}, Operation::write).faults == 1);
    CHECK(machine.touch(*parent, VirtAddr{gib + table_bytes}, Operation::write).faults == 1);
    // That table was never copied: its pages were the parent's own all the time.
    CHECK(
        machine.touch(*parent, VirtAddr{gib + table_bytes + page_size}, Operation::write).faults ==
        0);
    CHECK(frame(parent, gib) == first);
    CHECK(frame(parent, gib + page_size) == second);
    CHECK(tables_in_use() == tables);
    check(machine, parent);
}

TEST_CASE("tables with few pages are copied at once, idle ones are not") {
    Machine machine;
    Space parent(machine);
    map(parent, gib, 10 * page_size);
    fill(machine, parent, gib, 10 * page_size);
    map(parent, 2 * gib, table_bytes);
    write(machine, parent, 2 * gib, 1);
    REQUIRE(parent->discard(range_of(2 * gib, page_size)).ok());
    Space child(machine, *parent);
    CHECK(link(child, gib).is_own_table());
    CHECK(link(parent, gib).is_own_table());
    CHECK(frame(child, gib) == frame(parent, gib));
    CHECK(link(child, 2 * gib).kind(2) == EntryKind::lazy);
    CHECK(machine.touch(*child, VirtAddr{gib}, Operation::write).faults == 1);
    CHECK(is_filled(machine, child, gib, 10 * page_size));
    CHECK(is_filled(machine, parent, gib, 10 * page_size));
    check(machine, parent);
    check(machine, child);
}

TEST_CASE("a first read in a shared table is for all who share it") {
    Machine machine;
    Space parent(machine);
    map(parent, gib, table_bytes);
    fill(machine, parent, gib, table_bytes / 2);
    Space child(machine, *parent);
    const std::uint64_t tables = tables_in_use();
    const std::uint64_t lazy = gib + table_bytes / 2 + 3 * page_size;
    CHECK(read(machine, child, lazy) == 0);
    CHECK(shares_table(parent, child, gib));
    CHECK(tables_in_use() == tables);
    CHECK(parent->locate(VirtAddr{lazy}).entry.present());
    write(machine, parent, lazy, 5);
    CHECK(read(machine, child, lazy) == 0);
    check(machine, parent);
    check(machine, child);
}

TEST_CASE("unmap, protect, discard and map in one of two leave the other as it was") {
    Machine machine;
    const Totals before = Totals::now();
    {
        Space parent(machine);
        map(parent, gib, 4 * table_bytes);
        fill(machine, parent, gib, 4 * table_bytes);
        auto child = std::make_unique<Space>(machine, *parent);
        const Likeness likeness = Likeness::of(*parent);
        // Whole tables: a reference less. Parts of tables: a table of its own.
        REQUIRE((*child)->unmap(range_of(gib + mib, table_bytes + mib)).ok());
        CHECK(link(parent, gib + table_bytes).is_narrowed());
        REQUIRE(
            (*child)->protect(range_of(gib + 2 * table_bytes, table_bytes), Access::read()).ok());
        REQUIRE((*child)->discard(range_of(gib + 3 * table_bytes, table_bytes)).ok());
        CHECK(read(machine, *child, gib + 3 * table_bytes) == 0);
        map(*child, gib + table_bytes, page_size);
        write(machine, *child, gib + table_bytes, 5);
        CHECK(Likeness::of(*parent) == likeness);
        CHECK(is_filled(machine, parent, gib, 4 * table_bytes));
        CHECK(machine.write_word(**child, VirtAddr{gib + 2 * table_bytes}, 1) ==
              Resolution::forbidden);
        CHECK(machine.touch(**child, VirtAddr{gib + mib}, Operation::read).resolution ==
              Resolution::hole);
        check(machine, *child);
        check(machine, parent);
        // The other way round, and the parent ends first.
        REQUIRE(parent->unmap(range_of(gib, 4 * table_bytes)).ok());
        CHECK(is_filled(machine, *child, gib, mib));
        CHECK(is_filled(machine, *child, gib + 2 * table_bytes, table_bytes));
        check(machine, *child);
        check(machine, parent);
    }
    CHECK(Totals::now() == before);
}

TEST_CASE("parked and huge memory, guards and windows are the same in a fork") {
    Machine machine;
    const Totals before = Totals::now();
    const PhysAddr device = machine.reserve(page_size);
    {
        Space parent(machine);
        map(parent, gib, 2 * table_bytes, true);
        fill(machine, parent, gib, 2 * table_bytes);
        REQUIRE(parent->protect(range_of(gib + table_bytes, table_bytes), Access::none()).ok());
        map(parent, 3 * gib, 600 * page_size);
        fill(machine, parent, 3 * gib, 600 * page_size);
        REQUIRE(parent->protect(range_of(3 * gib, 3 * page_size), Access::none()).ok());
        REQUIRE(parent
                    ->map_window({.frames = device,
                                  .address = VirtAddr{3 * gib + 600 * page_size},
                                  .pages = {1},
                                  .placement = Placement::fixed,
                                  .access = Access::read_write()})
                    .ok());
        REQUIRE(parent
                    ->map({.address = VirtAddr{3 * gib + 601 * page_size},
                           .pages = {1},
                           .placement = Placement::fixed,
                           .access = Access::none(),
                           .guard = true})
                    .ok());
        Space child(machine, *parent);
        CHECK(shim::describe(shim::all_runs(*child)) == shim::describe(shim::all_runs(*parent)));
        CHECK(is_filled(machine, child, gib, table_bytes));
        for (Space* const space : {&parent, &child}) {
            REQUIRE((*space)
                        ->protect(range_of(gib + table_bytes, table_bytes), Access::read_write())
                        .ok());
            REQUIRE((*space)->protect(range_of(3 * gib, 3 * page_size), Access::read_write()).ok());
        }
        fill(machine, child, gib, 2 * table_bytes, 7);
        fill(machine, child, 3 * gib, 600 * page_size, 7);
        CHECK(is_filled(machine, parent, gib, 2 * table_bytes));
        CHECK(is_filled(machine, parent, 3 * gib, 600 * page_size));
        CHECK(is_filled(machine, child, gib, 2 * table_bytes, 7));
        write(machine, child, 3 * gib + 600 * page_size, 123);
        CHECK(read(machine, parent, 3 * gib + 600 * page_size) == 123);
        check(machine, parent);
        check(machine, child);
    }
    CHECK(Totals::now() == before);
}

TEST_CASE("huge memory that nobody else has any more is one page again") {
    Machine machine;
    Space parent(machine);
    map(parent, gib, table_bytes, true);
    fill(machine, parent, gib, table_bytes);
    REQUIRE(parent->locate(VirtAddr{gib}).level == 2);
    {
        Space child(machine, *parent);
    }
    CHECK(parent->locate(VirtAddr{gib}).level == 1);
    write(machine, parent, gib, 1 + gib);
    CHECK(parent->locate(VirtAddr{gib}).level == 2);
    CHECK(is_filled(machine, parent, gib, table_bytes));
    check(machine, parent);
}

TEST_CASE("a hole in a shared table is found, and taken by one") {
    Machine machine;
    Space parent(machine);
    map(parent, gib, table_bytes);
    fill(machine, parent, gib, table_bytes);
    REQUIRE(parent->unmap(range_of(gib + 7 * page_size, 2 * page_size)).ok());
    Space child(machine, *parent);
    for (Space* const space : {&child, &parent}) {
        const auto at = (*space)->map({.address = VirtAddr{gib}, .pages = {2}});
        REQUIRE(at.ok());
        CHECK(at->value == gib + 7 * page_size);
        check(machine, *space);
    }
    REQUIRE(child->unmap(range_of(gib + 3 * page_size, 9 * page_size)).ok());
    const auto at = child->map({.address = VirtAddr{gib}, .pages = {9}});
    REQUIRE(at.ok());
    CHECK(at->value == gib + 3 * page_size);
}

TEST_CASE("a thousand generations, each from the last, leave nothing behind") {
    Machine machine;
    const Totals before = Totals::now();
    {
        auto generation = std::make_unique<Space>(machine);
        map(*generation, gib, table_bytes);
        fill(machine, *generation, gib, table_bytes);
        for (std::uint64_t n = 0; n < 1000; ++n) {
            auto next = std::make_unique<Space>(machine, **generation);
            if (n % 3 == 0) write(machine, *generation, gib + n % 512 * page_size, n);
            write(machine, *next, gib + n % 512 * page_size, n + 1);
            if (n % 100 == 0) check(machine, *next);
            generation = std::move(next);
        }
        CHECK(read(machine, *generation, gib + 999 % 512 * page_size) == 1000);
        check(machine, *generation);
        CHECK((*generation)->counts().anonymous == 512);
    }
    CHECK(Totals::now() == before);
}

TEST_CASE("many have one table, and each lets it go in its own way") {
    Machine machine;
    const Totals before = Totals::now();
    {
        Space parent(machine);
        map(parent, gib, table_bytes);
        fill(machine, parent, gib, table_bytes);
        std::vector<std::unique_ptr<Space>> children;
        for (unsigned n = 0; n < 9; ++n)
            children.push_back(std::make_unique<Space>(machine, *parent));
        for (unsigned n = 0; n < 9; ++n) {
            Space& child = *children[n];
            if (n % 3 == 0) write(machine, child, gib, n);
            if (n % 3 == 1) REQUIRE(child->unmap(range_of(gib, table_bytes)).ok());
            check(machine, child);
            if (n % 3 == 2) children[n].reset();
        }
        CHECK(is_filled(machine, parent, gib, table_bytes));
        CHECK(read(machine, *children[3], gib) == 3);
        // All pages have five users: more are dropped at once than one flush can owe.
        REQUIRE((*children[6])->discard(range_of(gib, table_bytes)).ok());
        CHECK(read(machine, *children[6], gib) == 0);
        CHECK(is_filled(machine, parent, gib, table_bytes));
        check(machine, parent);
    }
    CHECK(Totals::now() == before);
}

TEST_CASE("a fork for which there is no memory changes nothing") {
    for (std::uint64_t allowed = 0;; ++allowed) {
        Machine machine;
        const Totals before = Totals::now();
        bool done = false;
        {
            Space parent(machine);
            map(parent, gib, 2 * table_bytes, true);
            fill(machine, parent, gib, 2 * table_bytes);
            map(parent, 3 * gib, 20 * mib);
            fill(machine, parent, 3 * gib, 3 * mib);
            map(parent, 600 * gib, 3 * page_size);
            fill(machine, parent, 600 * gib, 3 * page_size);
            const Likeness likeness = Likeness::of(*parent);
            const Totals made = Totals::now();
            AddressSpace child;
            shim::fail_allocation_after(allowed);
            const auto forked = parent->fork_into(child);
            done = !shim::allow_allocations();
            CHECK(forked.ok() == done);
            if (forked.ok()) {
                machine.leave(child);
                child.destroy();
            } else {
                CHECK(forked.error() == Error::no_memory);
                CHECK(Totals::now().committed == made.committed);
                CHECK(child.account().charged().value == 0);
            }
            Likeness after = Likeness::of(*parent);
            after.runs = likeness.runs; // pages of 2 MiB may be pages of 4 KiB now
            CHECK(after == likeness);
            CHECK(is_filled(machine, parent, gib, 2 * table_bytes));
            check(machine, parent);
            fill(machine, parent, 3 * gib, 3 * mib, 5);
            CHECK(is_filled(machine, parent, 3 * gib, 3 * mib, 5));
        }
        CHECK(Totals::now() == before);
        if (done) break;
        REQUIRE(allowed < 200);
    }
}

TEST_CASE("a fork is charged for all that it may have to copy, or refused") {
    Machine machine({.commit_limit = PageCount{4000}});
    Space parent(machine);
    map(parent, gib, 1500 * page_size);
    fill(machine, parent, gib, 1500 * page_size);
    {
        Space child(machine, *parent);
        CHECK(child->account().charged() == parent->account().charged());
        AddressSpace second;
        const Totals before = Totals::now();
        CHECK(parent->fork_into(second).error() == Error::no_memory);
        CHECK(Totals::now() == before);
        fill(machine, child, gib, 1500 * page_size, 3); // what was charged can be had
        CHECK(is_filled(machine, parent, gib, 1500 * page_size));
    }
    Space child(machine, *parent);
    CHECK(is_filled(machine, child, gib, 1500 * page_size));
}

TEST_CASE("at the highest count of users a table is copied") {
    Machine machine;
    Space parent(machine);
    map(parent, gib, table_bytes);
    fill(machine, parent, gib, table_bytes);
    Space child(machine, *parent);
    auto& references = frame_record(link(child, gib).frame()).table->references;
    references.store(65535);
    {
        Space third(machine, *parent);
        CHECK(link(third, gib).is_own_table());
        CHECK(is_filled(machine, third, gib, table_bytes));
        write(machine, third, gib, 4);
        CHECK(is_filled(machine, parent, gib, table_bytes));
    }
    references.store(2);
    CHECK(is_filled(machine, child, gib, table_bytes));
}

TEST_CASE("what was touched without a promise counts once for all who have it in common") {
    Machine machine({.commit_limit = PageCount{5000}});
    const QuotaRef quota = *QuotaRef::make({}, PageCount{2900});
    const Totals before = Totals::now();
    const PageCount idle = quota.get()->charged();
    {
        auto parent = std::make_unique<Space>(machine, quota.get());
        REQUIRE((*parent)
                    ->map({.address = VirtAddr{gib},
                           .pages = {2000},
                           .placement = Placement::fixed,
                           .noreserve = true})
                    .ok());
        fill(machine, *parent, gib, 2000 * page_size);
        const std::uint64_t alone = quota.get()->charged().value;
        auto first = std::make_unique<Space>(machine, **parent);
        auto second = std::make_unique<Space>(machine, **parent);
        // Four tables of 512 pages, the last of them with fewer; and the upper tables of each.
        const std::uint64_t tables = (*first)->counts().table_charge;
        CHECK((*first)->account().charged().value == tables);
        CHECK(quota.get()->charged().value == alone + 2 * tables);
        check(machine, *parent);
        check(machine, *first);
        // A write makes a table its own, with all that is in it; as far as there is room.
        write(machine, *first, gib, 5);
        CHECK(quota.get()->charged().value == alone + 2 * tables + 512);
        CHECK(machine.write_word(**first, VirtAddr{gib + table_bytes}, 5) ==
              Resolution::over_quota);
        CHECK((*first)->unmap(range_of(gib + table_bytes, page_size)).error() ==
              Error::limit_reached);
        check(machine, *first);
        // Whoever comes first and goes first: the memory stays counted.
        parent.reset();
        CHECK(quota.get()->charged().value == alone + 2 * tables + 512 - tables);
        CHECK(is_filled(machine, *second, gib, 2000 * page_size));
        first.reset();
        CHECK(quota.get()->charged().value == alone);
        write(machine, *second, gib, 7);
        CHECK(quota.get()->charged().value == alone);
        CHECK((*second)->account().charged().value == tables + 512);
        check(machine, *second);
        REQUIRE((*second)->unmap(range_of(gib, 2000 * page_size)).ok());
        CHECK((*second)->account().charged().value == (*second)->counts().table_charge);
    }
    CHECK(quota.get()->charged() == idle);
    CHECK(Totals::now() == before);
}
