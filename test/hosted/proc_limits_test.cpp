// SPDX-License-Identifier: MIT
// Limits given by spawn: memory and handles, nested, never more than the caller's; and that kernel
// memory is charged once.
#include "proc/handles.hpp"
#include "shim/booted.hpp"
#include "vm/commit.hpp"
#include "vm/heap.hpp"

#include <doctest/doctest.h>

using namespace shim;

namespace {

constexpr std::uint64_t read_write = abi::access_read | abi::access_write;

struct Limits {
    std::uint64_t memory = 0;
    std::uint64_t handles = 0;
};

/// Runs code in a child within limits to its end; the error of the spawn, if any. Its record goes.
Error run_within(const Limits& limits, std::function<void()> code,
                 const std::vector<abi::Handle>& handles = {}) {
    Plan plan(std::move(code));
    plan.plan.memory_limit = limits.memory;
    plan.plan.handle_limit = limits.handles;
    plan.handles = handles;
    const Answer child = plan.spawn();
    if (!child.ok()) return child.error;
    ask(SystemCall::wait, child.value);
    CHECK(ask(SystemCall::handle_close, child.value).ok());
    return {};
}

/// Maps one page after the other, each by itself; gives the error that ends it.
Error take_all(std::uint64_t& pages) {
    for (;; ++pages) {
        const Answer at = ask(SystemCall::map, 0x10000000, page_size, read_write, 0, 0);
        if (!at.ok()) return at.error;
    }
}

} // namespace

TEST_CASE("proc: a memory limit is met to the page, by a process and what it starts") {
    Booted booted;
    booted.run([] {
        REQUIRE(run_within({}, [] {}) == Error{});
        const std::uint64_t before = info_of(0).committed;
        bool ran = false;
        REQUIRE(run_within({.memory = 300}, [&] {
                    CHECK(info_of(0).memory_limit == 300);
                    std::uint64_t pages = 0;
                    CHECK(take_all(pages) == Error::limit_reached);
                    CHECK(info_of(0).committed == 300);
                    CHECK(pages > 200);
                    CHECK(ask(SystemCall::object_create, abi::ObjectKind::endpoint).error ==
                          Error::limit_reached);
                    CHECK(run_within({}, [] {}) == Error::limit_reached);
                    CHECK(run_within({.memory = 100}, [] {}) == Error::limit_reached);
                    REQUIRE(ask(SystemCall::unmap, 0x10000000, 100 * page_size).ok());
                    // A child without a limit of its own shares; one with a smaller one has that.
                    CHECK(run_within({}, [] {
                              CHECK(info_of(0).memory_limit == 300);
                              std::uint64_t more = 0;
                              CHECK(take_all(more) == Error::limit_reached);
                              CHECK(info_of(0).committed < 110);
                          }) == Error{});
                    CHECK(run_within({.memory = 60}, [] {
                              CHECK(info_of(0).memory_limit == 60);
                              std::uint64_t more = 0;
                              CHECK(take_all(more) == Error::limit_reached);
                              CHECK(info_of(0).committed == 60);
                          }) == Error{});
                    ran = true;
                }) == Error{});
        CHECK(ran);
        CHECK(info_of(0).committed == before);
        CHECK(info_of(0).memory_limit == vm::commit_limit().value);
    });
}

TEST_CASE("proc: no limit is given that is above the own") {
    Booted booted;
    booted.run([] {
        const std::uint64_t all = vm::commit_limit().value;
        CHECK(run_within({.memory = all}, [] {}) == Error{});
        CHECK(run_within({.memory = all + 1}, [] {}) == Error::not_permitted);
        CHECK(run_within({.memory = ~0ULL}, [] {}) == Error::not_permitted);
        CHECK(run_within({.handles = proc::HandleTable::limit}, [] {}) == Error{});
        CHECK(run_within({.handles = proc::HandleTable::limit + 1}, [] {}) == Error::not_permitted);
        CHECK(run_within({.handles = ~0ULL}, [] {}) == Error::not_permitted);
        CHECK(run_within({.memory = 1}, [] {}) == Error::limit_reached);
        bool ran = false;
        CHECK(run_within({.memory = 300, .handles = 30}, [&] {
                  CHECK(run_within({.memory = 301}, [] {}) == Error::not_permitted);
                  CHECK(run_within({.handles = 31}, [] {}) == Error::not_permitted);
                  ran = true;
              }) == Error{});
        CHECK(ran);
    });
}

