// SPDX-License-Identifier: MIT
// Memory in pages of 2 MiB: what a touch brings, and how changes of parts split and fold it.
#include "shim/check.hpp"
#include "vm/commit.hpp"
#include "vm/quota.hpp"
#include "vm/space.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <optional>
#include <vector>

namespace {

using namespace vm;
using shim::faults_of;
using shim::Likeness;
using shim::Machine;
using shim::Operation;
using shim::range_of;
using shim::Space;
using shim::Totals;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;
constexpr std::uint64_t block_bytes = 2 * mib;

void map(Space& space, std::uint64_t start, std::uint64_t bytes, bool noreserve = false,
         Access access = Access::read_write()) {
    REQUIRE(space
                ->map({.address = VirtAddr{start},
                       .pages = {bytes / page_size},
                       .placement = Placement::fixed,
                       .access = access,
                       .noreserve = noreserve,
                       .huge = true})
                .ok());
}
AddressSpace::Located at(Space& space, std::uint64_t address) {
    return space->locate(VirtAddr{address});
}
bool is_block(Space& space, std::uint64_t address) {
    const auto [entry, level] = at(space, address);
    return level == 2 && entry.is_leaf(level) && !entry.is_shared();
}
void write(Machine& machine, Space& space, std::uint64_t address, std::uint64_t value) {
    REQUIRE(machine.write_word(*space, VirtAddr{address}, value) == Resolution::resolved);
}
std::uint64_t read(Machine& machine, Space& space, std::uint64_t address) {
    return machine.read_word(*space, VirtAddr{address});
}
/// Makes the block at `start` one page, with a word of its own in every 4 KiB.
void fill(Machine& machine, Space& space, std::uint64_t start) {
    for (std::uint64_t page = 0; page < 512; ++page)
        write(machine, space, start + page * page_size + 8, page + 1);
    REQUIRE(is_block(space, start));
}
bool is_filled(Machine& machine, Space& space, std::uint64_t start, std::uint64_t from = 0,
               std::uint64_t to = 512) {
    for (std::uint64_t page = from; page < to; ++page) {
        if (read(machine, space, start + page * page_size + 8) != page + 1) return false;
        if (read(machine, space, start + page * page_size + 4088) != 0) return false;
    }
    return true;
}
std::uint64_t charged(Space& space) { return space->account().charged().value; }
/// Takes single pages until no block is free.
std::vector<PhysAddr> use_up_blocks() {
    std::vector<PhysAddr> taken;
    std::vector<PhysAddr> blocks;
    while (const auto block = allocate_frames(FrameKind::kernel, block_order))
        blocks.push_back(*block);
    for (const PhysAddr block : blocks) {
        split_frames(block, block_order);
        for (std::uint64_t page = 0; page < 512; ++page) {
            if (page == 0)
                taken.push_back(block);
            else
                free_frame(block + page * page_size);
        }
    }
    return taken;
}

} // namespace

TEST_CASE("a touch of huge memory brings 2 MiB of zeros at once") {
    for (const Operation operation : {Operation::read, Operation::write}) {
        for (const bool mirrored : {false, true}) {
            Machine machine({.mirrored_roots = mirrored});
            Space space(machine);
            map(space, gib, 3 * block_bytes);
            const std::uint64_t before = charged(space);
            const std::uint64_t tables = space->counts().tables;
            const auto touch = machine.touch(*space, VirtAddr{gib + 5 * page_size}, operation);
            CHECK(touch.resolution == Resolution::resolved);
            CHECK(touch.faults == 1);
            CHECK(is_block(space, gib));
            CHECK(at(space, gib + block_bytes).entry.kind(2) == EntryKind::lazy);
            CHECK(at(space, gib).entry.is_huge());
            CHECK(at(space, gib).entry.access() == Access::read_write());
            CHECK(space->counts().anonymous == 512);
            CHECK(space->counts().tables == tables);
            CHECK(charged(space) == before);
            for (std::uint64_t offset = 0; offset < block_bytes; offset += page_size / 2) {
                if (read(machine, space, gib + offset) != 0) FAIL("not zero");
            }
            CHECK(machine.touch(*space, VirtAddr{gib + mib}, Operation::write).faults == 0);
            CHECK(faults_of(machine, *space) == "");
        }
    }
}

