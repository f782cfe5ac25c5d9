// SPDX-License-Identifier: MIT
// Memory that moves, or is shared: every kind of entry, every failure. What random ones do is in
// vm_transfer_model_test.
#include "shim/check.hpp"
#include "shim/objects.hpp"
#include "vm/quota.hpp"

#include <doctest/doctest.h>

namespace {

using namespace vm;
using shim::faults_of;
using shim::Likeness;
using shim::Machine;
using shim::MachineOptions;
using shim::Operation;
using shim::picture;
using shim::range_of;
using shim::Space;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t here = 64 * mib;
constexpr std::uint64_t there = 256 * mib;

void map(Space& space, std::uint64_t start, std::uint64_t pages, bool huge = false) {
    REQUIRE(space
                ->map({.address = VirtAddr{start},
                       .pages = {pages},
                       .placement = Placement::fixed,
                       .huge = huge})
                .ok());
}
void write(Machine& machine, Space& space, std::uint64_t at, std::uint64_t value) {
    REQUIRE(machine.write_word(*space, VirtAddr{at}, value) == Resolution::resolved);
}
TransferRequest fixed(std::uint64_t from, std::uint64_t pages, std::uint64_t to,
                      Ceiling most = Ceiling::all()) {
    return {.from = range_of(from, pages * page_size),
            .address = VirtAddr{to},
            .placement = Placement::fixed,
            .most = most};
}
PhysAddr frame_at(Space& space, VirtAddr at) {
    const auto frame = space->frame_of(at);
    REQUIRE(frame.ok());
    return *frame;
}
bool is_block(Space& space, std::uint64_t at) {
    const auto [entry, level] = space->locate(VirtAddr{at});
    return level == 2 && entry.present();
}

} // namespace

