// SPDX-License-Identifier: MIT
// One space, changed by several CPUs that are truly at once.
#include "parallel/plot.hpp"
#include "vm/validate.hpp"

#include <array>
#include <atomic>

using namespace parallel;

TEST_CASE("parallel: neighbours in the same tables see only their own changes") {
    in_one_space([](vm::AddressSpace& space, unsigned cpu) {
        const VirtAddr first = border - cpus / 2 * Plot::pages * page_size;
        Plot plot(space, cpu, first + cpu * Plot::pages * page_size);
        for (unsigned round = rounds(6000); round-- != 0;) {
            plot.step();
            shim::take_interrupts();
        }
    });
}

TEST_CASE("parallel: all change the same pages, tables come and go") {
    // A page's content says which page it is: so no CPU ever sees another one's.
    in_one_space([](vm::AddressSpace& space, unsigned cpu) {
        constexpr std::uint64_t pages = 40;
        const VirtAddr start = border - pages / 2 * page_size;
        Random random(cpu);
        for (unsigned round = rounds(3000); round-- != 0;) {
            const std::uint64_t first = random.from(0, pages - 1);
            const VirtRange range =
                pages_at(start + first * page_size, random.from(1, pages - first));
            switch (random.from(0, 9)) {
            case 0:
                expect_done(space.map({.address = range.start,
                                       .pages = range.pages(),
                                       .placement = Placement::replace}),
                            "map over");
                break;
            case 1:
                expect_done_or(space.map({.address = range.start,
                                          .pages = range.pages(),
                                          .placement = Placement::fixed}),
                               Error::already_mapped, "map");
                break;
            case 2: expect_done(space.unmap(range), "unmap"); break;
            case 3: // so much that tables go
                expect_done(space.unmap({border - (4 << 20), border + (4 << 20)}), "unmap much");
                break;
            case 4:
                expect_done_or(
                    space.protect(range, random.one_in(2) ? Access::none() : Access::read()),
                    Error::not_mapped, "protect");
                break;
            case 5:
                expect_done_or(space.protect(range, Access::read_write()), Error::not_mapped,
                               "protect");
                break;
            case 6: expect_done_or(space.discard(range), Error::not_mapped, "discard"); break;
            case 7:
                expect_done_or(space.populate(pages_at(range.start, 1)), Error::not_mapped,
                               "populate");
                break;
            case 8: shim::store_word(space, range.start, first + 1); break;
            default:
                if (const auto value = shim::load_word(space, range.start))
                    expect(*value == 0 || *value == first + 1, "another page's content");
            }
            shim::take_interrupts();
        }
    });
}

TEST_CASE("parallel: what first fit gives is nobody else's") {
    in_one_space([](vm::AddressSpace& space, unsigned cpu) {
        Random random(cpu);
        for (unsigned round = rounds(150); round-- != 0;) {
            const PageCount pages{random.from(1, 12)};
            const bool large = random.one_in(8);
            const auto at =
                space.map({.pages = pages, .alignment = large ? 2ULL << 20 : page_size});
            expect_done(at, "map");
            const VirtRange range = pages_at(*at, pages.value);
            const std::uint64_t tag = cpu + 1 + cpus * round;
            for (VirtAddr page = range.start; page < range.end; page = page + page_size) {
                expect(shim::load_word(space, page) == 0, "a fresh page");
                expect(shim::store_word(space, page, tag) == Resolution::resolved, "a write");
            }
            shim::take_interrupts();
            for (VirtAddr page = range.start; page < range.end; page = page + page_size)
                expect(shim::load_word(space, page) == tag, "an own page");
            expect_done(space.unmap(range), "unmap");
            shim::take_interrupts();
        }
    });
}

TEST_CASE("parallel: walkers without a lock, while tables are made and freed") {
    in_one_space([](vm::AddressSpace& space, unsigned cpu) {
        const VirtRange all{border - (1ULL << 30), border + (1ULL << 30)};
        Random random(cpu);
        const auto change = [&] {
            const VirtAddr at = all.start + align_down(random.from(0, all.bytes() - 1), page_size);
            if (random.one_in(3)) {
                expect_done(space.unmap(random.one_in(2) ? all : pages_at(at, 1)), "unmap");
            } else {
                expect_done_or(
                    space.map({.address = at, .pages = {1}, .placement = Placement::fixed}),
                    Error::already_mapped, "map");
                static_cast<void>(shim::store_word(space, at, 1));
            }
        };
        const auto look = [&] {
            std::array<abi::Run, 8> runs;
            std::uint64_t from = all.start.value;
            for (std::size_t found = runs.size(); found == runs.size();) {
                found = space.query(VirtAddr{from}, runs);
                for (const abi::Run& run : std::span(runs).first(found)) {
                    expect(from <= run.start && run.start < run.end, "runs in order");
                    expect(run.end <= all.end.value, "a run where nothing was mapped");
                    from = run.end;
                }
            }
            const auto hole = space.first_fit({1 + random.from(0, 700)}, page_size, all.start);
            expect(hole.ok(), "no hole");
            if (const auto run = space.nearest(border, abi::Direction::down))
                expect(run->start < border.value, "nearest below");
            if (const auto run = space.nearest(border, abi::Direction::up))
                expect(run->end > border.value, "nearest above");
        };
        for (unsigned round = rounds(2000); round-- != 0;) {
            if (cpu < cpus / 2)
                change();
            else
                look();
            shim::take_interrupts();
        }
    });
}

TEST_CASE("parallel: spaces are made, run and ended on every CPU") {
    FourCpus machine;
    const shim::Totals before = shim::Totals::now();
    CHECK(
        shim::run_parallel(machine, cpus, [&](unsigned cpu) {
            Random random(cpu);
            for (unsigned round = rounds(40); round-- != 0;) {
                vm::AddressSpace space;
                expect_done(space.create(), "create");
                {
                    const shim::Running running(space);
                    for (unsigned page = 0; page < 4; ++page) {
                        const VirtAddr at{random.from(16, 1ULL << 34) << page_bits};
                        if (space.map({.address = at, .pages = {2}, .placement = Placement::fixed})
                                .ok())
                            expect(shim::store_word(space, at, round) == Resolution::resolved,
                                   "a write");
                        shim::take_interrupts();
                    }
                }
                const char* const problem = vm::validate(space);
                expect(problem == nullptr, problem != nullptr ? problem : "");
                space.destroy();
                shim::take_interrupts();
            }
        }) == "");
    CHECK(machine.complaints(vm::kernel_space()) == "");
    CHECK(shim::Totals::now() == before);
}