TEST_CASE("memory that may not be written shares the frame of zeros, in small pages") {
    Machine machine;
    Space space(machine);
    map(space, gib, block_bytes, false, Access::read());
    CHECK(read(machine, space, gib + 7 * page_size) == 0);
    CHECK(at(space, gib + 7 * page_size).level == 1);
    CHECK(space->counts().anonymous == 0);
    CHECK(machine.touch(*space, VirtAddr{gib}, Operation::write).resolution ==
          Resolution::forbidden);
    // Without that page, and with rights, it is huge as ever.
    REQUIRE(space->protect(range_of(gib, block_bytes), Access::read_write()).ok());
    REQUIRE(space->discard(range_of(gib + 7 * page_size, page_size)).ok());
    write(machine, space, gib, 1);
    CHECK(is_block(space, gib));
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("huge mappings begin where a large page fits; their edges are small") {
    Machine machine;
    Space space(machine);
    const auto small = space->map({.pages = {3}, .huge = true});
    REQUIRE(small.ok());
    CHECK(small->value % block_bytes == 0);
    const auto large = space->map({.pages = {512 + 3}, .huge = true});
    REQUIRE(large.ok());
    CHECK(large->value % block_bytes == 0);
    write(machine, space, large->value + 4 * page_size, 1);
    write(machine, space, large->value + block_bytes + page_size, 2);
    CHECK(is_block(space, large->value));
    CHECK(at(space, large->value + block_bytes + page_size).level == 1);
    CHECK(at(space, large->value + block_bytes).entry.kind(1) == EntryKind::lazy);
    // Where the address is given the edges are small, and what lies between is large.
    map(space, gib + 5 * page_size, 3 * block_bytes);
    for (std::uint64_t n = 0; n < 4; ++n)
        write(machine, space, gib + n * block_bytes + (n == 3 ? 0 : 9) * page_size, n);
    CHECK(at(space, gib + 9 * page_size).level == 1);
    CHECK(is_block(space, gib + block_bytes));
    CHECK(is_block(space, gib + 2 * block_bytes));
    CHECK(at(space, gib + 3 * block_bytes).level == 1);
    // Page by page, up to a whole one: then it is one.
    for (std::uint64_t page = 0; page < 5; ++page)
        map(space, gib + 3 * block_bytes + (507 + page) * page_size, page_size);
    REQUIRE(space->grow(VirtAddr{gib + 3 * block_bytes + 5 * page_size}, {502}, abi::Direction::up)
                .ok());
    REQUIRE(space->discard(range_of(gib + 3 * block_bytes, page_size)).ok());
    CHECK(at(space, gib + 3 * block_bytes).level == 2);
    write(machine, space, gib + 3 * block_bytes, 5);
    CHECK(is_block(space, gib + 3 * block_bytes));
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("changes of a part split a block, and folding makes it one again") {
    for (const bool noreserve : {false, true}) {
        CAPTURE(noreserve);
        Machine machine;
        Space space(machine);
        map(space, gib, 2 * block_bytes, noreserve);
        fill(machine, space, gib);
        const Totals totals = Totals::now();
        const Likeness before = Likeness::of(*space);
        const PhysAddr frame = *space->frame_of(VirtAddr{gib});
        const auto split = [&](std::uint64_t page) { return at(space, gib + page * page_size); };
        for (const Access access : {Access::read(), Access::none(), Access::read_execute()}) {
            CAPTURE(access.bits());
            for (const std::uint64_t page : {0ULL, 77ULL, 511ULL}) {
                const VirtRange part = range_of(gib + page * page_size, page_size);
                REQUIRE(space->protect(part, access).ok());
                CHECK(split(page).level == 1);
                CHECK(split(page).entry.is_huge());
                CHECK(*space->frame_of(part.start) == frame + page * page_size);
                CHECK(charged(space) == before.charged);
                CHECK(space->counts().anonymous == 512);
                const bool readable = access.readable();
                const auto seen = machine.touch(*space, part.start, Operation::read).resolution;
                CHECK((seen == Resolution::resolved) == readable);
                CHECK(machine.touch(*space, part.start, Operation::write).resolution ==
                      Resolution::forbidden);
                CHECK(faults_of(machine, *space) == "");
                REQUIRE(space->protect(part, Access::read_write()).ok());
                CHECK(is_block(space, gib));
                CHECK(split(page).entry.frame() == frame);
                CHECK(Likeness::of(*space) == before);
                CHECK(Totals::now() == totals);
                CHECK(faults_of(machine, *space) == "");
            }
        }
        CHECK(is_filled(machine, space, gib));
        // Half and half, until all is alike.
        REQUIRE(space->protect(range_of(gib, mib), Access::read()).ok());
        CHECK_FALSE(is_block(space, gib));
        REQUIRE(space->protect(range_of(gib + mib, mib), Access::read()).ok());
        CHECK(is_block(space, gib));
        CHECK(at(space, gib).entry.access() == Access::read());
        CHECK(faults_of(machine, *space) == "");
        CHECK(is_filled(machine, space, gib));
    }
}

TEST_CASE("accessed and dirty bits survive splits and folds") {
    Machine machine;
    Space space(machine);
    map(space, gib, block_bytes);
    CHECK(read(machine, space, gib) == 0);
    const VirtRange page = range_of(gib + 9 * page_size, page_size);
    const auto part = [&](bool dirty) {
        REQUIRE(space->protect(page, Access::read()).ok());
        for (std::uint64_t n = 0; n < 512; n += 37) {
            CHECK(at(space, gib + n * page_size).entry.accessed());
            CHECK(at(space, gib + n * page_size).entry.dirty() == dirty);
        }
    };
    part(false);
    write(machine, space, gib + 100 * page_size, 3); // dirty in one page only
    REQUIRE(space->protect(page, Access::read_write()).ok());
    REQUIRE(is_block(space, gib));
    CHECK(at(space, gib).entry.dirty());
    CHECK(at(space, gib).entry.accessed());
    part(true);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("a parked block keeps its memory, whole or in parts") {
    Machine machine;
    Space space(machine);
    map(space, gib, 2 * block_bytes);
    fill(machine, space, gib);
    const Likeness before = Likeness::of(*space);
    const PhysAddr frame = *space->frame_of(VirtAddr{gib});
    REQUIRE(space->protect(range_of(gib, block_bytes), Access::none()).ok());
    CHECK(at(space, gib).level == 2);
    CHECK(at(space, gib).entry.kind(2) == EntryKind::parked);
    CHECK(*space->frame_of(VirtAddr{gib + mib}) == frame + mib);
    CHECK(machine.touch(*space, VirtAddr{gib}, Operation::read).resolution ==
          Resolution::forbidden);
    CHECK(charged(space) == before.charged);
    CHECK(faults_of(machine, *space) == "");
    // A part comes back: the rest stays parked, in small entries.
    REQUIRE(space->protect(range_of(gib + mib, page_size), Access::read_write()).ok());
    CHECK(read(machine, space, gib + mib + 8) == 257);
    CHECK(at(space, gib).level == 1);
    CHECK(at(space, gib).entry.kind(1) == EntryKind::parked);
    CHECK(charged(space) == before.charged);
    CHECK(faults_of(machine, *space) == "");
    // Parked again it is one entry, and one page when it comes back.
    REQUIRE(space->protect(range_of(gib + mib, page_size), Access::none()).ok());
    CHECK(at(space, gib).level == 2);
    CHECK(at(space, gib).entry.parked_frame() == frame);
    CHECK(faults_of(machine, *space) == "");
    REQUIRE(space->protect(range_of(gib, block_bytes), Access::read_write()).ok());
    CHECK(is_block(space, gib));
    CHECK(Likeness::of(*space) == before);
    CHECK(is_filled(machine, space, gib));
    // Taken out while it is parked.
    REQUIRE(space->protect(range_of(gib, block_bytes), Access::none()).ok());
    REQUIRE(space->unmap(range_of(gib, mib)).ok());
    CHECK(space->counts().anonymous == 256);
    REQUIRE(space->unmap(range_of(gib, 2 * block_bytes)).ok());
    CHECK(space->counts().anonymous == 0);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("discard and unmap of parts give single frames back, and blocks come together again") {
    for (const bool noreserve : {false, true}) {
        CAPTURE(noreserve);
        Machine machine;
        Space space(machine);
        map(space, gib, block_bytes, noreserve);
        const Totals start = Totals::now();
        const std::uint64_t charge = charged(space);
        const auto free = [] {
            return Totals::now().by_kind[static_cast<unsigned>(FrameKind::free)];
        };
        fill(machine, space, gib);
        CHECK(charged(space) == charge + (noreserve ? 513 : 0));
        const std::uint64_t with_block = free();
        REQUIRE(space->discard(range_of(gib + 100 * page_size, 50 * page_size)).ok());
        CHECK(space->counts().anonymous == 462);
        CHECK(charged(space) == charge + (noreserve ? 513 - 50 : 0));
        CHECK(is_filled(machine, space, gib, 0, 100));
        CHECK(is_filled(machine, space, gib, 150, 512));
        CHECK(read(machine, space, gib + 120 * page_size + 8) == 0);
        CHECK(faults_of(machine, *space) == "");
        CHECK(free() > with_block + 40);
        // The last touched page goes: huge as at first.
        REQUIRE(space->discard(range_of(gib, 511 * page_size)).ok());
        REQUIRE(space->discard(range_of(gib + 511 * page_size, page_size)).ok());
        CHECK(at(space, gib).level == 2);
        CHECK(Totals::now() == start);
        CHECK(charged(space) == charge);
        fill(machine, space, gib);
        REQUIRE(space->unmap(range_of(gib, 3 * page_size)).ok());
        CHECK(machine.touch(*space, VirtAddr{gib}, Operation::read).resolution == Resolution::hole);
        CHECK(is_filled(machine, space, gib, 3));
        CHECK(space->counts().anonymous == 509);
        CHECK(faults_of(machine, *space) == "");
        // Mapped over, small.
        REQUIRE(space
                    ->map({.address = VirtAddr{gib + 500 * page_size},
                           .pages = {4},
                           .placement = Placement::replace})
                    .ok());
        CHECK(read(machine, space, gib + 501 * page_size + 8) == 0);
        CHECK(faults_of(machine, *space) == "");
        REQUIRE(space->unmap(range_of(gib, block_bytes)).ok());
        CHECK(faults_of(machine, *space) == "");
        map(space, gib, block_bytes, noreserve);
        CHECK(Totals::now() == start);
    }
}

TEST_CASE("whole blocks: protect, discard, unmap and mapping over need no split") {
    Machine machine;
    Space space(machine);
    map(space, gib, 4 * block_bytes);
    const Totals start = Totals::now();
    for (std::uint64_t n = 0; n < 4; ++n) fill(machine, space, gib + n * block_bytes);
    const std::uint64_t allocations = shim::allocation_count();
    REQUIRE(space->protect(range_of(gib, 4 * block_bytes), Access::read()).ok());
    for (std::uint64_t n = 0; n < 4; ++n) CHECK(is_filled(machine, space, gib + n * block_bytes));
    CHECK(machine.touch(*space, VirtAddr{gib}, Operation::write).resolution ==
          Resolution::forbidden);
    REQUIRE(space->protect(range_of(gib, 4 * block_bytes), Access::read_write()).ok());
    CHECK(faults_of(machine, *space) == "");
    REQUIRE(space->discard(range_of(gib, 2 * block_bytes)).ok());
    CHECK(space->counts().anonymous == 1024);
    CHECK(faults_of(machine, *space) == "");
    REQUIRE(space->unmap(range_of(gib + 2 * block_bytes, block_bytes)).ok());
    REQUIRE(space
                ->map({.address = VirtAddr{gib + 2 * block_bytes},
                       .pages = {1024},
                       .placement = Placement::replace,
                       .huge = true})
                .ok());
    CHECK(shim::allocation_count() == allocations);
    CHECK(space->counts().anonymous == 0);
    CHECK(Totals::now() == start);
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("a window over huge memory") {
    Machine machine;
    Space space(machine);
    map(space, gib, 2 * block_bytes);
    fill(machine, space, gib);
    const PhysAddr device = machine.reserve(4 * page_size);
    REQUIRE(space
                ->map_window({.frames = device,
                              .address = VirtAddr{gib + 8 * page_size},
                              .pages = {4},
                              .placement = Placement::replace})
                .ok());
    CHECK(is_filled(machine, space, gib, 0, 8));
    CHECK(is_filled(machine, space, gib, 12));
    CHECK(machine.touch(*space, VirtAddr{gib + 8 * page_size}, Operation::read).physical ==
          device.value);
    CHECK(faults_of(machine, *space) == "");
    // All of a block, and of a table that is empty: the window's frames are not aligned to it.
    fill(machine, space, gib + block_bytes);
    for (const std::uint64_t start : {gib + block_bytes, gib}) {
        REQUIRE(space
                    ->map_window({.frames = PhysAddr{(1ULL << 38) + page_size},
                                  .address = VirtAddr{start},
                                  .pages = {512},
                                  .placement = Placement::replace})
                    .ok());
        CHECK(at(space, start + 5 * page_size).level == 1);
        CHECK(at(space, start + 5 * page_size).entry.frame() ==
              PhysAddr{(1ULL << 38) + 6 * page_size});
        CHECK(faults_of(machine, *space) == "");
    }
    CHECK(space->counts().anonymous == 0);
}

TEST_CASE("without a free block it is small pages, and large ones again later") {
    Machine machine;
    Space space(machine);
    map(space, gib, 2 * block_bytes);
    std::vector<PhysAddr> taken = use_up_blocks();
    REQUIRE_FALSE(taken.empty());
    write(machine, space, gib + 3 * page_size, 1);
    CHECK(at(space, gib + 3 * page_size).level == 1);
    CHECK(at(space, gib + 4 * page_size).entry.kind(1) == EntryKind::lazy);
    CHECK(space->counts().anonymous == 1);
    // Where the page of the touch is small, so are its neighbours.
    for (const PhysAddr frame : taken) free_frame(frame);
    shim::Totals::now();
    write(machine, space, gib + 4 * page_size, 2);
    CHECK(space->counts().anonymous == 2);
    write(machine, space, gib + block_bytes, 3);
    CHECK(is_block(space, gib + block_bytes));
    REQUIRE(space->discard(range_of(gib, block_bytes)).ok());
    write(machine, space, gib, 4);
    CHECK(is_block(space, gib));
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("limits: a charged touch gets its block to the last page, an uncharged one small pages") {
    Machine machine;
    const auto quota = QuotaRef::make({}, PageCount{6 + 513 + 20});
    REQUIRE(quota.ok());
    for (const bool noreserve : {false, true}) {
        CAPTURE(noreserve);
        Space space(machine, quota->get());
        // The root and two upper tables are charged 2 each.
        map(space, gib, block_bytes, noreserve);
        if (noreserve) {
            // Too little left for a block.
            REQUIRE(
                space->map({.address = VirtAddr{2 * gib - 30 * page_size}, .pages = {30}}).ok());
        }
        write(machine, space, gib + page_size, 1);
        CHECK(is_block(space, gib) == !noreserve);
        CHECK(space->counts().anonymous == (noreserve ? 1 : 512));
        CHECK(faults_of(machine, *space) == "");
    }
}

TEST_CASE("blocks in very large reservations: tables on the way are made with them") {
    Machine machine({.commit_limit = {1ULL << 40}});
    Space space(machine);
    constexpr std::uint64_t tib = 1ULL << 40;
    for (const bool noreserve : {false, true}) {
        CAPTURE(noreserve);
        map(space, tib, tib, noreserve);
        const std::uint64_t before = charged(space);
        const std::uint64_t tables = space->counts().tables;
        write(machine, space, tib + 77 * gib + 5 * mib, 1);
        CHECK(is_block(space, tib + 77 * gib + 5 * mib));
        CHECK(space->counts().tables == tables + 2);
        CHECK(charged(space) == before + (noreserve ? 2 * 2 + 513 : 0));
        CHECK(faults_of(machine, *space) == "");
        REQUIRE(space->discard(range_of(tib, tib)).ok());
        CHECK(charged(space) == before);
        CHECK(space->counts().tables == tables);
        REQUIRE(space->unmap(range_of(tib, tib)).ok());
    }
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("single pages that happen to be a block become one") {
    Machine machine;
    Space space(machine);
    map(space, gib, block_bytes);
    fill(machine, space, gib);
    const VirtRange page = range_of(gib + 9 * page_size, page_size);
    const PhysAddr frame = *space->frame_of(page.start);
    for (const bool same : {true, false}) {
        REQUIRE(space->discard(page).ok());
        // What was given back last comes first.
        const PhysAddr next = *allocate_frame(FrameKind::kernel);
        REQUIRE(next == frame);
        if (same) free_frame(next);
        write(machine, space, page.start.value + 8, 10);
        CHECK(is_block(space, gib) == same);
        CHECK(is_filled(machine, space, gib));
        CHECK(faults_of(machine, *space) == "");
        // Nor does it with other rights, where one frame is not the block's.
        REQUIRE(space->protect(range_of(gib, block_bytes), Access::read()).ok());
        CHECK(is_block(space, gib) == same);
        REQUIRE(space->protect(range_of(gib, block_bytes), Access::read_write()).ok());
        CHECK(is_filled(machine, space, gib));
        if (!same) free_frame(next);
    }
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("the codec: a block's pages and back, with the PAT bit in its two places") {
    const auto entry = [](std::uint64_t raw) { return std::bit_cast<Entry>(raw); };
    constexpr Intent intent{Ceiling::all(), Origin::anonymous, true, true};
    const Entry leaf =
        Entry::leaf(PhysAddr{0x40200000}, Access::read_write(), 2, {.intent = intent});
    for (unsigned index = 0; index < 512; ++index) {
        const Entry page = leaf.page_of_block(index);
        CHECK(page == Entry::leaf(PhysAddr{0x40200000 + index * page_size}, Access::read_write(), 1,
                                  {.intent = intent}));
        CHECK(page.goes_on_from(leaf.page_of_block(0), index));
        CHECK_FALSE(page.goes_on_from(leaf.page_of_block(0), index + 1));
        const Entry parked = Entry::parked(PhysAddr{0x40200000}, intent, false, false);
        CHECK(parked.page_of_block(index) ==
              Entry::parked(PhysAddr{0x40200000 + index * page_size}, intent, false, false));
        CHECK(parked.page_of_block(index).goes_on_from(parked, index));
    }
    CHECK(leaf.page_of_block(0).block_of_page() == leaf);
    // SDM tables 4-18 and 4-20: PAT is bit 12 of a large leaf, 7 of a small one.
    const Entry pat = entry(leaf.raw() | 1ULL << 12 | 0x60);
    CHECK(pat.page_of_block(3).raw() == (leaf.page_of_block(3).raw() | 1ULL << 7 | 0x60));
    CHECK(pat.page_of_block(0).block_of_page() == pat);
    CHECK((leaf.raw() >> 61 & 1) == 1);
    CHECK(leaf.page_of_block(0).used_as(pat) == entry(leaf.page_of_block(0).raw() | 0x60));
}

TEST_CASE("failed allocations: huge memory touched, split, discarded") {
    using Attempt = std::optional<Error> (*)(Machine&, Space&);
    constexpr Attempt attempts[] = {
        [](Machine& machine, Space& space) -> std::optional<Error> {
            const auto how = machine.write_word(*space, VirtAddr{2 * gib + 7 * page_size}, 1);
            return how == Resolution::resolved ? std::nullopt : std::optional(Error::no_memory);
        },
        [](Machine&, Space& space) -> std::optional<Error> {
            const auto done = space->protect(range_of(gib + page_size, page_size), Access::read());
            return done ? std::nullopt : std::optional(done.error());
        },
        [](Machine&, Space& space) -> std::optional<Error> {
            const auto done = space->unmap(range_of(gib + mib, block_bytes));
            return done ? std::nullopt : std::optional(done.error());
        },
        [](Machine&, Space& space) -> std::optional<Error> {
            const auto done = space->discard(range_of(gib + mib, block_bytes));
            return done ? std::nullopt : std::optional(done.error());
        },
    };
    for (const Attempt attempt : attempts) {
        for (std::uint64_t allowed = 0;; ++allowed) {
            REQUIRE(allowed < 50);
            CAPTURE(allowed);
            Machine machine({.commit_limit = {1ULL << 40}});
            Space space(machine);
            map(space, gib, 2 * block_bytes, true);
            map(space, 2 * gib, gib, true);
            fill(machine, space, gib);
            const Likeness before = Likeness::of(*space);
            const Totals totals = Totals::now();
            shim::fail_allocation_after(allowed);
            const auto error = attempt(machine, space);
            const bool refused = shim::allow_allocations();
            if (!refused) CHECK_FALSE(error.has_value());
            if (error) {
                CHECK(*error == Error::no_memory);
                CHECK(Likeness::of(*space) == before);
                CHECK(Totals::now() == totals);
            }
            CHECK(faults_of(machine, *space) == "");
            if (error) CHECK_FALSE(attempt(machine, space).has_value());
            CHECK(faults_of(machine, *space) == "");
            if (!refused) break;
        }
    }
}
