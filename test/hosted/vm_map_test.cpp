// SPDX-License-Identifier: MIT
// AddressSpace: where mappings go and how they leave, and what they cost in entries.
#include "shim/check.hpp"
#include "vm/space.hpp"

#include <doctest/doctest.h>

#include <bit>

namespace {

using namespace vm;
using shim::all_runs;
using shim::count_entries;
using shim::faults_of;
using shim::Likeness;
using shim::Machine;
using shim::picture;
using shim::range_of;
using shim::Space;
using shim::Totals;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;
constexpr std::uint64_t tib = 1ULL << 40;

MapRequest fixed(std::uint64_t address, std::uint64_t bytes, Access access = Access::read_write()) {
    return {.address = VirtAddr{address},
            .pages = {bytes / page_size},
            .placement = Placement::fixed,
            .access = access,
            .noreserve = true};
}

void check_good(Machine& machine, Space& space) { CHECK(faults_of(machine, *space) == ""); }

} // namespace

TEST_CASE("a fresh space is empty, and its end gives everything back") {
    Machine machine;
    {
        Space warm(machine); // what the map keeps for later is there now
    }
    const Totals before = Totals::now();
    {
        Space space(machine);
        CHECK(all_runs(*space).empty());
        CHECK_FALSE(space->is_kernel());
        CHECK(space->counts().anonymous == 0);
        CHECK(space->counts().tables >= 1);
        CHECK(space->root().page_aligned());
        check_good(machine, space);
    }
    CHECK(Totals::now() == before);
}

TEST_CASE("a page is mapped at the lowest address, the next one behind it") {
    Machine machine;
    Space space(machine);
    const auto first = space->map({.pages = {1}});
    REQUIRE(first.ok());
    CHECK(first->value == user_range.start.value);
    const auto second = space->map({.pages = {3}});
    REQUIRE(second.ok());
    CHECK(second->value == user_range.start.value + page_size);
    const auto runs = all_runs(*space);
    REQUIRE(runs.size() == 1);
    CHECK(runs[0].start == first->value);
    CHECK(runs[0].end == first->value + 4 * page_size);
    CHECK(runs[0].state == abi::State::lazy);
    CHECK(runs[0].access == (abi::access_read | abi::access_write));
    CHECK(runs[0].present == 0);
    CHECK(runs[0].levels == 1);
    CHECK(runs[0].origin == abi::Origin::anonymous);
    check_good(machine, space);
}

TEST_CASE("first fit starts at the given address and keeps the alignment") {
    Machine machine;
    Space space(machine);
    const std::uint64_t from = 0x12345000;
    const auto at = space->map({.address = VirtAddr{from}, .pages = {2}});
    REQUIRE(at.ok());
    CHECK(at->value == from);
    const auto aligned = space->map(
        {.address = VirtAddr{from}, .pages = {1}, .alignment = 64 * 1024, .noreserve = true});
    REQUIRE(aligned.ok());
    CHECK(aligned->value == align_up(from + 2 * page_size, 64 * 1024));
    // By size: 2 MiB from 2 MiB up, 1 GiB from 1 GiB up.
    const auto large = space->map({.address = VirtAddr{from}, .pages = {512}});
    REQUIRE(large.ok());
    CHECK(large->value == align_up(from + page_size, 2 * mib));
    const auto huge = space->map({.address = VirtAddr{from}, .pages = {262144}, .noreserve = true});
    REQUIRE(huge.ok());
    CHECK(huge->value == gib);
    check_good(machine, space);
}

