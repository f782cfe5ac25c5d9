// SPDX-License-Identifier: MIT
// First fit over hole bitmaps and summaries, against a naive scan over all runs.
#include "shim/check.hpp"
#include "vm/space.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <random>

namespace {

using namespace vm;
using shim::all_runs;
using shim::faults_of;
using shim::Machine;
using shim::range_of;
using shim::Space;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;

/// The lowest free aligned range, found by looking at every run.
std::optional<std::uint64_t> naive_first_fit(const AddressSpace& space, std::uint64_t pages,
                                             std::uint64_t alignment, std::uint64_t from) {
    std::uint64_t at = align_up(std::max(from, user_range.start.value), alignment);
    for (const abi::Run& run : all_runs(space, 1000)) {
        if (run.end <= at) continue;
        if (at + pages * page_size <= run.start) return at;
        at = align_up(run.end, alignment);
    }
    if (at + pages * page_size <= user_range.end.value) return at;
    return std::nullopt;
}

/// The highest one that ends at or below `to`.
std::optional<std::uint64_t> naive_last_fit(const AddressSpace& space, std::uint64_t pages,
                                            std::uint64_t alignment, std::uint64_t to) {
    std::optional<std::uint64_t> last;
    std::uint64_t free = user_range.start.value;
    const auto look = [&](std::uint64_t end) {
        end = std::min(end, to);
        if (end < free || end - free < pages * page_size) return;
        const std::uint64_t start = align_down(end - pages * page_size, alignment);
        if (start >= free) last = start;
    };
    for (const abi::Run& run : all_runs(space, 1000)) {
        look(run.start);
        free = run.end;
    }
    look(user_range.end.value);
    return last;
}

void check_search(Space& space, std::uint64_t pages, std::uint64_t alignment, std::uint64_t from) {
    const auto expected = naive_first_fit(*space, pages, alignment, from);
    const auto found = space->first_fit({pages}, alignment, VirtAddr{from});
    CAPTURE(pages);
    CAPTURE(alignment);
    CAPTURE(from);
    REQUIRE(found.ok() == expected.has_value());
    if (expected)
        REQUIRE(found->value == *expected);
    else
        REQUIRE(found.error() == Error::no_space);
    const auto last = naive_last_fit(*space, pages, alignment, from);
    const auto found_below = space->last_fit({pages}, alignment, VirtAddr{from});
    REQUIRE(found_below.ok() == last.has_value());
    if (last) REQUIRE(found_below->value == *last);
}

void map_at(Space& space, std::uint64_t address, std::uint64_t pages) {
    REQUIRE(space
                ->map({.address = VirtAddr{address},
                       .pages = {pages},
                       .placement = Placement::fixed,
                       .access = Access::read()})
                .ok());
}

} // namespace

TEST_CASE("first fit in an empty space, every alignment") {
    Machine machine;
    Space space(machine);
    const std::uint64_t tables = space->counts().tables;
    for (unsigned shift = 12; shift < 47; ++shift) {
        check_search(space, 1, 1ULL << shift, 0);
        check_search(space, 1, 1ULL << shift, (1ULL << shift) + 1);
        check_search(space, 1ULL << (shift - 12), page_size, gib + page_size);
        check_search(space, (1ULL << (shift - 12)) + 1, 1ULL << shift, 77 * page_size);
    }
    check_search(space, user_range.bytes() / page_size, page_size, 0);
    CHECK(space->first_fit({user_range.bytes() / page_size + 1}, page_size, {}).error() ==
          Error::invalid_argument);
    CHECK(space->first_fit({0}, page_size, {}).error() == Error::invalid_argument);
    CHECK(space->first_fit({1}, 24, {}).error() == Error::invalid_argument);
    check_search(space, 1, page_size, user_range.end.value - page_size);
    check_search(space, 1, page_size, user_range.end.value);
    check_search(space, 2, page_size, user_range.end.value - page_size);
    CHECK(space->counts().tables == tables);
}

