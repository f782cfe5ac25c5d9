// SPDX-License-Identifier: MIT
// Handles and what stands behind them, used by several CPUs at once. Nothing here blocks: threads
// that wait need a scheduler, whose hosted stacks are one thread's (shim/fiber.hpp).
#include "parallel/workers.hpp"
#include "proc/endpoint.hpp"
#include "proc/notification.hpp"
#include "proc/process.hpp"

#include <array>
#include <atomic>

namespace {

using namespace parallel;
using proc::Grant;
using proc::Process;
using proc::Ref;

Ref<Process> new_process() {
    auto made = Process::create("worker", {});
    if (!made) shim::complain("process");
    return std::move(*made);
}

/// One of a few handles that all CPUs know.
class Board {
public:
    abi::Handle any(Random& random) const { return at(random).load(); }
    abi::Handle exchange(Random& random, abi::Handle handle) { return at(random).exchange(handle); }
    template <typename Visit>
    void for_each(Visit visit) {
        for (auto& place : places_) visit(place.exchange(abi::no_handle));
    }

private:
    std::atomic<abi::Handle>& at(Random& random) const {
        return places_[random.from(0, places_.size() - 1)];
    }
    mutable std::array<std::atomic<abi::Handle>, 8> places_{};
};

Result<abi::Handle> insert_new(Process& owner, Random& random) {
    if (random.one_in(2)) {
        auto made = proc::Notification::create(owner);
        expect_done(made, "notification");
        return owner.handles().insert(Grant(**made, abi::right_all));
    }
    auto made = proc::Endpoint::create(owner);
    expect_done(made, "endpoint");
    return owner.handles().insert(Grant(**made, abi::right_all));
}

} // namespace

TEST_CASE("parallel: one handle table, from which others take what one is about to use") {
    FourCpus machine;
    proc::initialise_processes();
    {
        const Ref<Process> owner = new_process();
        Board board;
        CHECK(shim::run_parallel(machine, cpus, [&](unsigned cpu) {
                  Random random(cpu);
                  proc::HandleTable& handles = owner->handles();
                  for (unsigned round = rounds(1500); round-- != 0;) {
                      const abi::Handle handle = board.any(random);
                      switch (random.from(0, 3)) {
                      case 0: {
                          const auto made = insert_new(*owner, random);
                          expect_done(made, "insert");
                          const abi::Handle old = board.exchange(random, *made);
                          if (old != abi::no_handle) expect_done(handles.remove(old), "remove");
                          break;
                      }
                      case 1:
                          if (auto found =
                                  handles.lock_object<proc::Notification>(handle, abi::right_send))
                              (*found)->signal(1);
                          break;
                      case 2:
                          if (auto grant = handles.grant(handle, abi::right_duplicate)) {
                              const auto copy = handles.insert(std::move(*grant));
                              expect_done(copy, "insert a copy");
                              expect_done(handles.remove(*copy), "remove a copy");
                          }
                          break;
                      default: expect(handles.count() <= 100, "handles that nobody closes");
                      }
                      shim::take_interrupts();
                  }
              }) == "");
        board.for_each([&](abi::Handle handle) {
            if (handle != abi::no_handle) CHECK(owner->handles().remove(handle).ok());
        });
        CHECK(owner->handles().count() == 0);
    }
    proc::validate_spaces();
    CHECK(machine.complaints(vm::kernel_space()) == "");
}

TEST_CASE("parallel: processes are made and end, while others look at them") {
    FourCpus machine;
    proc::initialise_processes();
    {
        const Ref<Process> owner = new_process();
        Board board;
        CHECK(shim::run_parallel(machine, cpus, [&](unsigned cpu) {
                  Random random(cpu);
                  proc::HandleTable& handles = owner->handles();
                  for (unsigned round = rounds(150); round-- != 0;) {
                      if (random.one_in(2)) {
                          const Ref<Process> made = new_process();
                          const VirtAddr at{random.from(16, 1 << 30) << page_bits};
                          expect_done(made->space().map({.address = at, .pages = {3}}), "map");
                          expect_done(made->space().populate(pages_at(at, 1)), "populate");
                          const auto handle = handles.insert(Grant(*made, abi::right_all));
                          expect_done(handle, "insert");
                          const abi::Handle old = board.exchange(random, *handle);
                          if (old != abi::no_handle) expect_done(handles.remove(old), "remove");
                      } else if (auto found =
                                     handles.find<Process>(board.any(random), abi::right_inspect)) {
                          std::array<abi::Run, 4> runs;
                          expect((*found)->query(VirtAddr{}, runs) == 2, "its two runs");
                          expect((*found)->nearest(VirtAddr{}, abi::Direction::up).has_value(),
                                 "its first run");
                          expect((*found)->info().anonymous == 1, "its one page");
                      }
                      expect(proc::map_counts().reclaimable < 1000, "emptied tables");
                      shim::take_interrupts();
                  }
              }) == "");
        board.for_each([&](abi::Handle handle) {
            if (handle != abi::no_handle) CHECK(owner->handles().remove(handle).ok());
        });
    }
    proc::validate_spaces();
}