TEST_CASE("a fixed mapping is refused where anything is, replace is not") {
    Machine machine;
    Space space(machine);
    REQUIRE(space->map(fixed(8 * mib, 16 * page_size)).ok());
    REQUIRE(machine.write_word(*space, VirtAddr{8 * mib}, 77) == Resolution::resolved);
    const Likeness before = Likeness::of(*space);
    for (const auto& [start, pages] : {std::pair{8 * mib, 1ULL},
                                       {8 * mib - page_size, 2ULL},
                                       {8 * mib + 15 * page_size, 2ULL},
                                       {8 * mib - page_size, 18ULL},
                                       {6 * mib, 4096ULL}}) {
        CHECK(space->map(fixed(start, pages * page_size)).error() == Error::already_mapped);
        CHECK(Likeness::of(*space) == before);
    }
    MapRequest over = fixed(8 * mib, 8 * page_size, Access::read());
    over.placement = Placement::replace;
    REQUIRE(space->map(over).ok());
    CHECK(machine.read_word(*space, VirtAddr{8 * mib}) == 0);
    CHECK(machine.write_word(*space, VirtAddr{8 * mib}, 1) == Resolution::forbidden);
    CHECK(space->counts().anonymous == 0);
    check_good(machine, space);
}

TEST_CASE("what no mapping can be is refused, and changes nothing") {
    Machine machine;
    Space space(machine);
    const std::uint64_t end = user_range.end.value;
    const auto refused = [&](const MapRequest& request) {
        const Likeness before = Likeness::of(*space);
        const auto result = space->map(request);
        REQUIRE_FALSE(result.ok());
        CHECK(Likeness::of(*space) == before);
        return result.error();
    };
    CHECK(refused({.pages = {0}}) == Error::invalid_argument);
    CHECK(refused(fixed(0x10001, page_size)) == Error::invalid_argument);
    CHECK(refused(fixed(0, page_size)) == Error::invalid_argument);
    CHECK(refused(fixed(0xf000, page_size)) == Error::invalid_argument);
    CHECK(refused(fixed(end, page_size)) == Error::invalid_argument);
    CHECK(refused(fixed(end - page_size, 2 * page_size)) == Error::invalid_argument);
    CHECK(refused(fixed(0x10000, end)) == Error::invalid_argument);
    CHECK(refused(fixed(0xffff800000000000, page_size)) == Error::invalid_argument);
    CHECK(refused(fixed(0xfffffffffffff000, 2 * page_size)) == Error::invalid_argument);
    CHECK(refused({.address = VirtAddr{1ULL << 47}, .pages = {1}}) != Error{});
    CHECK(refused({.pages = {1}, .alignment = 3 * page_size}) == Error::invalid_argument);
    CHECK(refused({.pages = {1}, .alignment = 12}) == Error::invalid_argument);
    for (const std::uint64_t pages : {~0ULL, 1ULL << 52, (1ULL << 52) - 1, 1ULL << 63}) {
        MapRequest request{.pages = {pages}, .noreserve = true};
        const Error error = refused(request);
        CHECK((error == Error::invalid_argument || error == Error::no_space));
        request.address = VirtAddr{0x10000};
        request.placement = Placement::fixed;
        CHECK(refused(request) == Error::invalid_argument);
    }
    REQUIRE(space->map(fixed(gib, page_size)).ok());
    CHECK(refused({.pages = user_range.pages(), .alignment = page_size, .noreserve = true}) ==
          Error::no_space);
    REQUIRE(space->unmap(range_of(gib, page_size)).ok());
    CHECK(all_runs(*space).empty());
}

TEST_CASE("first and last page of the user half can be mapped and used") {
    Machine machine;
    Space space(machine);
    const std::uint64_t last = user_range.end.value - page_size;
    REQUIRE(space->map(fixed(user_range.start.value, page_size)).ok());
    REQUIRE(space->map(fixed(last, page_size)).ok());
    CHECK(machine.write_word(*space, user_range.start, 1) == Resolution::resolved);
    CHECK(machine.write_word(*space, VirtAddr{last + 4088}, 2) == Resolution::resolved);
    CHECK(machine.read_word(*space, VirtAddr{last + 4088}) == 2);
    CHECK(machine.touch(*space, VirtAddr{last + page_size}, shim::Operation::read).resolution ==
          Resolution::hole);
    CHECK(machine.touch(*space, VirtAddr{0xffff}, shim::Operation::read).resolution ==
          Resolution::hole);
    CHECK(all_runs(*space).size() == 2);
    check_good(machine, space);
}

