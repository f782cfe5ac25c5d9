// SPDX-License-Identifier: MIT
// Several processors: who runs where, changes of the map that all of them see, ends under load.
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

constexpr std::uint64_t patience = 20'000'000'000;

std::uint64_t processors() {
    const auto machine = user::machine_info();
    return machine.ok() ? machine->processors : 0;
}

/// Spins until the condition holds; false if it doesn't for too long.
template <typename Condition>
bool comes(Condition condition) {
    const std::uint64_t until = user::clock() + patience;
    while (!condition()) {
        if (user::clock() > until) return false;
        asm volatile("pause");
    }
    return true;
}

void counts_processors() {
    const std::uint64_t count = processors();
    EXPECT(count >= 1);
    EXPECT(REQUIRE(user::thread_processor(abi::no_handle)) < count);
    EXPECT_CODE(user::system_call<user::Call::machine_info>(0x10, 8), Error::bad_address);
}

void affinity_is_obeyed() {
    for (std::uint64_t cpu = 0; cpu < processors(); ++cpu) {
        REQUIRE(user::thread_affinity(abi::no_handle, only(cpu)));
        EXPECT_EQUAL(REQUIRE(user::thread_processor(abi::no_handle)), cpu);
        user::yield();
        REQUIRE(user::sleep(1'000'000));
        EXPECT_EQUAL(REQUIRE(user::thread_processor(abi::no_handle)), cpu);
    }
    REQUIRE(user::thread_affinity(abi::no_handle, every_processor));
}

void bad_affinities() {
    const ProcessorSet none{};
    EXPECT_ERROR(user::thread_affinity(abi::no_handle, none), Error::invalid_argument);
    EXPECT_ERROR(user::thread_affinity(12345, every_processor), Error::bad_handle);
    ProcessorSet absent{};
    absent.back() = 0x80; // number 255
    if (processors() < 256)
        EXPECT_ERROR(user::thread_affinity(abi::no_handle, absent), Error::invalid_argument);
    EXPECT_CODE(user::system_call<user::Call::thread_affinity>(0, 0x10, 8), Error::bad_address);
    EXPECT_CODE(user::system_call<user::Call::thread_affinity>(0, &none, 33), Error::too_large);
    EXPECT_OK(user::thread_affinity(abi::no_handle, std::span(every_processor).first(1)));
    EXPECT_OK(user::thread_affinity(abi::no_handle, every_processor));
}

/// A thread that never calls the kernel is moved too.
void running_thread_is_moved() {
    std::atomic<bool> stop{false};
    auto spin = [&] {
        while (!stop.load()) asm volatile("pause");
    };
    auto thread = REQUIRE(Thread::start(spin));
    for (std::uint64_t cpu = 0; cpu < processors(); ++cpu) {
        REQUIRE(user::thread_affinity(thread.handle(), only(cpu)));
        EXPECT(comes([&] {
            user::yield(); // it may have to run where this one does
            return user::thread_processor(thread.handle()).value_or(~0ULL) == cpu;
        }));
    }
    stop.store(true);
    REQUIRE(thread.join());
}

/// As many spinning threads as processors all run at the same time.
void all_run_at_once() {
    const std::uint64_t count = processors();
    std::atomic<std::uint64_t> running{0};
    auto meet = [&] {
        running.fetch_add(1);
        if (!comes([&] { return running.load() == count; })) fail("never all at once", {});
    };
    std::array<std::optional<Thread>, 16> threads;
    if (count > threads.size()) return;
    for (std::uint64_t i = 1; i < count; ++i) threads[i].emplace(REQUIRE(Thread::start(meet)));
    meet();
    for (std::uint64_t i = 1; i < count; ++i) EXPECT_OK(threads[i]->join());
    EXPECT_EQUAL(running.load(), count);
}