TEST_CASE("proc: a handle limit counts what is open, and what is in the plan") {
    Booted booted;
    booted.run([] {
        const abi::Handle note =
            ask(SystemCall::object_create, abi::ObjectKind::notification).value;
        bool ran = false;
        CHECK(run_within(
                  {.handles = 5},
                  [&] {
                      CHECK(info_of(0).handle_limit == 5);
                      std::vector<abi::Handle> made;
                      for (int n = 0; n < 3; ++n)
                          made.push_back(ask(SystemCall::handle_duplicate, abi::initial_handle(0),
                                             abi::right_send)
                                             .value);
                      for (int n = 0; n < 2; ++n) {
                          CHECK(ask(SystemCall::object_create, abi::ObjectKind::endpoint).error ==
                                Error::limit_reached);
                          REQUIRE(ask(SystemCall::handle_close, made.back()).ok());
                          const Answer again =
                              ask(SystemCall::object_create, abi::ObjectKind::endpoint);
                          CHECK(again.ok());
                          made.back() = again.value;
                      }
                      // There is no room for the handle to a child: none is left behind.
                      CHECK(run_within({}, [] { CHECK(false); }) == Error::limit_reached);
                      ran = true;
                  },
                  {note, note}) == Error{});
        CHECK(ran);
        CHECK(run_within({.handles = 1}, [] {}, {note, note}) == Error::limit_reached);
    });
}

TEST_CASE("proc: a limit outlives the process that it was given to") {
    Booted booted;
    booted.run([] {
        const std::uint64_t before = info_of(0).committed;
        const abi::Handle go = ask(SystemCall::object_create, abi::ObjectKind::notification).value;
        const abi::Handle done =
            ask(SystemCall::object_create, abi::ObjectKind::notification).value;
        CHECK(run_within({.memory = 300},
                         [] {
                             Plan inner([] {
                                 ask(SystemCall::wait, abi::initial_handle(0));
                                 std::uint64_t pages = 0;
                                 CHECK(take_all(pages) == Error::limit_reached);
                                 CHECK(info_of(0).committed <= 300);
                                 CHECK(info_of(0).committed > 290);
                                 ask(SystemCall::signal, abi::initial_handle(1), 1);
                             });
                             inner.handles = {abi::initial_handle(0), abi::initial_handle(1)};
                             CHECK(inner.spawn().ok());
                         },
                         {go, done}) == Error{});
        ask(SystemCall::signal, go, 1);
        CHECK(ask(SystemCall::wait, done).value == 1);
        ask(SystemCall::handle_close, go);
        ask(SystemCall::handle_close, done);
        ask(SystemCall::thread_sleep, 1'000'000);
        CHECK(info_of(0).committed == before);
    });
}

TEST_CASE("proc: kernel memory is charged once") {
    Booted booted;
    booted.run([] {
        const auto thread = [] { return start_thread([] {}); };
        // Enough that the kernel's heap and its kept stacks need not grow below.
        std::vector<abi::Handle> threads;
        for (int n = 0; n < 8; ++n) threads.push_back(thread().value);
        for (const abi::Handle each : threads) {
            ask(SystemCall::wait, each);
            ask(SystemCall::handle_close, each);
        }
        const std::uint64_t committed = vm::committed().value;
        const std::uint64_t own = info_of(0).committed;
        threads.clear();
        for (int n = 0; n < 6; ++n) threads.push_back(thread().value);
        CHECK(info_of(0).committed == own + 6 * 5); // the process pays for stack and record
        CHECK(vm::committed().value == committed);  // memory as a whole has them already
        for (const abi::Handle each : threads) ask(SystemCall::wait, each);
        for (const abi::Handle each : threads) ask(SystemCall::handle_close, each);
        CHECK(info_of(0).committed == own);
        for (int n = 0; n < 10; ++n)
            CHECK(ask(SystemCall::object_create, abi::ObjectKind::endpoint).ok());
        CHECK(info_of(0).committed == own + 10);
        CHECK(vm::committed().value <= committed + 7); // a chunk of heap and its tables at most
    });
}

TEST_CASE("proc: a spawn within limits that fails for want of memory leaves nothing") {
    Booted booted;
    booted.run([] {
        for (int n = 0; n < 2; ++n) REQUIRE(run_within({.memory = 300}, [] {}) == Error{});
        vm::drain_frame_caches();
        const std::uint64_t committed = vm::committed().value;
        const std::uint64_t own = info_of(0).committed;
        for (std::uint64_t allowed = 0; allowed < 100; ++allowed) {
            CAPTURE(allowed);
            Plan plan([] {});
            plan.plan.memory_limit = 300;
            fail_allocation_after(allowed);
            const Answer child = plan.spawn();
            const bool refused = allow_allocations();
            CHECK(child.ok() != refused);
            if (child.ok()) {
                ask(SystemCall::wait, child.value);
                ask(SystemCall::handle_close, child.value);
            } else {
                CHECK(child.error == Error::no_memory);
            }
            CHECK(vm::committed().value == committed);
            CHECK(info_of(0).committed == own);
            if (!refused) return;
        }
        FAIL("never without a failure");
    });
}
