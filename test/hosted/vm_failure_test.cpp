// SPDX-License-Identifier: MIT
// Every allocation failed once in turn, for each operation: the operation says so or succeeds
// whole, and what was before is unchanged: runs, contents, charge, frames.
#include "shim/check.hpp"
#include "vm/space.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

namespace {

using namespace vm;
using shim::faults_of;
using shim::Likeness;
using shim::Machine;
using shim::MachineOptions;
using shim::Operation;
using shim::range_of;
using shim::Space;
using shim::Totals;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;
constexpr std::uint64_t tib = 1ULL << 40;

/// A map with something of everything: large reservations, pages written, read, parked.
void prepare(Machine& machine, Space& space) {
    const auto map = [&](std::uint64_t address, std::uint64_t bytes, Access access) {
        REQUIRE(space
                    ->map({.address = VirtAddr{address},
                           .pages = {bytes / page_size},
                           .placement = Placement::fixed,
                           .access = access,
                           .noreserve = true})
                    .ok());
    };
    map(tib, tib, Access::read_write());
    map(4 * gib, gib, Access::read_write());
    map(8 * mib, 100 * page_size, Access::read_write());
    map(16 * mib, 8 * mib, Access::read());
    for (std::uint64_t n = 0; n < 10; ++n)
        REQUIRE(machine.write_word(*space, VirtAddr{8 * mib + n * page_size}, n + 1) ==
                Resolution::resolved);
    CHECK(machine.read_word(*space, VirtAddr{16 * mib}) == 0);
    REQUIRE(space->protect(range_of(8 * mib + 4 * page_size, page_size), Access::none()).ok());
}

/// All that can be read of what was written.
std::string contents(Machine& machine, const Space& space) {
    std::string text;
    for (std::uint64_t n = 0; n < 12; ++n) {
        const auto frame = (*space).frame_of(VirtAddr{8 * mib + n * page_size});
        text += frame.ok() ? std::to_string(*static_cast<const std::uint64_t*>(direct(*frame)))
                           : std::string("-");
        text += " ";
    }
    static_cast<void>(machine);
    return text;
}

/// True if it went well; false if it said that there is no memory. Anything else fails the test.
using Attempt = std::function<bool(Machine&, Space&)>;

bool outcome(const Result<void>& result) {
    if (!result.ok()) CHECK(result.error() == Error::no_memory);
    return result.ok();
}
bool outcome(const Result<VirtAddr>& result) {
    if (!result.ok()) CHECK(result.error() == Error::no_memory);
    return result.ok();
}
bool outcome(Resolution resolution) {
    if (resolution != Resolution::resolved) CHECK(resolution == Resolution::no_memory);
    return resolution == Resolution::resolved;
}

/// Runs the attempt with the first, second … allocation refused, until none is.
void fail_each(const Attempt& attempt, bool all_or_nothing = true) {
    for (std::uint64_t allowed = 0; allowed < 200; ++allowed) {
        CAPTURE(allowed);
        Machine machine({.zones = MachineOptions::small_zones(), .commit_limit = {1ULL << 40}});
        Totals before_space{};
        bool refused = false;
        {
            Space warm(machine);
            prepare(machine, warm);
        }
        before_space = Totals::now();
        {
            Space space(machine);
            prepare(machine, space);
            const Likeness before = Likeness::of(*space);
            const std::string words = contents(machine, space);
            const Totals totals = Totals::now();
            shim::fail_allocation_after(allowed);
            const bool done = attempt(machine, space);
            refused = shim::allow_allocations();
            if (!refused) CHECK(done);
            if (!done && all_or_nothing) {
                CHECK(Likeness::of(*space) == before);
                CHECK(contents(machine, space) == words);
                CHECK(Totals::now() == totals);
            }
            CHECK(faults_of(machine, *space) == "");
            // And it goes well the next time.
            if (!done) CHECK(attempt(machine, space));
            CHECK(faults_of(machine, *space) == "");
        }
        CHECK(Totals::now() == before_space);
        if (!refused) return;
    }
    FAIL("never without a failure");
}

} // namespace

