// SPDX-License-Identifier: MIT
// Translations of one space in the TLBs of several CPUs that are truly at once.
#include "parallel/workers.hpp"

#include <array>
#include <atomic>

namespace {

using namespace parallel;
using vm::Access;
using vm::Placement;
using vm::Resolution;

constexpr VirtAddr place = border - page_size;

} // namespace

TEST_CASE("parallel: a token tells of a change, and nobody sees what was before") {
    std::atomic<std::uint64_t> told{0};
    std::array<std::atomic<std::uint64_t>, cpus> seen{};
    in_one_space([&](vm::AddressSpace& space, unsigned cpu) {
        const std::uint64_t last = rounds(150);
        const auto tell = [&](std::uint64_t token) {
            told.store(token);
            for (unsigned other = 1; other < cpus; ++other)
                while (seen[other].load() != token) shim::pause_cpu();
            shim::take_interrupts();
        };
        const auto follow = [&](std::uint64_t token) {
            while (told.load() != token) shim::pause_cpu();
            shim::take_interrupts();
        };
        const auto expect_seen = [&](std::optional<std::uint64_t> wanted, const char* what) {
            expect(shim::load_word(space, place) == wanted, what);
        };
        for (std::uint64_t round = 1; round <= last; ++round) {
            const std::uint64_t token = 4 * round;
            if (cpu == 0) {
                expect_done(
                    space.map({.address = place, .pages = {1}, .placement = Placement::replace}),
                    "map");
                expect(shim::store_word(space, place, round) == Resolution::resolved, "write");
                tell(token);
                expect_done(space.protect(pages_at(place, 1), Access::read()), "protect");
                tell(token + 1);
                expect_done(space.protect(pages_at(place, 1), Access::none()), "park");
                tell(token + 2);
                if (round % 2 == 0) {
                    expect_done(space.unmap({border - (4 << 20), border + (4 << 20)}), "unmap");
                } else {
                    expect_done(space.protect(pages_at(place, 1), Access::read_write()), "back");
                    expect_done(space.discard(pages_at(place, 1)), "discard");
                }
                tell(token + 3);
                continue;
            }
            follow(token);
            expect_seen(round, "what was written");
            seen[cpu].store(token);
            follow(token + 1);
            expect_seen(round, "what became read-only");
            expect(shim::store_word(space, place, ~0ULL) == Resolution::forbidden,
                   "a write to what became read-only");
            seen[cpu].store(token + 1);
            follow(token + 2);
            expect_seen(std::nullopt, "what was parked");
            seen[cpu].store(token + 2);
            follow(token + 3);
            expect_seen(round % 2 == 0 ? std::nullopt : std::optional<std::uint64_t>(0),
                        "what was taken away");
            seen[cpu].store(token + 3);
        }
    });
}

TEST_CASE("parallel: whoever maps a page again has all others see it") {
    // One unmaps, another maps and writes growing numbers: nobody may see one from before.
    std::atomic<std::uint64_t> written{0};
    std::atomic<bool> done{false};
    in_one_space([&](vm::AddressSpace& space, unsigned cpu) {
        for (unsigned round = rounds(300); !done.load();) {
            if (cpu == 0) {
                expect_done(space.unmap(pages_at(place, 1)), "unmap");
            } else if (cpu == 1) {
                const auto mapped =
                    space.map({.address = place, .pages = {1}, .placement = Placement::fixed});
                expect_done_or(mapped, Error::already_mapped, "map");
                if (mapped.ok()) {
                    const std::uint64_t next = written.load() + 1;
                    if (shim::store_word(space, place, next) == Resolution::resolved)
                        written.store(next);
                }
                if (--round == 0) done.store(true);
            } else {
                for (unsigned looks = 0; looks < 20; ++looks) {
                    const std::uint64_t least = written.load();
                    const std::uint64_t seen = shim::load_word(space, place).value_or(0);
                    expect(seen == 0 || seen >= least, "a page from before");
                }
            }
            shim::take_interrupts();
        }
    });
}