TEST_CASE("the whole user half is one run, and first fit then finds nothing") {
    Machine machine;
    Space space(machine);
    REQUIRE(space->map(fixed(user_range.start.value, user_range.bytes())).ok());
    const auto runs = all_runs(*space);
    REQUIRE(runs.size() == 1);
    CHECK(runs[0].start == user_range.start.value);
    CHECK(runs[0].end == user_range.end.value);
    CHECK(space->counts().tables <= 8);
    CHECK(space->map({.pages = {1}, .noreserve = true}).error() == Error::no_space);
    CHECK(machine.write_word(*space, VirtAddr{tib}, 3) == Resolution::resolved);
    REQUIRE(space->unmap(user_range).ok());
    CHECK(all_runs(*space).empty());
    CHECK(space->counts().anonymous == 0);
    CHECK(space->map({.pages = {1}, .noreserve = true}).ok());
    check_good(machine, space);
}

TEST_CASE("a tebibyte is a few entries in few tables") {
    Machine machine;
    Space space(machine);
    const std::uint64_t tables = space->counts().tables;
    REQUIRE(space->map(fixed(4 * tib, tib)).ok());
    CHECK(space->counts().tables == tables);
    CHECK(count_entries(machine, *space).not_present == 2);
    REQUIRE(space->map(fixed(8 * tib, 64 * gib)).ok());
    CHECK(space->counts().tables <= tables + 1);
    CHECK(count_entries(machine, *space).not_present == 2 + 64);
    const auto runs = all_runs(*space);
    REQUIRE(runs.size() == 2);
    CHECK(runs[0].levels == 8);
    CHECK(runs[1].levels == 4);
    // One page of it splits the way down: a table a level, no more.
    REQUIRE(machine.write_word(*space, VirtAddr{4 * tib + 5 * gib}, 1) == Resolution::resolved);
    CHECK(space->counts().tables <= tables + 1 + 3);
    CHECK(space->counts().anonymous == 1);
    check_good(machine, space);
}

TEST_CASE("a range that begins and ends amid tables uses the highest level that fits") {
    Machine machine;
    Space space(machine);
    // 3 pages below a 1 GiB border, 1 GiB, 2 MiB and 2 pages above.
    REQUIRE(space->map(fixed(5 * gib - 3 * page_size, gib + 2 * mib + 5 * page_size)).ok());
    CHECK(count_entries(machine, *space).not_present == 3 + 1 + 1 + 2);
    const auto runs = all_runs(*space);
    REQUIRE(runs.size() == 1);
    CHECK(runs[0].levels == 7);
    REQUIRE(space->unmap(range_of(5 * gib, gib)).ok());
    CHECK(all_runs(*space).size() == 2);
    check_good(machine, space);
}

TEST_CASE("unmap takes out what is there, splits what is larger, skips holes") {
    Machine machine;
    Space space(machine);
    const Totals before = Totals::now();
    const std::uint64_t tables = space->counts().tables;
    REQUIRE(space->map(fixed(gib, 2 * gib)).ok());
    REQUIRE(machine.write_word(*space, VirtAddr{gib + 5 * mib}, 9) == Resolution::resolved);
    REQUIRE(machine.write_word(*space, VirtAddr{gib + 6 * mib}, 8) == Resolution::resolved);
    REQUIRE(space->unmap(range_of(gib + 5 * mib, page_size)).ok());
    CHECK(machine.touch(*space, VirtAddr{gib + 5 * mib}, shim::Operation::read).resolution ==
          Resolution::hole);
    CHECK(machine.read_word(*space, VirtAddr{gib + 6 * mib}) == 8);
    CHECK(all_runs(*space).size() == 4); // lazy, (hole), lazy, present, lazy
    CHECK(space->unmap(range_of(gib + 5 * mib, page_size)).ok());
    CHECK(space->unmap(range_of(gib - 16 * mib, 3 * gib)).ok());
    CHECK(all_runs(*space).empty());
    CHECK(space->unmap(range_of(gib, gib)).ok());
    CHECK(space->counts().anonymous == 0);
    CHECK(space->counts().tables >= tables);
    check_good(machine, space);
    CHECK(Totals::now().by_kind[static_cast<unsigned>(FrameKind::anonymous)] ==
          before.by_kind[static_cast<unsigned>(FrameKind::anonymous)]);
}

