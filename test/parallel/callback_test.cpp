// SPDX-License-Identifier: MIT
// Callback entries under several CPUs that are truly at once: what is told is told once, and what
// grows never gets in the way of what others do there.
#include "parallel/workers.hpp"

#include <atomic>

namespace {

using namespace parallel;
using vm::Access;
using vm::Growth;
using vm::Placement;
using vm::Resolution;

/// On both sides of the border between two page directories.
constexpr std::uint64_t pages = 96;
constexpr VirtAddr start = border - (pages / 2) * page_size;

VirtRange some_pages(Random& random) {
    const std::uint64_t first = random.from(0, pages - 1);
    return pages_at(start + first * page_size, random.from(1, pages - first));
}

void change(vm::AddressSpace& space, Random& random) {
    const VirtRange range = some_pages(random);
    switch (random.from(0, 15)) {
    case 0:
    case 1: {
        const std::uint64_t all = random.one_in(2) ? pages : range.pages().value;
        const VirtAddr at = all == pages ? start : range.start;
        if (all == 1) return;
        expect_done(space.map({.address = at,
                               .pages = {all},
                               .placement = Placement::replace,
                               .guard = true,
                               .growth = random.one_in(2) ? Growth::down : Growth::up}),
                    "map over");
        break;
    }
    case 2: expect_done(space.unmap(range), "unmap"); break;
    case 3:
        expect_done_or(space.protect(range, Access::read_write()), Error::not_mapped, "protect");
        break;
    case 4: expect_done_or(space.discard(range), Error::not_mapped, "discard"); break;
    case 5: {
        const auto watched = space.watch(range, Access::read_write());
        expect(watched.ok() || watched.error() == Error::not_mapped ||
                   watched.error() == Error::unsupported,
               "watch");
        break;
    }
    default: {
        // A page's content says which page it is.
        const VirtAddr page = range.start;
        const std::uint64_t number = (page - start) / page_size + 1;
        vm::AddressSpace::Located entry{};
        if (const auto value = shim::load_word(space, page))
            expect(*value == 0 || *value == number, "another page's content");
        if (shim::store_word(space, page, number) == Resolution::watched)
            static_cast<void>(space.tell(page, {true, false}, entry));
    }
    }
}

} // namespace

TEST_CASE("parallel: growth and watches come, fill and go on the same pages") {
    shim::Machine machine({.zones = shim::MachineOptions::small_zones(),
                           .cpus = cpus,
                           .processor = {},
                           .commit_limit = {1ULL << 40}});
    const shim::Totals before = shim::Totals::now();
    {
        shim::Space space(machine);
        CHECK(shim::run_parallel(machine, cpus, [&](unsigned cpu) {
                  const shim::Running running(*space);
                  Random random(cpu);
                  for (unsigned round = rounds(1500); round-- != 0;) {
                      change(*space, random);
                      shim::take_interrupts();
                  }
              }) == "");
        CHECK(shim::faults_of(machine, *space) == "");
    }
    CHECK(shim::describe(shim::Totals::now()) == shim::describe(before));
}

TEST_CASE("parallel: the first access to a page is told to one CPU alone") {
    shim::Machine machine({.zones = shim::MachineOptions::small_zones(),
                           .cpus = cpus,
                           .processor = {},
                           .commit_limit = {1ULL << 40}});
    shim::Space space(machine);
    REQUIRE(space->map({.address = start, .pages = {pages}, .placement = Placement::fixed}).ok());
    for (unsigned round = rounds(10); round-- != 0;) {
        REQUIRE(space->discard(pages_at(start, pages)).ok());
        REQUIRE(space->watch(pages_at(start, pages), Access::read_write()).ok());
        std::atomic<unsigned> told[pages]{};
        CHECK(shim::run_parallel(machine, cpus, [&](unsigned) {
                  const shim::Running running(*space);
                  for (std::uint64_t page = 0; page < pages; ++page) {
                      const VirtAddr at = start + page * page_size;
                      vm::AddressSpace::Located entry{};
                      while (shim::store_word(*space, at, 1) == Resolution::watched)
                          if (space->tell(at, {true, false}, entry) == Resolution::watched)
                              ++told[page];
                      shim::take_interrupts();
                  }
              }) == "");
        for (const auto& times : told) CHECK(times == 1);
    }
    CHECK(shim::faults_of(machine, *space) == "");
}
