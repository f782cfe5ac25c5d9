// SPDX-License-Identifier: MIT
// Spaces that are forked, changed and ended by several CPUs that are truly at once.
#include "parallel/plot.hpp"

#include <memory>
#include <optional>

namespace {

using namespace parallel;

/// Forks the space that this CPU runs, does some steps in the copy, and ends it.
void visit_copy(vm::AddressSpace& space, const Plot& plot, std::optional<shim::Running>& running,
                unsigned steps) {
    vm::AddressSpace copy;
    expect_done(space.fork_into(copy), "fork");
    running.reset();
    running.emplace(copy);
    Plot copied(plot, copy);
    copied.check();
    for (; steps != 0; --steps) {
        copied.step();
        shim::take_interrupts();
    }
    copied.check();
    running.reset();
    copy.destroy();
    running.emplace(space);
}

} // namespace

TEST_CASE("parallel: who forks a space finds its own pages in the copy, whatever others do") {
    FourCpus machine;
    const shim::Totals before = shim::Totals::now();
    {
        shim::Space space(machine);
        CHECK(shim::run_parallel(machine, cpus, [&](unsigned cpu) {
                  std::optional<shim::Running> running(std::in_place, *space);
                  const VirtAddr first = border - cpus / 2 * Plot::pages * page_size;
                  Plot plot(*space, cpu, first + cpu * Plot::pages * page_size);
                  for (unsigned round = rounds(2500); round-- != 0;) {
                      plot.step();
                      shim::take_interrupts();
                      if (round % 12 == 0) visit_copy(*space, plot, running, round % 9);
                  }
                  plot.check();
              }) == "");
        CHECK(shim::faults_of(machine, *space) == "");
    }
    CHECK(machine.complaints(vm::kernel_space()) == "");
    CHECK(shim::Totals::now() == before);
}

TEST_CASE("parallel: spaces that share tables change and end at once") {
    FourCpus machine;
    const shim::Totals before = shim::Totals::now();
    for (unsigned round = 0; round < rounds(60); ++round) {
        constexpr std::uint64_t pages = 80;
        const VirtAddr start = border - pages / 2 * page_size;
        shim::Space space(machine);
        REQUIRE(
            space->map({.address = start, .pages = {pages}, .placement = Placement::fixed}).ok());
        for (std::uint64_t page = 0; page < pages; ++page)
            machine.write_word(*space, start + page * page_size, page + 1);
        std::unique_ptr<shim::Space> copies[cpus];
        for (auto& copy : copies) copy = std::make_unique<shim::Space>(machine, *space);
        CHECK(shim::run_parallel(machine, cpus, [&](unsigned cpu) {
                  vm::AddressSpace& own = **copies[cpu];
                  const shim::Running running(own);
                  Random random(cpu + round * cpus);
                  for (unsigned step = 0; step < 40; ++step) {
                      const std::uint64_t page = random.from(0, pages - 1);
                      const VirtAddr address = start + page * page_size;
                      switch (random.from(0, 9)) {
                      case 0: expect_done(own.unmap(pages_at(address, 1)), "unmap"); break;
                      case 1:
                          expect_done(own.unmap({border, border + (2 << 20)}), "unmap a table");
                          break;
                      case 2:
                          expect_done_or(own.discard(pages_at(start, pages)), Error::not_mapped,
                                         "discard");
                          break;
                      case 3:
                      case 4:
                      case 5: shim::store_word(own, address, (cpu + 1) * 1000 + page); break;
                      default: {
                          const auto word = shim::load_word(own, address);
                          expect(!word || *word == 0 || *word == page + 1 ||
                                     *word == (cpu + 1) * 1000 + page,
                                 "what another one wrote");
                      }
                      }
                      shim::take_interrupts();
                  }
              }) == "");
        for (std::uint64_t page = 0; page < pages; ++page)
            CHECK(machine.read_word(*space, start + page * page_size) == page + 1);
        for (auto& copy : copies) CHECK(shim::faults_of(machine, **copy) == "");
        CHECK(shim::faults_of(machine, *space) == "");
    }
    CHECK(shim::Totals::now() == before);
}
