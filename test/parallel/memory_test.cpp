// SPDX-License-Identifier: MIT
// Frames, the kernel's heap and stacks, and commit charge, used by several CPUs at once.
#include "parallel/workers.hpp"
#include "shim/payer.hpp"
#include "vm/commit.hpp"
#include "vm/heap.hpp"
#include "vm/validate.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>

namespace {

using namespace parallel;

/// Memory that is this CPU's alone: plain accesses, which race if it is not.
void fill(void* memory, std::size_t bytes, unsigned cpu) {
    std::memset(memory, static_cast<int>(cpu + 1), bytes);
}
void expect_own(const void* memory, std::size_t bytes, unsigned cpu) {
    const std::span all(static_cast<const unsigned char*>(memory), bytes);
    expect(std::ranges::all_of(all, [=](unsigned char byte) { return byte == cpu + 1; }),
           "memory that another CPU wrote");
}

} // namespace

TEST_CASE("parallel: a frame has one owner at a time") {
    FourCpus machine;
    const shim::Totals before = shim::Totals::now();
    CHECK(shim::run_parallel(machine, cpus, [](unsigned cpu) {
              struct Block {
                  PhysAddr first;
                  unsigned order;
              };
              std::deque<Block> blocks;
              Random random(cpu);
              const auto give_back = [&] {
                  const auto [first, order] = blocks.front();
                  blocks.pop_front();
                  expect_own(vm::direct(first), 64, cpu);
                  if (random.one_in(2))
                      vm::free_frames(first, order);
                  else
                      vm::release_frame(first);
              };
              for (unsigned round = rounds(4000); round-- != 0;) {
                  const unsigned order = random.one_in(3) ? unsigned(random.from(1, 5)) : 0;
                  // Two CPUs hold more than there is: so caches are drained, and some are refused.
                  const bool full = blocks.size() > (cpu < 2 ? 700 : 20);
                  if (full || (random.one_in(3) && !blocks.empty())) {
                      give_back();
                  } else if (const auto first = vm::allocate_frames(vm::FrameKind::kernel, order)) {
                      blocks.push_back({*first, order});
                      fill(vm::direct(*first), 64, cpu);
                  } else {
                      expect_done_or(first, Error::no_memory, "frames");
                      if (!blocks.empty()) give_back();
                  }
                  if (round % 64 == 0) shim::take_interrupts();
              }
              while (!blocks.empty()) give_back();
          }) == "");
    CHECK(shim::Totals::now() == before);
}

TEST_CASE("parallel: a piece of the heap has one owner at a time") {
    FourCpus machine;
    CHECK(shim::run_parallel(machine, cpus, [](unsigned cpu) {
              struct Piece {
                  void* memory;
                  std::size_t bytes;
              };
              std::deque<Piece> pieces;
              Random random(cpu);
              for (unsigned round = rounds(500); round-- != 0;) {
                  // Some are mapped by themselves: then the kernel's half changes under all CPUs.
                  const std::size_t bytes =
                      random.one_in(16) ? random.from(4097, 20'000) : random.from(1, 2000);
                  const auto memory = vm::heap_allocate(bytes);
                  expect_done(memory, "heap");
                  fill(*memory, bytes, cpu);
                  pieces.push_back({*memory, bytes});
                  if (random.one_in(4)) {
                      const auto stack = vm::allocate_kernel_stack();
                      expect_done(stack, "stack");
                      fill(reinterpret_cast<void*>(stack->start.value), 64, cpu);
                      shim::take_interrupts();
                      expect_own(reinterpret_cast<void*>(stack->start.value), 64, cpu);
                      vm::free_kernel_stack(*stack);
                  }
                  while (pieces.size() > random.from(0, 12)) {
                      expect_own(pieces.front().memory, pieces.front().bytes, cpu);
                      vm::heap_free(pieces.front().memory, pieces.front().bytes);
                      pieces.pop_front();
                  }
                  shim::take_interrupts();
              }
              for (const Piece& piece : pieces) vm::heap_free(piece.memory, piece.bytes);
          }) == "");
    CHECK(vm::validate(vm::kernel_space()) == nullptr);
    CHECK(machine.complaints(vm::kernel_space()) == "");
}

TEST_CASE("parallel: charges never exceed a quota, and all come back") {
    FourCpus machine;
    const std::uint64_t before = shim::committed_warm();
    {
        const vm::QuotaRef all = shim::quota_of(1000);
        const vm::QuotaRef half = [&] {
            auto made = vm::QuotaRef::make(all, {400});
            REQUIRE(made.ok());
            return std::move(*made);
        }();
        std::array<shim::Payer, 3> payers{shim::Payer(all), shim::Payer(half), shim::Payer(half)};
        // Counted after the charge, uncounted before the release: so never more than is charged.
        std::array<std::atomic<std::uint64_t>, 2> charged{};
        CHECK(shim::run_parallel(machine, cpus, [&](unsigned cpu) {
                  Random random(cpu);
                  std::array<std::uint64_t, 3> own{};
                  for (unsigned round = rounds(4000); round-- != 0;) {
                      const auto who = static_cast<std::size_t>(random.from(0, 2));
                      const std::uint64_t pages = random.from(1, 150);
                      std::atomic<std::uint64_t>& sum = charged[who == 0 ? 0 : 1];
                      if (own[who] != 0 && random.one_in(2)) {
                          const std::uint64_t less = std::min(own[who], pages);
                          own[who] -= less;
                          sum -= less;
                          payers[who].release({less});
                      } else if (const auto done = payers[who].charge({pages}); done.ok()) {
                          own[who] += pages;
                          expect((sum += pages) <= (who == 0 ? 1000 : 400), "more than a quota");
                      } else {
                          expect_done_or(done, Error::limit_reached, "charge");
                      }
                      if (round % 256 == 0) {
                          // A quota of its own, for a while.
                          const auto inner = vm::QuotaRef::make(half, {50});
                          expect_done_or(inner, Error::limit_reached, "quota");
                          expect(half.get()->charged() <= PageCount{400}, "the quota's own count");
                      }
                      shim::take_interrupts();
                  }
                  for (std::size_t who = 0; who < own.size(); ++who) {
                      charged[who == 0 ? 0 : 1] -= own[who];
                      payers[who].release({own[who]});
                  }
              }) == "");
        for (shim::Payer& payer : payers) CHECK(payer.pages() == 0);
        CHECK(half.get()->charged() == PageCount{0});
        CHECK(all.get()->charged() == PageCount{1}); // for the inner one
    }
    CHECK(vm::committed().value == before);
}
