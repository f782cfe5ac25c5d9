// SPDX-License-Identifier: MIT
// Pages of 2 MiB that come, are split and come together on several CPUs that are truly at once.
#include "parallel/workers.hpp"

namespace {

using namespace parallel;
using vm::Access;
using vm::Placement;

constexpr std::uint64_t block_pages = 512;
constexpr std::uint64_t blocks = 3;
/// On both sides of the border between two page directories.
constexpr VirtAddr start = border - 2 * block_pages * page_size;

/// Some pages: one, some within a block, or whole blocks.
VirtRange some_pages(Random& random) {
    const std::uint64_t block = random.from(0, blocks - 1);
    const VirtAddr at = start + block * block_pages * page_size;
    switch (random.from(0, 3)) {
    case 0: return pages_at(at, block_pages);
    case 1: return pages_at(start, blocks * block_pages);
    case 2: return pages_at(at + random.from(0, 511) * page_size, 1);
    default:
        const std::uint64_t first = random.from(0, 511);
        return pages_at(at + first * page_size, random.from(1, block_pages - first));
    }
}

void change(vm::AddressSpace& space, Random& random) {
    const VirtRange range = some_pages(random);
    switch (random.from(0, 11)) {
    case 0:
        expect_done(space.map({.address = range.start,
                               .pages = range.pages(),
                               .placement = Placement::replace,
                               .noreserve = random.one_in(2),
                               .huge = true}),
                    "map over");
        break;
    case 1: expect_done(space.unmap(range), "unmap"); break;
    case 2:
        expect_done_or(space.protect(range, random.one_in(2) ? Access::none() : Access::read()),
                       Error::not_mapped, "protect");
        break;
    case 3:
    case 4:
    case 5:
        expect_done_or(space.protect(range, Access::read_write()), Error::not_mapped, "protect");
        break;
    case 6: expect_done_or(space.discard(range), Error::not_mapped, "discard"); break;
    default: {
        // A page's content says which page it is.
        const VirtAddr page = range.start;
        const std::uint64_t number = (page - start) / page_size + 1;
        if (random.one_in(2)) {
            static_cast<void>(shim::store_word(space, page, number));
        } else if (const auto value = shim::load_word(space, page)) {
            expect(*value == 0 || *value == number, "another page's content");
        }
    }
    }
}

} // namespace

TEST_CASE("parallel: all change the same blocks, which split and fold") {
    shim::Machine machine({.zones = {{PhysAddr{0x100000}, PhysAddr{0x1000000}}},
                           .cpus = cpus,
                           .processor = {},
                           .commit_limit = {1ULL << 40}});
    const shim::Totals before = shim::Totals::now();
    {
        shim::Space space(machine);
        REQUIRE(space
                    ->map({.address = start,
                           .pages = {blocks * block_pages},
                           .placement = Placement::fixed,
                           .huge = true})
                    .ok());
        CHECK(shim::run_parallel(machine, cpus, [&](unsigned cpu) {
                  const shim::Running running(*space);
                  Random random(cpu);
                  for (unsigned round = rounds(400); round-- != 0;) {
                      change(*space, random);
                      shim::take_interrupts();
                  }
              }) == "");
        CHECK(shim::faults_of(machine, *space) == "");
    }
    CHECK(machine.complaints(vm::kernel_space()) == "");
    CHECK(shim::Totals::now() == before);
}
