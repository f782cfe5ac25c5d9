// SPDX-License-Identifier: MIT
// Pages of memory objects that are mapped, faulted in, copied, evicted, cut off and asked for by
// several CPUs that are truly at once, in two spaces and forks of them.
#include "parallel/workers.hpp"
#include "shim/objects.hpp"

#include <optional>

namespace {

using namespace parallel;
using vm::Access;
using vm::MemoryObject;
using vm::ObjectRef;
using vm::Placement;

constexpr std::uint64_t pages = 48;
/// On both sides of the border between two page tables. The pager's object lies there, and the
/// other one a bit higher, each page at its index.
constexpr VirtAddr paged_at = border - pages / 2 * page_size;
constexpr VirtAddr zeros_at = paged_at + pages * page_size;

struct Stage {
    ObjectRef paged;
    ObjectRef zeros;
};

/// A page says which one it is, or, of the object without a pager, nothing yet.
void access(vm::AddressSpace& space, const Stage& stage, Random& random) {
    const std::uint64_t index = random.from(0, pages - 1);
    const bool paged = random.one_in(2);
    const VirtAddr page = (paged ? paged_at : zeros_at) + index * page_size;
    if (random.one_in(2)) {
        const vm::Resolution how = shim::store_word(space, page, index + 1);
        if (how != vm::Resolution::needs_page) return;
        expect(paged, "memory that asks for a pager");
        static_cast<void>(shim::supply(*stage.paged, index, index + 1));
    } else if (const auto value = shim::load_word(space, page)) {
        expect(*value == index + 1 || (!paged && *value == 0), "another page's content");
    } else if (paged) {
        static_cast<void>(shim::supply(*stage.paged, index, index + 1));
    }
}

void change(vm::AddressSpace& space, const Stage& stage, Random& random) {
    const bool paged = random.one_in(2);
    const std::uint64_t first = random.from(0, pages - 1);
    const VirtRange range =
        pages_at((paged ? paged_at : zeros_at) + first * page_size, random.from(1, pages - first));
    switch (random.from(0, 15)) {
    case 0:
    case 1:
    case 2:
        expect_done(
            space.map_object({.object = paged ? stage.paged.get() : stage.zeros.get(),
                              .first_page = first,
                              .address = range.start,
                              .pages = range.pages(),
                              .placement = Placement::replace,
                              .access = Access::read_write(),
                              .ceiling = random.one_in(2) ? vm::Ceiling::all()
                                                          : vm::Ceiling::of(Access::read_write()),
                              .is_private = random.one_in(2)}),
            "map_object");
        break;
    case 3: expect_done(space.unmap(range), "unmap"); break;
    case 4:
        expect_done_or(space.protect(range, random.one_in(2) ? Access::none() : Access::read()),
                       Error::not_mapped, "protect");
        break;
    case 5:
    case 6:
        expect_done_or(space.protect(range, Access::read_write()), Error::not_mapped, "protect");
        break;
    case 7: expect_done_or(space.discard(range), Error::not_mapped, "discard"); break;
    case 8: space.sweep_ids(); break;
    default: access(space, stage, random);
    }
}

void change_objects(const Stage& stage, Random& random) {
    const std::uint64_t index = random.from(0, pages - 1);
    std::uint64_t written[pages];
    switch (random.from(0, 5)) {
    case 0:
        expect_done_or(stage.zeros->resize({random.from(1, pages)}), Error::would_block, "resize");
        break;
    case 1: stage.paged->collect_written(index, pages, written); break;
    default: static_cast<void>(stage.paged->evict(index));
    }
}

/// Forks the space that this CPU runs, works in the copy, and ends it.
void work_in_copy(vm::AddressSpace& space, const Stage& stage, Random& random,
                  std::optional<shim::Running>& running) {
    vm::AddressSpace copy;
    expect_done(space.fork_into(copy), "fork");
    running.reset();
    running.emplace(copy);
    for (unsigned steps = 12; steps != 0; --steps) {
        change(copy, stage, random);
        shim::take_interrupts();
    }
    running.reset();
    copy.destroy();
    running.emplace(space);
}

} // namespace

TEST_CASE("parallel: objects' pages come and go in spaces that map, copy and fork") {
    shim::Machine machine({.zones = {{PhysAddr{0x100000}, PhysAddr{0x1000000}}},
                           .cpus = cpus,
                           .processor = {},
                           .commit_limit = {1ULL << 40}});
    const auto work = [&] {
        const Stage stage{shim::paged_object(pages), shim::zeros_object(pages)};
        shim::Space one(machine);
        shim::Space other(machine);
        CHECK(shim::run_parallel(machine, cpus, [&](unsigned cpu) {
                  vm::AddressSpace& space = cpu == 2 ? *other : *one;
                  std::optional<shim::Running> running;
                  running.emplace(space);
                  Random random(cpu);
                  for (unsigned round = rounds(1500); round-- != 0;) {
                      if (cpu == 3)
                          change_objects(stage, random);
                      else if (random.one_in(60))
                          work_in_copy(space, stage, random, running);
                      else
                          change(space, stage, random);
                      shim::take_interrupts();
                  }
              }) == "");
        CHECK(shim::faults_of(machine, *one) == "");
        CHECK(shim::faults_of(machine, *other) == "");
    };
    work();
    CHECK(machine.complaints(vm::kernel_space()) == "");
    // Of frames only those that the kernel's heap keeps are not free.
    vm::drain_frame_caches();
    const auto statistics = vm::frame_statistics();
    CHECK(statistics.by_kind[static_cast<unsigned>(vm::FrameKind::cache)] == 0);
    CHECK(statistics.by_kind[static_cast<unsigned>(vm::FrameKind::anonymous)] == 0);
}