TEST_CASE("failed allocations: map") {
    fail_each([](Machine&, Space& space) {
        return outcome(space->map({.address = VirtAddr{100 * tib - 3 * page_size},
                                   .pages = {4 * 262144},
                                   .placement = Placement::fixed,
                                   .noreserve = true}));
    });
    fail_each([](Machine&, Space& space) {
        return outcome(space->map({.address = VirtAddr{7 * gib + 5 * mib}, .pages = {3}}));
    });
}

TEST_CASE("failed allocations: map over something") {
    fail_each([](Machine&, Space& space) {
        return outcome(space->map({.address = VirtAddr{8 * mib + 3 * page_size},
                                   .pages = {(tib - 8 * mib) / page_size + 1000},
                                   .placement = Placement::replace,
                                   .access = Access::read()}));
    });
}

TEST_CASE("failed allocations: windows") {
    fail_each([](Machine& machine, Space& space) {
        const PhysAddr device = machine.reserve(page_size);
        return outcome(space->map_window({.frames = device,
                                          .address = VirtAddr{50 * tib},
                                          .pages = {1},
                                          .placement = Placement::fixed}));
    });
}

TEST_CASE("failed allocations: unmap from the middle of large entries") {
    fail_each([](Machine&, Space& space) {
        return outcome(space->unmap(range_of(tib + 3 * gib + 5 * page_size, 9 * gib)));
    });
    fail_each([](Machine&, Space& space) {
        return outcome(space->unmap(range_of(4 * gib - mib, 3 * mib + page_size)));
    });
}

TEST_CASE("failed allocations: protect") {
    fail_each([](Machine&, Space& space) {
        return outcome(
            space->protect(range_of(tib + 3 * gib + 5 * page_size, 9 * gib), Access::read()));
    });
    fail_each([](Machine&, Space& space) {
        return outcome(
            space->protect(range_of(16 * mib + page_size, 4 * mib), Access::read_execute()));
    });
}

TEST_CASE("failed allocations: discard") {
    fail_each([](Machine&, Space& space) {
        return outcome(space->discard(range_of(8 * mib + page_size, 90 * page_size)));
    });
    fail_each([](Machine&, Space& space) {
        return outcome(space->discard(range_of(tib + gib + page_size, 100 * gib)));
    });
}

TEST_CASE("failed allocations: populate keeps what it made") {
    fail_each(
        [](Machine&, Space& space) {
            return outcome(space->populate(range_of(4 * gib + 2 * mib, 20 * page_size)));
        },
        false);
}

TEST_CASE("failed allocations: touches") {
    for (const Operation operation : {Operation::read, Operation::write}) {
        for (const std::uint64_t address :
             {tib + 77 * gib, 4 * gib + 9 * page_size, 24 * mib - 8, 8 * mib + 50 * page_size}) {
            if (address < 24 * mib && address > 16 * mib && operation == Operation::write) continue;
            fail_each([&](Machine& machine, Space& space) {
                return outcome(machine.touch(*space, VirtAddr{address}, operation).resolution);
            });
        }
    }
}

TEST_CASE("failed allocations: a space that can't be made leaves nothing") {
    for (std::uint64_t allowed = 0; allowed < 50; ++allowed) {
        Machine machine({.zones = MachineOptions::small_zones()});
        {
            Space warm(machine);
        }
        const Totals before = Totals::now();
        shim::fail_allocation_after(allowed);
        AddressSpace space;
        const auto made = space.create();
        const bool refused = shim::allow_allocations();
        if (made.ok())
            space.destroy();
        else
            CHECK(made.error() == Error::no_memory);
        CHECK(Totals::now() == before);
        CHECK(refused != made.ok());
        if (!refused) return;
    }
    FAIL("never without a failure");
}