TEST_CASE("first fit finds holes that begin and end in different tables") {
    Machine machine;
    Space space(machine);
    const std::uint64_t border = 512 * gib;
    // A hole of 5 + 1024 + 7 pages over the border; smaller ones below it.
    map_at(space, user_range.start.value, (border - 5 * page_size - user_range.start.value) / 4096);
    map_at(space, border + 4 * mib + 7 * page_size, 1000);
    for (const std::uint64_t pages : {1U, 5U, 6U, 517U, 1029U, 1035U, 1036U, 1037U, 2000U}) {
        check_search(space, pages, page_size, 0);
        check_search(space, pages, page_size, border - 3 * page_size);
        check_search(space, pages, 2 * mib, 0);
        check_search(space, pages, page_size, border + 4 * mib);
    }
    REQUIRE(space->unmap(range_of(4 * gib - 2 * page_size, 4 * page_size)).ok());
    for (const std::uint64_t pages : {1U, 2U, 3U, 4U, 5U, 6U}) {
        check_search(space, pages, page_size, 0);
        check_search(space, pages, page_size, 4 * gib - page_size);
        check_search(space, pages, 2 * page_size, 4 * gib - page_size);
    }
}

TEST_CASE("20,000 one-page holes: two pages go beyond, one goes into the first") {
    Machine machine({.commit_limit = {1 << 20}});
    Space space(machine);
    constexpr std::uint64_t holes = 20'000;
    const std::uint64_t start = gib;
    map_at(space, start, 2 * holes);
    for (std::uint64_t n = 0; n < holes; ++n)
        REQUIRE(space->unmap(range_of(start + (2 * n + 1) * page_size, page_size)).ok());
    const std::uint64_t end = start + 2 * holes * page_size;
    const auto two = space->first_fit({2}, page_size, VirtAddr{start});
    REQUIRE(two.ok());
    CHECK(two->value == end - page_size);
    const auto one = space->first_fit({1}, page_size, VirtAddr{start});
    REQUIRE(one.ok());
    CHECK(one->value == start + page_size);
    for (const std::uint64_t n : {1U, 255U, 256U, 511U, 512U, 10'000U, 19'999U})
        check_search(space, 1, page_size, start + 2 * n * page_size);
    // Widen one deep inside: found again from anywhere below.
    REQUIRE(space->unmap(range_of(start + 30'000 * page_size, page_size)).ok());
    check_search(space, 2, page_size, start);
    check_search(space, 3, page_size, start);
    check_search(space, 4, page_size, start);
    map_at(space, start + 30'000 * page_size, 1);
    check_search(space, 2, page_size, start);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("first fit equals a naive scan in random maps") {
    for (const std::uint64_t seed : {21U, 22U, 23U, 24U, 25U, 26U}) {
        CAPTURE(seed);
        Machine machine({.commit_limit = {1ULL << 40}});
        Space space(machine);
        std::mt19937_64 random(seed);
        // Around a border of all levels, so that every kind of hole occurs.
        const std::uint64_t low = 512 * gib - 3 * gib;
        const auto some_pages = [&] {
            const unsigned class_of = static_cast<unsigned>(random() % 10);
            if (class_of < 6) return 1 + random() % 20;
            if (class_of < 9) return 1 + random() % 3000;
            return 1 + random() % 600'000;
        };
        for (unsigned step = 0; step < 150; ++step) {
            const std::uint64_t address =
                random() % 2 == 0 ? low + (random() % (6 * gib / page_size)) * page_size
                                  : 512 * gib - 500 * page_size + (random() % 1000) * page_size;
            const std::uint64_t bytes = some_pages() * page_size;
            if (random() % 3 != 0) {
                const auto mapped = space->map({.address = VirtAddr{address},
                                                .pages = {bytes / page_size},
                                                .placement = Placement::replace,
                                                .access = Access::read()});
                REQUIRE(mapped.ok());
            } else {
                REQUIRE(space->unmap(range_of(address, bytes)).ok());
            }
            for (unsigned search = 0; search < 4; ++search) {
                const std::uint64_t alignment = page_size
                                                << (random() % 4 == 0 ? random() % 19 : 0);
                check_search(space, some_pages(), alignment,
                             low + (random() % (6 * gib / page_size)) * page_size);
            }
        }
        CHECK(faults_of(machine, *space) == "");
    }
}
