// SPDX-License-Identifier: MIT
// Preemption: who spins does not keep others from running.
#include "user/lib/thread.hpp"
#include "user/selftest/child.hpp"
#include "user/selftest/framework.hpp"
#include "user/selftest/machine.hpp"

#include <atomic>

namespace selftest {
namespace {

/// Counts without ever calling the kernel.
struct Spinner {
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> count{0};
    void operator()() {
        while (!stop.load(std::memory_order_relaxed)) {
            count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        }
    }
};

/// Spins here, without blocking, until so much time has passed.
void spin_for(std::uint64_t nanoseconds) {
    const std::uint64_t until = user::clock() + nanoseconds;
    while (user::clock() < until) asm volatile("pause");
}

void equal_ones_take_turns() {
    const OnOneProcessor pinned;
    Spinner first;
    Spinner second;
    auto a = REQUIRE(user::Thread::start(first));
    auto b = REQUIRE(user::Thread::start(second));
    spin_for(300'000'000);
    const std::uint64_t first_count = first.count.load();
    const std::uint64_t second_count = second.count.load();
    first.stop.store(true);
    second.stop.store(true);
    REQUIRE(a.join());
    REQUIRE(b.join());
    EXPECT(first_count > 0);
    EXPECT(second_count > 0);
    // Fair within a factor: both had about a third of the time.
    EXPECT(first_count < 8 * second_count);
    EXPECT(second_count < 8 * first_count);
}

void spinning_process_starves_nobody() {
    const auto child = REQUIRE(start_child({"spin"}));
    for (int i = 0; i < 5; ++i) {
        const std::uint64_t begun = user::clock();
        REQUIRE(user::sleep(10'000'000));
        EXPECT(user::clock() - begun < 500'000'000);
    }
    spin_for(50'000'000);
    EXPECT(REQUIRE(user::process_info(child.get())).time > 0);
    REQUIRE(user::process_kill(child.get(), 0));
    REQUIRE(user::process_wait(child.get()));
}

/// A thread of higher priority that wakes takes the processor from one that spins.
void sleeper_preempts() {
    const OnOneProcessor pinned;
    Spinner low;
    auto spinner = REQUIRE(user::Thread::start(low, abi::priority_default - 4));
    for (int i = 0; i < 10; ++i) {
        const std::uint64_t begun = user::clock();
        REQUIRE(user::sleep(5'000'000));
        EXPECT(user::clock() - begun < 100'000'000);
    }
    EXPECT(low.count.load() > 0);
    low.stop.store(true);
    REQUIRE(spinner.join());
}

/// Processor time is counted for who used it.
void time_is_counted() {
    const auto before = REQUIRE(user::process_info(abi::no_handle));
    spin_for(50'000'000);
    const auto busy = REQUIRE(user::process_info(abi::no_handle));
    EXPECT(busy.time - before.time >= 20'000'000);
    REQUIRE(user::sleep(100'000'000));
    const auto idle = REQUIRE(user::process_info(abi::no_handle));
    EXPECT(idle.time - busy.time < 50'000'000);
}

constexpr Test tests[] = {
    {"equal_ones_take_turns", equal_ones_take_turns},
    {"spinning_process_starves_nobody", spinning_process_starves_nobody},
    {"sleeper_preempts", sleeper_preempts},
    {"time_is_counted", time_is_counted},
};

} // namespace

constinit const Suite scheduling_suite{"scheduling", tests};

} // namespace selftest