TEST_CASE("a block moves as one entry to where it fits, and page by page elsewhere") {
    Machine machine;
    Space space(machine);
    map(space, here, 512, true);
    for (std::uint64_t page = 0; page < 512; ++page)
        write(machine, space, here + page * page_size, page + 1);
    REQUIRE(is_block(space, here));
    const PhysAddr frame = frame_at(space, VirtAddr{here});
    const std::uint64_t charged = space->account().charged().value;
    REQUIRE(space->remap(fixed(here, 512, there)).ok());
    CHECK(is_block(space, there));
    CHECK(frame_at(space, VirtAddr{there}) == frame);
    CHECK(space->account().charged().value == charged);
    const std::uint64_t uneven = there + 32 * mib + 5 * page_size;
    REQUIRE(space->remap(fixed(there, 512, uneven)).ok());
    for (std::uint64_t page = 0; page < 512; ++page)
        REQUIRE(machine.read_word(*space, VirtAddr{uneven + page * page_size}) == page + 1);
    CHECK(frame_at(space, VirtAddr{uneven}) == frame);
    // And back: the block folds again.
    REQUIRE(space->remap(fixed(uneven, 512, here)).ok());
    CHECK(frame_at(space, VirtAddr{here}) == frame);
    CHECK(is_block(space, here));
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("what is reserved and untouched moves as few entries, wherever it goes") {
    Machine machine;
    Space space(machine);
    constexpr std::uint64_t gib = 1ULL << 30;
    REQUIRE(space
                ->map({.address = VirtAddr{64 * gib},
                       .pages = {64 * gib / page_size},
                       .placement = Placement::fixed,
                       .noreserve = true})
                .ok());
    REQUIRE(space->remap(fixed(64 * gib, 64 * gib / page_size, 512 * gib + page_size)).ok());
    CHECK(picture(*space).find("8000001000-9000001000 rw-") != std::string::npos);
    CHECK(space->counts().tables < 12);
    REQUIRE(space->remap(fixed(512 * gib + page_size, 64 * gib / page_size, 64 * gib)).ok());
    CHECK(space->locate(VirtAddr{64 * gib}).level == 3);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("objects' pages, copies of them and windows are what they were, with other ids") {
    Machine machine;
    const ObjectRef object = shim::paged_object(8);
    for (std::uint64_t page = 0; page < 8; ++page)
        REQUIRE(shim::supply(*object, page, 100 + page).ok());
    Space one(machine);
    Space other(machine);
    for (const bool is_private : {false, true})
        REQUIRE(one->map_object({.object = object.get(),
                                 .address = VirtAddr{here + (is_private ? 8 : 0) * page_size},
                                 .pages = {8},
                                 .placement = Placement::fixed,
                                 .access = Access::read_write(),
                                 .is_private = is_private})
                    .ok());
    CHECK(machine.read_word(*one, VirtAddr{here + page_size}) == 101);
    write(machine, one, here + 10 * page_size, 77); // a copy
    REQUIRE(one->move_to(*other, fixed(here, 16, there)).ok());
    CHECK(picture(*one) == "");
    CHECK(machine.read_word(*other, VirtAddr{there + page_size}) == 101);
    CHECK(machine.read_word(*other, VirtAddr{there + 10 * page_size}) == 77);
    CHECK(machine.read_word(*other, VirtAddr{there + 11 * page_size}) == 103);
    // The copy finds its file again.
    REQUIRE(other->discard(range_of(there + 10 * page_size, page_size)).ok());
    CHECK(machine.read_word(*other, VirtAddr{there + 10 * page_size}) == 102);
    // And the evictor the page.
    REQUIRE(object->evict(3).ok());
    CHECK(machine.touch(*other, VirtAddr{there + 11 * page_size}, Operation::read).resolution ==
          Resolution::needs_page);
    // Writes are seen by who maps it too.
    write(machine, other, there + 2 * page_size, 55);
    REQUIRE(other->share_with(*one, fixed(there, 16, here, Ceiling::of(Access::read())), {}).ok());
    CHECK(machine.read_word(*one, VirtAddr{here + 2 * page_size}) == 55);
    CHECK(machine.write_word(*one, VirtAddr{here + 2 * page_size}, 1) == Resolution::forbidden);
    CHECK(one->protect(range_of(here, page_size), Access::read_write()).error() ==
          Error::not_permitted);
    const PhysAddr device{1ULL << 38};
    REQUIRE(other
                ->map_window({.frames = device,
                              .address = VirtAddr{there + 32 * page_size},
                              .pages = {2},
                              .placement = Placement::fixed,
                              .access = Access::read_write(),
                              .type = MemoryType::uncached})
                .ok());
    CHECK(other->share_with(*one, fixed(there + 32 * page_size, 2, there, Ceiling::none()), {})
              .error() == Error::not_permitted);
    REQUIRE(other->share_with(*one, fixed(there + 32 * page_size, 2, there), {}).ok());
    CHECK(frame_at(one, VirtAddr{there + page_size}) == device + page_size);
    CHECK(one->locate(VirtAddr{there}).entry.memory_type() == MemoryType::uncached);
    CHECK(faults_of(machine, *one) == "");
    CHECK(faults_of(machine, *other) == "");
}

TEST_CASE("what is given is charged to who has it, and refused where there is no room for it") {
    Machine machine;
    const auto quota = QuotaRef::make({}, {60});
    REQUIRE(quota.ok());
    Space one(machine);
    Space limited(machine, quota->get());
    map(one, here, 100);
    write(machine, one, here, 1);
    const Likeness before = Likeness::of(*one);
    const Likeness there_before = Likeness::of(*limited);
    CHECK(one->move_to(*limited, fixed(here, 100, there)).error() == Error::limit_reached);
    CHECK(Likeness::of(*one) == before);
    CHECK(Likeness::of(*limited) == there_before);
    const std::uint64_t mine = one->account().charged().value;
    const std::uint64_t its = limited->account().charged().value;
    REQUIRE(one->move_to(*limited, fixed(here, 40, there)).ok());
    CHECK(one->account().charged().value == mine - 40);
    CHECK(limited->account().charged().value >= its + 40);
    CHECK(machine.read_word(*limited, VirtAddr{there}) == 1);
    CHECK(kernel_space().remap(fixed(here, 1, there)).error() == Error::unsupported);
    CHECK(faults_of(machine, *one) == "");
    CHECK(faults_of(machine, *limited) == "");
}

TEST_CASE("at its limit a space can still move what it has") {
    Machine machine;
    const auto quota = QuotaRef::make({}, {400});
    REQUIRE(quota.ok());
    Space space(machine, quota->get());
    map(space, here, 380);
    REQUIRE(space->remap(fixed(here, 380, there)).ok());
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("a move for which an allocation fails changes nothing") {
    for (const bool shares : {false, true}) {
        CAPTURE(shares);
        bool refused = true;
        for (std::uint64_t allowed = 0; refused; ++allowed) {
            CAPTURE(allowed);
            REQUIRE(allowed < 200);
            Machine machine({.zones = MachineOptions::small_zones(), .commit_limit = {1ULL << 40}});
            const ObjectRef object = shim::zeros_object(4);
            Space one(machine);
            Space other(machine);
            map(one, here, 600);
            write(machine, one, here + 3 * page_size, 3);
            write(machine, one, here + 590 * page_size, 590);
            REQUIRE(one->map_object({.object = object.get(),
                                     .address = VirtAddr{here + 8 * page_size},
                                     .pages = {4},
                                     .placement = Placement::replace,
                                     .access = Access::read_write()})
                        .ok());
            const Likeness before = Likeness::of(*one);
            const Likeness there_before = Likeness::of(*other);
            const auto request = fixed(here, 600, there + 7 * page_size);
            shim::fail_allocation_after(allowed);
            const auto first =
                shares ? one->share_with(*other, request, {}) : one->move_to(*other, request);
            refused = shim::allow_allocations();
            if (!first.ok()) {
                CHECK(first.error() == Error::no_memory);
                CHECK(picture(*other) == there_before.runs);
                // Memory that became an object already stays one: it reads the same.
                if (!shares) CHECK(picture(*one) == before.runs);
                CHECK(machine.read_word(*one, VirtAddr{here + 590 * page_size}) == 590);
                REQUIRE(
                    (shares ? one->share_with(*other, request, {}) : one->move_to(*other, request))
                        .ok());
            }
            CHECK(faults_of(machine, *one) == "");
            CHECK(faults_of(machine, *other) == "");
            CHECK(machine.read_word(*other, VirtAddr{there + 10 * page_size}) == 3);
            CHECK(machine.read_word(*other, VirtAddr{there + 597 * page_size}) == 590);
        }
    }
}

TEST_CASE("memory that is watched until its first touch moves, and is not shared") {
    Machine machine;
    Space space(machine);
    map(space, here, 4);
    REQUIRE(space->watch(range_of(here, 4 * page_size), Access::read_write()).ok());
    CHECK(space->share_with(*space, fixed(here, 4, there), {}).error() == Error::unsupported);
    REQUIRE(space->remap(fixed(here, 4, there)).ok());
    CHECK(machine.touch(*space, VirtAddr{there}, Operation::write).resolution ==
          Resolution::watched);
    AddressSpace::Located refused{};
    CHECK(space->tell(VirtAddr{there}, {.write = true}, refused) == Resolution::watched);
    CHECK(machine.write_word(*space, VirtAddr{there}, 1) == Resolution::resolved);
    CHECK(faults_of(machine, *space) == "");
}
