// SPDX-License-Identifier: MIT
// Threads: creation, ends, joining, sleeping, yielding, priorities.
#include "user/lib/mutex.hpp"
#include "user/lib/thread.hpp"
#include "user/selftest/child.hpp"
#include "user/selftest/framework.hpp"
#include "user/selftest/machine.hpp"

#include <array>
#include <atomic>
#include <optional>

namespace selftest {
namespace {

using user::Thread;

void create_and_join() {
    std::atomic<int> ran{0};
    auto work = [&] { ran.fetch_add(1); };
    for (int i = 0; i < 100; ++i) {
        auto thread = REQUIRE(Thread::start(work));
        EXPECT_EQUAL(REQUIRE(thread.join()), 0);
    }
    EXPECT_EQUAL(ran.load(), 100);
    EXPECT_EQUAL(REQUIRE(user::process_info(abi::no_handle)).threads, 1);
}

void exit_codes() {
    auto thread = REQUIRE(Thread::start([](void*) { user::thread_exit(77); }, nullptr));
    EXPECT_EQUAL(REQUIRE(user::thread_join(thread.handle())), 77);
    EXPECT_EQUAL(REQUIRE(user::thread_join(thread.handle())), 77); // the handle stays
    EXPECT_EQUAL(REQUIRE(thread.join()), 77);
    EXPECT_ERROR(thread.join(), Error::bad_handle);
}

void argument_arrives() {
    std::atomic<std::uint64_t> seen{0};
    struct Context {
        std::atomic<std::uint64_t>& seen;
        std::uint64_t number;
    } context{seen, 0x0123'4567'89ab'cdef};
    auto thread = REQUIRE(Thread::start(
        [](void* argument) {
            const auto* given = static_cast<Context*>(argument);
            given->seen.store(given->number);
        },
        &context));
    REQUIRE(thread.join());
    EXPECT(seen.load() == context.number);
}

void many_threads() {
    constexpr int count = 64;
    std::atomic<int> ran{0};
    auto work = [&] {
        (void)user::sleep(1'000'000);
        ran.fetch_add(1);
    };
    {
        std::array<std::optional<Thread>, count> threads;
        for (auto& thread : threads) thread.emplace(REQUIRE(Thread::start(work)));
        for (auto& thread : threads) EXPECT_OK(thread->join());
    }
    EXPECT_EQUAL(ran.load(), count);
}

void bad_arguments() {
    const auto stack = REQUIRE(user::map(page_size));
    const auto top = stack + page_size;
    constexpr unsigned priority = abi::priority_default;
    EXPECT_ERROR(user::thread_create(1ULL << 63, top, 0, priority), Error::bad_address);
    EXPECT_ERROR(user::thread_create(1ULL << 47, top, 0, priority), Error::bad_address);
    EXPECT_ERROR(user::thread_create(0x400000, 0xffff'8000'0000'0000, 0, priority),
                 Error::bad_address);
    EXPECT_ERROR(user::thread_create(0x400000, top, 0, abi::priority_count),
                 Error::invalid_argument);
    EXPECT_ERROR(user::thread_create(0x400000, top, 0, ~0ULL), Error::invalid_argument);
    EXPECT_ERROR(user::thread_priority(abi::no_handle, abi::priority_count),
                 Error::invalid_argument);
    EXPECT_ERROR(user::thread_priority(abi::no_handle, ~0ULL), Error::invalid_argument);
    EXPECT_EQUAL(REQUIRE(user::process_info(abi::no_handle)).threads, 1);
    REQUIRE(user::unmap(stack, page_size));
}

void sleeping() {
    for (const std::uint64_t time : {0ULL, 1ULL, 1'000'000ULL, 20'000'000ULL}) {
        const std::uint64_t begun = user::clock();
        EXPECT_OK(user::sleep(time));
        EXPECT(user::clock() - begun >= time);
    }
}

/// Sleepers wake in the order of their times.
void sleeping_in_order() {
    const OnOneProcessor pinned;
    std::array<int, 3> order{};
    std::atomic<unsigned> count{0};
    struct Sleeper {
        std::array<int, 3>& order;
        std::atomic<unsigned>& count;
        int name;
        std::uint64_t time;
    };
    std::array<Sleeper, 3> sleepers{{{order, count, 1, 60'000'000},
                                     {order, count, 2, 20'000'000},
                                     {order, count, 3, 40'000'000}}};
    const auto sleep = [](void* context) {
        auto& self = *static_cast<Sleeper*>(context);
        (void)user::sleep(self.time);
        self.order[self.count.fetch_add(1)] = self.name;
    };
    auto a = REQUIRE(Thread::start(sleep, &sleepers[0]));
    auto b = REQUIRE(Thread::start(sleep, &sleepers[1]));
    auto c = REQUIRE(Thread::start(sleep, &sleepers[2]));
    REQUIRE(a.join());
    REQUIRE(b.join());
    REQUIRE(c.join());
    EXPECT(order == (std::array{2, 3, 1}));
}

/// Two threads that yield take turns.
void yielding() {
    const OnOneProcessor pinned;
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> turns{0};
    auto work = [&] {
        while (!stop.load()) {
            turns.fetch_add(1);
            user::yield();
        }
    };
    auto thread = REQUIRE(Thread::start(work));
    for (int i = 0; i < 1000; ++i) user::yield();
    const std::uint64_t seen = turns.load();
    stop.store(true);
    REQUIRE(thread.join());
    EXPECT(seen >= 900);
}

/// Of two that can run, the one of higher priority does.
void priorities() {
    const OnOneProcessor pinned;
    std::array<int, 2> order{};
    std::atomic<unsigned> count{0};
    struct Worker {
        std::array<int, 2>& order;
        std::atomic<unsigned>& count;
        int name;
    };
    std::array<Worker, 2> workers{{{order, count, 1}, {order, count, 2}}};
    const auto work = [](void* context) {
        auto& self = *static_cast<Worker*>(context);
        self.order[self.count.fetch_add(1)] = self.name;
    };
    auto low = REQUIRE(Thread::start(work, &workers[0], abi::priority_default - 8));
    auto middle = REQUIRE(Thread::start(work, &workers[1], abi::priority_default - 4));
    for (int i = 0; i < 100; ++i) user::yield(); // they don't run while this one can
    EXPECT_EQUAL(count.load(), 0);
    REQUIRE(low.join());
    REQUIRE(middle.join());
    EXPECT(order == (std::array{2, 1}));
}

void changing_priority() {
    EXPECT_EQUAL(REQUIRE(user::thread_priority(abi::no_handle, 10)), abi::priority_default);
    EXPECT_EQUAL(REQUIRE(user::thread_priority(abi::no_handle, abi::priority_default)), 10);
    // Above what the process was given there is nothing.
    EXPECT(!user::thread_priority(abi::no_handle, abi::priority_count - 1));
}

void mutex_excludes() {
    user::Mutex mutex;
    std::uint64_t counter = 0;
    auto work = [&] {
        for (int i = 0; i < 1000; ++i) {
            user::MutexLock lock(mutex);
            const std::uint64_t seen = counter;
            if (i % 50 == 0) user::yield();
            counter = seen + 1;
        }
    };
    auto a = REQUIRE(Thread::start(work));
    auto b = REQUIRE(Thread::start(work));
    work();
    REQUIRE(a.join());
    REQUIRE(b.join());
    EXPECT_EQUAL(counter, 3000);
}

void exit_ends_all_threads() { EXPECT_EQUAL(REQUIRE(run_child({"exit-with-threads", "5"})), 5); }

/// A thread's end gives back what it cost.
void threads_cost_nothing_afterwards() {
    const OnOneProcessor pinned;
    const auto run_one = [] {
        auto thread = REQUIRE(Thread::start([](void*) {}, nullptr));
        REQUIRE(thread.join());
    };
    for (int i = 0; i < 10; ++i) run_one();
    const auto before = REQUIRE(settled_memory());
    for (int i = 0; i < 500; ++i) run_one();
    const auto after = REQUIRE(settled_memory(before));
    EXPECT_EQUAL(after.kernel, before.kernel);
    EXPECT_EQUAL(after.committed, before.committed);
    EXPECT_EQUAL(after.anonymous, before.anonymous);
}

constexpr Test tests[] = {
    {"create_and_join", create_and_join},
    {"exit_codes", exit_codes},
    {"argument_arrives", argument_arrives},
    {"many_threads", many_threads},
    {"bad_arguments", bad_arguments},
    {"sleeping", sleeping},
    {"sleeping_in_order", sleeping_in_order},
    {"yielding", yielding},
    {"priorities", priorities},
    {"changing_priority", changing_priority},
    {"mutex_excludes", mutex_excludes},
    {"exit_ends_all_threads", exit_ends_all_threads},
    {"threads_cost_nothing_afterwards", threads_cost_nothing_afterwards},
};

} // namespace

constinit const Suite threads_suite{"threads", tests};

} // namespace selftest
