// SPDX-License-Identifier: MIT
// Memory that four CPUs move and share between two spaces, and within them, while they use, map,
// protect and fork it.
#include "parallel/workers.hpp"
#include "shim/objects.hpp"

#include <array>
#include <optional>

namespace {

using namespace parallel;
using vm::Access;
using vm::Placement;

constexpr std::uint64_t pages = 64;
/// On both sides of the border between two page tables.
constexpr VirtAddr first_page = border - pages / 2 * page_size;

/// Every word that is ever written is a multiple of it.
constexpr std::uint64_t mark = 0x1'0000'0001;

VirtAddr some_page(Random& random) { return first_page + random.from(0, pages - 1) * page_size; }

void use(vm::AddressSpace& space, Random& random) {
    const VirtAddr page = some_page(random);
    if (random.one_in(2)) {
        static_cast<void>(shim::store_word(space, page, random.from(1, 1000) * mark));
    } else if (const auto word = shim::load_word(space, page)) {
        expect(*word % mark == 0, "a word that nobody wrote");
    }
}

/// Gives a part of one space to another one, or the same.
void give(vm::AddressSpace& from, vm::AddressSpace& to, Random& random) {
    const std::uint64_t length = random.from(1, pages / 2);
    const vm::TransferRequest request{
        .from = pages_at(first_page + random.from(0, pages - length) * page_size, length),
        .address = first_page + random.from(0, pages - length) * page_size,
        .placement = random.one_in(3) ? Placement::fixed : Placement::replace,
        .most = random.one_in(8) ? vm::Ceiling::of(Access::read()) : vm::Ceiling::all()};
    const auto given =
        random.one_in(3) ? from.share_with(to, request, {}) : from.move_to(to, request);
    if (given) return;
    const bool may_be = given.error() == Error::not_mapped ||
                        given.error() == Error::already_mapped ||
                        (&from == &to && given.error() == Error::invalid_argument);
    if (!may_be) shim::complain(std::string("given: ") + describe(given.error()));
}

void change(vm::AddressSpace& space, vm::AddressSpace& other, Random& random) {
    const VirtAddr start = some_page(random);
    const std::uint64_t length =
        random.from(1, (first_page + pages * page_size - start) / page_size);
    const VirtRange range = pages_at(start, length);
    switch (random.from(0, 15)) {
    case 0:
    case 1:
    case 2:
        expect_done(space.map({.address = start,
                               .pages = {length},
                               .placement = Placement::replace,
                               .noreserve = random.one_in(4)}),
                    "map");
        break;
    case 3: expect_done(space.unmap(range), "unmap"); break;
    case 4: {
        const auto done = space.protect(range, random.one_in(2) ? Access::none() : Access::read());
        expect_done_or(done, Error::not_mapped, "protect");
        break;
    }
    case 5: {
        const auto done = space.protect(range, Access::read_write());
        if (!done && done.error() != Error::not_permitted)
            expect_done_or(done, Error::not_mapped, "protect");
        break;
    }
    case 6: give(space, other, random); break;
    case 7: give(other, space, random); break;
    case 8: give(space, space, random); break;
    case 9: space.sweep_ids(); break;
    default: use(space, random);
    }
}

} // namespace

TEST_CASE("parallel: memory moves between spaces, and is shared, while it is used") {
    shim::Machine machine({.zones = {{PhysAddr{0x100000}, PhysAddr{0x2000000}}},
                           .cpus = cpus,
                           .processor = {},
                           .commit_limit = {1ULL << 40}});
    {
        shim::Space one(machine);
        shim::Space other(machine);
        CHECK(shim::run_parallel(machine, cpus, [&](unsigned cpu) {
                  vm::AddressSpace& space = cpu % 2 == 0 ? *one : *other;
                  vm::AddressSpace& peer = cpu % 2 == 0 ? *other : *one;
                  const shim::Running running(space);
                  Random random(cpu);
                  for (unsigned round = rounds(1500); round-- != 0;) {
                      change(space, peer, random);
                      if (cpu == 0 && random.one_in(100)) {
                          vm::AddressSpace copy;
                          expect_done(space.fork_into(copy), "fork");
                          copy.destroy();
                      }
                      shim::take_interrupts();
                  }
              }) == "");
        CHECK(shim::faults_of(machine, *one) == "");
        CHECK(shim::faults_of(machine, *other) == "");
    }
    CHECK(machine.complaints(vm::kernel_space()) == "");
    // Of frames only those that the kernel's heap keeps are not free.
    vm::drain_frame_caches();
    const auto statistics = vm::frame_statistics();
    CHECK(statistics.by_kind[static_cast<unsigned>(vm::FrameKind::cache)] == 0);
    CHECK(statistics.by_kind[static_cast<unsigned>(vm::FrameKind::anonymous)] == 0);
}

TEST_CASE("parallel: nobody has a page in one space that was moved to another") {
    // CPU 0 writes in the one, CPU 1 moves the page to and fro, CPU 2 owns it in the other: what it
    // wrote there stands there until it gives the page back.
    FourCpus machine;
    shim::Space one(machine);
    shim::Space other(machine);
    const VirtAddr page = first_page;
    REQUIRE(one->map({.address = page, .pages = {1}, .placement = Placement::fixed}).ok());
    std::atomic<unsigned> owner{1};
    std::atomic<unsigned> stores{0}; // by CPU 0: so that the page rests between two moves
    CHECK(shim::run_parallel(machine, 3, [&](unsigned cpu) {
              const shim::Running running(cpu == 2 ? *other : *one);
              for (unsigned round = rounds(300); round != 0;) {
                  if (cpu == 0) {
                      static_cast<void>(shim::store_word(*one, page, 1));
                      ++stores;
                      if (owner.load() == 3) break;
                  } else if (owner.load() == cpu) {
                      if (cpu == 1) {
                          const unsigned before = stores;
                          while (stores - before < 2) shim::pause_cpu();
                          expect_done(one->move_to(*other, {.from = pages_at(page, 1),
                                                            .address = page,
                                                            .placement = Placement::fixed}),
                                      "moved there");
                          owner.store(2);
                      } else {
                          expect(shim::store_word(*other, page, 2 + round) ==
                                     vm::Resolution::resolved,
                                 "the page is there");
                          for (unsigned look = 0; look < 20; ++look) {
                              expect(shim::load_word(*other, page) == 2 + round,
                                     "another space's write");
                              shim::take_interrupts();
                          }
                          expect_done(other->move_to(*one, {.from = pages_at(page, 1),
                                                            .address = page,
                                                            .placement = Placement::fixed}),
                                      "moved back");
                          owner.store(round == 1 ? 3 : 1);
                      }
                      --round;
                  }
                  if (cpu != 0 && owner.load() == 3) break;
                  shim::pause_cpu();
              }
          }) == "");
    CHECK(shim::faults_of(machine, *one) == "");
    CHECK(shim::faults_of(machine, *other) == "");
}