TEST_CASE("unmap of what is no range of pages is refused") {
    Machine machine;
    Space space(machine);
    REQUIRE(space->map(fixed(gib, gib)).ok());
    const std::string before = picture(*space);
    CHECK(space->unmap({VirtAddr{gib + 1}, VirtAddr{2 * gib}}).error() == Error::invalid_argument);
    CHECK(space->unmap({VirtAddr{gib}, VirtAddr{2 * gib - 1}}).error() == Error::invalid_argument);
    CHECK(space->unmap({VirtAddr{gib}, VirtAddr{gib}}).error() == Error::invalid_argument);
    CHECK(space->unmap({VirtAddr{2 * gib}, VirtAddr{gib}}).error() == Error::invalid_argument);
    CHECK(space->unmap({VirtAddr{gib}, VirtAddr{1ULL << 47}}).error() == Error::invalid_argument);
    CHECK(space->unmap({VirtAddr{0}, VirtAddr{2 * gib}}).error() == Error::invalid_argument);
    CHECK(space->unmap({VirtAddr{0xffff800000000000}, VirtAddr{0xffff900000000000}}).error() ==
          Error::invalid_argument);
    CHECK(picture(*space) == before);
}

TEST_CASE("spaces do not see each other, and all is given back at the end") {
    Machine machine;
    {
        Space warm(machine);
        REQUIRE(warm->map(fixed(gib, gib)).ok());
        REQUIRE(machine.write_word(*warm, VirtAddr{gib}, 1) == Resolution::resolved);
    }
    const Totals before = Totals::now();
    {
        Space first(machine);
        Space second(machine);
        for (Space* space : {&first, &second}) {
            REQUIRE((*space)->map(fixed(gib, 3 * tib)).ok());
            REQUIRE((*space)->map(fixed(mib, 100 * page_size, Access::read())).ok());
        }
        for (std::uint64_t page = 0; page < 40; ++page) {
            const VirtAddr address{gib + page * (512 * gib / 16) + page * page_size};
            REQUIRE(machine.write_word(*first, address, page + 1) == Resolution::resolved);
            REQUIRE(machine.write_word(*second, address, ~page) == Resolution::resolved);
            CHECK(machine.read_word(*first, address) == page + 1);
        }
        CHECK(first->counts().anonymous == 40);
        CHECK(machine.read_word(*second, VirtAddr{mib}) == 0);
        check_good(machine, first);
        check_good(machine, second);
    }
    CHECK(Totals::now() == before);
}

TEST_CASE("windows show frames of somebody else, and never free them") {
    Machine machine;
    const PhysAddr device = machine.reserve(4 * page_size);
    const auto owned = allocate_frames(FrameKind::kernel, 1);
    REQUIRE(owned.ok());
    const Totals before = Totals::now();
    {
        Space space(machine);
        const auto at = space->map_window({.frames = device,
                                           .pages = {4},
                                           .access = Access::read_write(),
                                           .type = MemoryType::uncached});
        REQUIRE(at.ok());
        const auto kernel = space->map_window({.frames = *owned, .pages = {2}});
        REQUIRE(kernel.ok());
        REQUIRE(machine.write_word(*space, *at + page_size + 8, 42) == Resolution::resolved);
        CHECK(static_cast<std::uint64_t*>(direct(device + page_size))[1] == 42);
        CHECK(machine.touch(*space, *at, shim::Operation::read).faults == 0);
        CHECK(machine.write_word(*space, *kernel, 1) == Resolution::forbidden);
        CHECK(space->counts().anonymous == 0);
        const auto runs = all_runs(*space);
        REQUIRE(runs.size() == 2);
        for (const abi::Run& run : runs) {
            CHECK(run.origin == abi::Origin::window);
            CHECK(run.present == (run.end - run.start) / page_size);
        }
        check_good(machine, space);
        REQUIRE(space->unmap({*at, *at + page_size}).ok());
        check_good(machine, space);
        CHECK(frame_record(*owned).kind == FrameKind::kernel);
    }
    CHECK(frame_record(*owned).kind == FrameKind::kernel);
    CHECK(frame_record(*owned).references.load() >= 1);
    CHECK(Totals::now().by_kind[static_cast<unsigned>(FrameKind::kernel)] ==
          before.by_kind[static_cast<unsigned>(FrameKind::kernel)]);
    free_frames(*owned, 1);
}

