// SPDX-License-Identifier: MIT
// Accounts and purses: sums are exact on any number of CPUs, and a charge is refused only
// when it really would exceed a limit, wherever the credit lies.
#include "shim/machine.hpp"
#include "shim/payer.hpp"

#include <doctest/doctest.h>

#include <array>
#include <random>
#include <thread>
#include <vector>

namespace {

using namespace vm;
using shim::committed_warm;
using shim::Machine;
using shim::Payer;
using shim::quota_of;

constexpr unsigned cpus = 4;

} // namespace

TEST_CASE("accounts never charge more than the limit, nor lose a page") {
    Machine machine({.cpus = cpus, .commit_limit = {1000}});
    const std::uint64_t start = committed().value;
    const std::uint64_t room = 1000 - start;
    Payer first;
    Payer second;
    CHECK(first.charge({room + 1}).error() == Error::no_memory);
    CHECK(first.pages() == 0);
    REQUIRE(first.charge({room - 10}).ok());
    CHECK(committed().value == 990);
    CHECK(second.charge({11}).error() == Error::no_memory);
    CHECK(second.charge({10}).ok());
    CHECK(second.charge({1}).error() == Error::no_memory);
    shim::set_cpu(3);
    first.release({room - 10});
    CHECK(second.charge({room - 10}).ok());
    shim::set_cpu(0);
    CHECK(first.charge({~0ULL}).error() == Error::no_memory);
    CHECK(first.charge({~0ULL - 5}).error() == Error::no_memory);
    second.release({room});
    CHECK(second.pages() == 0);
    CHECK(committed().value == start);
    CHECK(first.charge({0}).ok());
    first.release({0});
    CHECK(committed().value == start);
}

TEST_CASE("credit of every CPU is called back before a charge is refused") {
    Machine machine({.cpus = cpus, .commit_limit = {2000}});
    const std::uint64_t room = 2000 - committed().value;
    std::array<Payer, 6> payers;
    // Everybody leaves credit on every CPU, more than a half of all there is.
    for (Payer& payer : payers) {
        for (unsigned cpu = 0; cpu < cpus; ++cpu) {
            shim::set_cpu(cpu);
            REQUIRE(payer.charge({40}).ok());
        }
        for (unsigned cpu = 0; cpu < cpus; ++cpu) {
            shim::set_cpu(cpu);
            payer.release({40});
        }
        CHECK(payer.pages() == 0);
    }
    for (unsigned cpu = 0; cpu < cpus; ++cpu) {
        CAPTURE(cpu);
        shim::set_cpu(cpu);
        CHECK(payers[cpu].charge({room + 1}).error() == Error::no_memory);
        CHECK(payers[cpu].charge({room}).ok());
        CHECK(committed().value == 2000);
        CHECK(payers[5].charge({1}).error() == Error::no_memory);
        shim::set_cpu((cpu + 1) % cpus);
        payers[cpu].release({room});
        CHECK(committed().value == 2000 - room);
    }
    shim::set_cpu(0);
}

TEST_CASE("the last page goes to whoever asks, one page at a time, from all CPUs") {
    Machine machine({.cpus = cpus, .commit_limit = {700}});
    const std::uint64_t room = 700 - committed().value;
    std::array<Payer, 3> payers;
    for (std::uint64_t n = 0; n < room; ++n) {
        CAPTURE(n);
        shim::set_cpu(static_cast<unsigned>(n) % cpus);
        REQUIRE(payers[n % payers.size()].charge({1}).ok());
        CHECK(committed().value == 700 - room + n + 1);
    }
    for (unsigned cpu = 0; cpu < cpus; ++cpu) {
        shim::set_cpu(cpu);
        for (Payer& payer : payers) CHECK(payer.charge({1}).error() == Error::no_memory);
    }
    for (Payer& payer : payers) payer.release({payer.pages()});
    CHECK(committed().value == 700 - room);
    shim::set_cpu(0);
}

TEST_CASE("an account's end gives all of its credit back") {
    Machine machine({.cpus = cpus, .commit_limit = {5000}});
    const std::uint64_t start = committed_warm();
    const QuotaRef quota = quota_of(1000);
    for (int round = 0; round < 100; ++round) {
        Payer payer(quota);
        for (unsigned cpu = 0; cpu < cpus; ++cpu) {
            shim::set_cpu(cpu);
            REQUIRE(payer.charge({7}).ok());
            REQUIRE(payer.charge({3}, Backing::kernel).ok());
        }
        CHECK(payer.pages() == 40);
        CHECK(quota.get()->charged().value == 40);
        CHECK(committed().value == start + 28);
        payer.release({28});
        payer.release({12}, Backing::kernel);
    }
    shim::set_cpu(0);
    CHECK(quota.get()->charged().value == 0);
    CHECK(committed().value == start);
}