/// One thread maps, writes a number, unmaps; the others, which read the page all the time, must
/// never see a number of an earlier mapping once they were told of the next.
void no_stale_translation() {
    constexpr std::uint64_t rounds = 40;
    const std::uint64_t readers = processors() - 1;
    if (readers == 0 || readers > 15) return;
    const std::uint64_t place = REQUIRE(user::map(page_size));
    std::atomic<std::uint64_t> round{0};
    std::atomic<std::uint64_t> seen{0};
    auto read = [&] {
        for (std::uint64_t expected = 1; expected <= rounds; ++expected) {
            if (!comes([&] { return round.load() >= expected; })) return;
            const auto got = *reinterpret_cast<const volatile std::uint64_t*>(place);
            if (got != expected)
                fail_numbers("a stale page", static_cast<std::int64_t>(got),
                             static_cast<std::int64_t>(expected), {});
            seen.fetch_add(1);
        }
    };
    std::array<std::optional<Thread>, 16> threads;
    for (std::uint64_t i = 0; i < readers; ++i) threads[i].emplace(REQUIRE(Thread::start(read)));
    for (std::uint64_t now = 1; now <= rounds; ++now) {
        if (now % 2 == 0) {
            REQUIRE(user::unmap(place, page_size));
            REQUIRE(user::map(page_size, {.address = place, .flags = abi::map_fixed}));
        } else {
            REQUIRE(user::discard(place, page_size));
        }
        *reinterpret_cast<volatile std::uint64_t*>(place) = now;
        round.store(now);
        EXPECT(comes([&] { return seen.load() == now * readers; }));
    }
    for (std::uint64_t i = 0; i < readers; ++i) EXPECT_OK(threads[i]->join());
    REQUIRE(user::unmap(place, page_size));
}

/// Each thread works on pages of its own, whose content must stay its own.
void disjoint_maps() {
    constexpr int rounds = 40;
    const std::uint64_t count = processors() < 8 ? processors() : 8;
    struct Worker {
        std::uint64_t name;
        void operator()() const {
            for (int i = 0; i < rounds; ++i) {
                const std::uint64_t pages = 1 + (name + static_cast<unsigned>(i)) % 5;
                const auto memory = user::map(pages * page_size);
                if (!expect_ok(memory, "map")) return;
                for (std::uint64_t page = 0; page < pages; ++page) {
                    auto* const word =
                        reinterpret_cast<volatile std::uint64_t*>(*memory + page * page_size);
                    expect_equal(static_cast<std::int64_t>(*word), 0, "a fresh page");
                    *word = name;
                }
                if (i % 7 == 0) user::yield();
                for (std::uint64_t page = 0; page < pages; ++page) {
                    const auto* const word =
                        reinterpret_cast<const volatile std::uint64_t*>(*memory + page * page_size);
                    expect_equal(static_cast<std::int64_t>(*word), static_cast<std::int64_t>(name),
                                 "an own page");
                }
                expect_ok(user::unmap(*memory, pages * page_size), "unmap");
            }
        }
    };
    std::array<Worker, 8> workers{};
    std::array<std::optional<Thread>, 8> threads;
    for (std::uint64_t i = 0; i < count; ++i) {
        workers[i].name = i + 1;
        threads[i].emplace(REQUIRE(Thread::start(workers[i])));
    }
    for (std::uint64_t i = 0; i < count; ++i) EXPECT_OK(threads[i]->join());
}

/// Takes rights away under the eyes of a thread that uses them: its process ends by the fault.
void protect_reaches_others() {
    EXPECT_EQUAL(REQUIRE(run_child({"write-while-protected"})), fault_status);
}

/// Processes whose threads fault, map, unmap and spin everywhere are killed, or end by themselves.
void end_while_busy() {
    const auto before = REQUIRE(settled_memory());
    for (int i = 0; i < 4; ++i) {
        const auto killed = REQUIRE(start_child({"busy", "0"}));
        const auto ends = REQUIRE(start_child({"busy", "9"}));
        REQUIRE(user::sleep(static_cast<std::uint64_t>(i % 5) * 3'000'000));
        REQUIRE(user::process_kill(killed.get(), 7));
        EXPECT_EQUAL(REQUIRE(user::process_wait(killed.get())), 7);
        EXPECT_EQUAL(REQUIRE(user::process_wait(ends.get())), 9);
    }
    EXPECT_EQUAL(REQUIRE(settled_memory(before)).anonymous, before.anonymous);
}

constexpr Test tests[] = {
    {"counts_processors", counts_processors}, {"affinity_is_obeyed", affinity_is_obeyed},
    {"bad_affinities", bad_affinities},       {"running_thread_is_moved", running_thread_is_moved},
    {"all_run_at_once", all_run_at_once},     {"no_stale_translation", no_stale_translation},
    {"disjoint_maps", disjoint_maps},         {"protect_reaches_others", protect_reaches_others},
    {"end_while_busy", end_while_busy},
};

} // namespace

constinit const Suite processors_suite{"processors", tests};

} // namespace selftest
