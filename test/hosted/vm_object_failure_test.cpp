// SPDX-License-Identifier: MIT
// Every allocation failed once in turn, for each operation on memory objects: it says so or
// succeeds whole, and what was before is unchanged.
#include "shim/check.hpp"
#include "shim/objects.hpp"

#include <doctest/doctest.h>

#include <functional>

namespace {

using namespace vm;
using shim::boot_object;
using shim::faults_of;
using shim::Likeness;
using shim::Machine;
using shim::MachineOptions;
using shim::range_of;
using shim::Space;
using shim::Totals;
using shim::zeros_object;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;
constexpr VirtAddr here{16 * mib};

struct Stage {
    Machine& machine;
    Space& space;
    ObjectRef memory;
    ObjectRef file;
};

Result<VirtAddr> map_at(const Stage& stage, const ObjectRef& object, VirtAddr at,
                        std::uint64_t pages, bool is_private,
                        Placement placement = Placement::fixed) {
    return shim::map_at(stage.space, object, at,
                        {.pages = pages, .is_private = is_private, .placement = placement});
}

/// Shared and private pages, read, written, parked, and not touched; the table of ids full.
void prepare(const Stage& stage) {
    REQUIRE(map_at(stage, stage.memory, here, 16, false).ok());
    REQUIRE(map_at(stage, stage.file, here + mib, 16, true).ok());
    for (std::uint64_t page = 0; page < 8; ++page) {
        const std::uint64_t offset = page * page_size;
        REQUIRE(stage.machine.write_word(*stage.space, here + offset, page) ==
                Resolution::resolved);
        REQUIRE(stage.machine.read_word(*stage.space, here + mib + offset) == page + 1);
        if (page % 2 == 0)
            REQUIRE(stage.machine.write_word(*stage.space, here + mib + offset, page) ==
                    Resolution::resolved);
    }
    REQUIRE(stage.space->protect(range_of((here + mib).value, 2 * page_size), Access::none()).ok());
    for (std::uint64_t n = 1; n < IdTable::least_capacity - 1; ++n)
        REQUIRE(map_at(stage, stage.memory, here + 2 * mib + n * 2 * page_size, 1, false).ok());
    REQUIRE(stage.space->ids()->full());
}

/// True if it went well; false if it said that there is no memory. Anything else fails the test.
using Attempt = std::function<bool(const Stage&)>;

template <typename T>
bool outcome(const Result<T>& result) {
    if (!result.ok()) CHECK(result.error() == Error::no_memory);
    return result.ok();
}
bool outcome(Resolution resolution) {
    if (resolution != Resolution::resolved) CHECK(resolution == Resolution::no_memory);
    return resolution == Resolution::resolved;
}

/// Runs the attempt with the first, second … allocation refused, until none is.
void fail_each(const Attempt& attempt) {
    for (std::uint64_t allowed = 0; allowed < 200; ++allowed) {
        CAPTURE(allowed);
        Machine machine({.zones = MachineOptions::small_zones(), .commit_limit = {1ULL << 40}});
        const ObjectRef file = boot_object(machine, 64);
        bool refused = false;
        shim::leaves_nothing([&] {
            Space space(machine);
            const Stage stage{machine, space, zeros_object(1024), file};
            prepare(stage);
            const Likeness before = Likeness::of(*space);
            const std::uint64_t resident = stage.memory->resident().value;
            shim::fail_allocation_after(allowed);
            const bool done = attempt(stage);
            refused = shim::allow_allocations();
            if (!refused) CHECK(done);
            if (!done) {
                CHECK(Likeness::of(*space) == before);
                CHECK(stage.memory->resident().value <= resident + 1);
            }
            CHECK(faults_of(machine, *space) == "");
            if (!done) CHECK(attempt(stage)); // and it goes well the next time
            CHECK(faults_of(machine, *space) == "");
        });
        if (!refused) return;
    }
    FAIL("never without a failure");
}

} // namespace

TEST_CASE("failed allocations: the making of an object") {
    fail_each([](const Stage& stage) {
        const auto made = MemoryObject::make_zeros({100}, {});
        if (!outcome(made)) return false;
        return outcome(map_at(stage, *made, here + 5 * gib, 100, false));
    });
}

TEST_CASE("failed allocations: objects are mapped, and the table of ids grows") {
    fail_each([](const Stage& stage) {
        return outcome(map_at(stage, stage.memory, here + 7 * gib + 4 * page_size, 1000, false));
    });
    fail_each([](const Stage& stage) {
        return outcome(
            map_at(stage, stage.file, here + 3 * page_size, 64, true, Placement::replace));
    });
}

TEST_CASE("failed allocations: pages are touched") {
    fail_each([](const Stage& stage) {
        return outcome(stage.machine.write_word(*stage.space, here + 9 * page_size, 1));
    });
    fail_each([](const Stage& stage) {
        return outcome(stage.machine.write_word(*stage.space, here + mib + 3 * page_size, 1));
    });
    fail_each([](const Stage& stage) {
        return outcome(stage.machine.write_word(*stage.space, here + mib + 9 * page_size, 1));
    });
}

TEST_CASE("failed allocations: discard, protect and unmap of objects' pages") {
    fail_each([](const Stage& stage) {
        return outcome(stage.space->discard(range_of((here + mib).value, 12 * page_size)));
    });
    fail_each([](const Stage& stage) {
        return outcome(stage.space->protect(range_of(here.value, 12 * page_size), Access::read()));
    });
    fail_each([](const Stage& stage) {
        return outcome(stage.space->unmap(range_of(here.value + page_size, mib + 3 * page_size)));
    });
}

TEST_CASE("failed allocations: a pager's page") {
    fail_each([](const Stage& stage) {
        const auto made = MemoryObject::make_paged({1ULL << 20}, Ceiling::all(), {});
        if (!outcome(made)) return false;
        static_cast<void>(stage);
        return outcome(shim::supply(**made, 12345, 1));
    });
}