TEST_CASE("emptied tables are kept for reuse, but not without end") {
    Machine machine;
    Space space(machine);
    std::uint64_t most = 0;
    for (std::uint64_t n = 0; n < 60; ++n) {
        const std::uint64_t address = (1 + n * 7) * gib + n * page_size;
        REQUIRE(space->map(fixed(address, page_size)).ok());
        REQUIRE(machine.write_word(*space, VirtAddr{address}, n) == Resolution::resolved);
        REQUIRE(space->unmap(range_of(address, page_size)).ok());
        most = std::max(most, space->counts().tables);
        check_good(machine, space);
    }
    CHECK(most < 30);
    CHECK(all_runs(*space).empty());
    // What holds something is never given back.
    REQUIRE(space->map(fixed(100 * gib, page_size)).ok());
    REQUIRE(machine.write_word(*space, VirtAddr{100 * gib}, 7) == Resolution::resolved);
    for (std::uint64_t n = 1; n < 60; ++n) {
        const std::uint64_t address = 100 * gib + n * 2 * mib;
        REQUIRE(space->map(fixed(address, page_size)).ok());
        REQUIRE(space->unmap(range_of(address, page_size)).ok());
    }
    CHECK(machine.read_word(*space, VirtAddr{100 * gib}) == 7);
    CHECK(space->counts().tables < 30);
    check_good(machine, space);
}

TEST_CASE("windows change their rights within their ceiling, and refuse what they can't be") {
    Machine machine;
    Space space(machine);
    const PhysAddr device = machine.reserve(2 * page_size);
    const auto window = [&](MemoryType type) {
        const auto at = space->map_window(
            {.frames = device, .pages = {2}, .access = Access::read_write(), .type = type});
        REQUIRE(at.ok());
        return VirtRange{*at, *at + 2 * page_size};
    };
    const VirtRange plain = window(MemoryType::write_back);
    const VirtRange uncached = window(MemoryType::uncached);
    for (const VirtRange& range : {plain, uncached}) {
        REQUIRE(machine.write_word(*space, range.start, 5) == Resolution::resolved);
        REQUIRE(space->protect(range, Access::read()).ok());
        CHECK(machine.write_word(*space, range.start, 6) == Resolution::forbidden);
        REQUIRE(space->protect(range, Access::read_write()).ok());
        CHECK(machine.write_word(*space, range.start, 6) == Resolution::resolved);
        CHECK(space->protect(range, Access::read_execute()).error() == Error::not_permitted);
        CHECK(faults_of(machine, *space) == "");
    }
    CHECK(space->protect(uncached, Access::none()).error() == Error::not_permitted);
    REQUIRE(space->protect(plain, Access::none()).ok());
    CHECK(machine.touch(*space, plain.start, shim::Operation::read).resolution ==
          Resolution::forbidden);
    REQUIRE(space->protect(plain, Access::read()).ok());
    CHECK(machine.read_word(*space, plain.start) == 6);
    REQUIRE(space->discard(plain).ok());
    CHECK(machine.read_word(*space, plain.start) == 6);
    CHECK(space->map_window({.frames = device, .pages = {0}}).error() == Error::invalid_argument);
    CHECK(space->map_window({.frames = device + 1, .pages = {1}}).error() ==
          Error::invalid_argument);
    CHECK(space
              ->map_window({.frames = device,
                            .address = plain.start,
                            .pages = {1},
                            .placement = Placement::fixed})
              .error() == Error::already_mapped);
    CHECK(faults_of(machine, *space) == "");
}