TEST_CASE("what the kernel paid for already counts for quotas only") {
    Machine machine({.commit_limit = {500}});
    const std::uint64_t start = committed_warm();
    const QuotaRef quota = quota_of(100);
    Payer payer(quota);
    REQUIRE(payer.charge({60}, Backing::kernel).ok());
    CHECK(committed().value == start);
    CHECK(payer.pages() == 60);
    REQUIRE(payer.charge({40}).ok());
    CHECK(committed().value == start + 40);
    CHECK(payer.charge({1}, Backing::kernel).error() == Error::limit_reached);
    payer.release({60}, Backing::kernel);
    CHECK(payer.charge({61}).error() == Error::limit_reached);
    CHECK(payer.charge({60}).ok());
    payer.release({100});
    CHECK(committed().value == start);
}

TEST_CASE("threads on four CPUs charge and release, and the sums hold") {
    // The limits are met often: what is charged may never exceed them, nor a page get lost.
    Machine machine({.cpus = cpus, .commit_limit = {3000}});
    const std::uint64_t start = committed_warm();
    const QuotaRef quota = quota_of(1200);
    std::array<Payer, 3> payers;
    for (unsigned n = 0; n < 2; ++n) payers[n].count_against(quota.get());
    std::array<std::atomic<std::uint64_t>, 3> used{};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<std::uint64_t> most{0};
    std::atomic<std::uint64_t> beyond{0};
    const auto work = [&](unsigned cpu) {
        shim::set_cpu(cpu);
        std::mt19937_64 random(cpu);
        std::array<std::uint64_t, 3> mine{};
        for (int step = 0; step < 20000; ++step) {
            const std::size_t which = random() % 3;
            const std::uint64_t pages = random() % 8 == 0 ? random() % 300 : random() % 5;
            if (random() % 2 == 0 && mine[which] >= pages) {
                used[which] -= pages;
                payers[which].release({pages});
                mine[which] -= pages;
            } else if (payers[which].charge({pages}).ok()) {
                mine[which] += pages;
                used[which] += pages;
                const std::uint64_t sum = used[0] + used[1] + used[2];
                std::uint64_t before = most;
                while (before < sum && !most.compare_exchange_weak(before, sum)) {
                }
            } else {
                ++refused;
            }
            if (step % 1000 == 0 && committed().value > 3000) ++beyond;
        }
        for (unsigned which = 0; which < 3; ++which) {
            used[which] -= mine[which];
            payers[which].release({mine[which]});
        }
    };
    std::vector<std::thread> threads;
    for (unsigned cpu = 0; cpu < cpus; ++cpu) threads.emplace_back(work, cpu);
    for (std::thread& thread : threads) thread.join();
    shim::set_cpu(0);
    CHECK(refused > 0);
    CHECK(most <= 3000 - start);
    CHECK(beyond == 0);
    for (const Payer& payer : payers) CHECK(payer.pages() == 0);
    CHECK(quota.get()->charged().value == 0);
    CHECK(committed().value == start);
    CHECK(payers[2].charge({3000 - start}).ok());
    payers[2].release({3000 - start});
}

TEST_CASE("a refusal on four CPUs is never wrong") {
    // Four pages are left for four CPUs that each take one at a time: none may ever be refused.
    Machine machine({.cpus = cpus, .commit_limit = {1000}});
    const std::uint64_t room = 1000 - committed().value;
    std::array<Payer, cpus> payers;
    REQUIRE(payers[0].charge({room - 4}).ok());
    std::atomic<std::uint64_t> wrong{0};
    const auto work = [&](unsigned cpu) {
        shim::set_cpu(cpu);
        Payer& payer = payers[cpu / 2];
        for (int step = 0; step < 20000; ++step) {
            if (!payer.charge({1}).ok())
                ++wrong;
            else
                payer.release({1});
        }
    };
    std::vector<std::thread> threads;
    for (unsigned cpu = 0; cpu < cpus; ++cpu) threads.emplace_back(work, cpu);
    for (std::thread& thread : threads) thread.join();
    shim::set_cpu(0);
    CHECK(wrong == 0);
    payers[0].release({room - 4});
    CHECK(committed().value == 1000 - room);
}
