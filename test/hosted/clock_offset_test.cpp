// SPDX-License-Identifier: MIT
// Comparing counters: equal, ahead, behind, and what a slow exchange may not say.
#include "lib/clock_offset.hpp"

#include <doctest/doctest.h>

#include <random>

using lib::ClockOffset;

TEST_CASE("clock offset: equal counters don't differ") {
    ClockOffset offset;
    CHECK_FALSE(offset.differ()); // nothing is known
    offset.add({.asked = 1000, .answered = 1000, .returned = 1100});
    CHECK_FALSE(offset.differ());
    offset.add({.asked = 2000, .answered = 2101, .returned = 2101});
    CHECK_FALSE(offset.differ());
    CHECK(offset.uncertainty() == 50);
}

TEST_CASE("clock offset: the quickest exchange decides") {
    ClockOffset offset;
    offset.add({.asked = 1000, .answered = 500, .returned = 3000});
    CHECK(offset.ahead() == -1500);
    CHECK(offset.differ());
    offset.add({.asked = 4000, .answered = 3050, .returned = 4100});
    CHECK(offset.ahead() == -1000);
    offset.add({.asked = 5000, .answered = 9000, .returned = 5500});
    CHECK(offset.ahead() == -1000);
    CHECK(offset.uncertainty() == 50);
}

TEST_CASE("clock offset: a counter that began anew, and one about to wrap") {
    ClockOffset late;
    late.add({.asked = 5'000'000'000, .answered = 40, .returned = 5'000'000'020});
    CHECK(late.differ());
    CHECK(late.ahead() == -4'999'999'970);
    ClockOffset wrapped;
    wrapped.add({.asked = ~0ULL - 9, .answered = 100, .returned = 10});
    CHECK(wrapped.ahead() == 100);
    CHECK(wrapped.differ());
}

TEST_CASE("clock offset: the truth lies within the uncertainty") {
    std::mt19937_64 random(1);
    for (unsigned round = 0; round < 1000; ++round) {
        const auto truth = static_cast<std::int64_t>(random() % 2'000'000) - 1'000'000;
        ClockOffset offset;
        std::uint64_t now = 10'000'000;
        for (unsigned i = 0; i < 8; ++i) {
            const std::uint64_t there = random() % 1000;
            const std::uint64_t back = random() % 1000;
            const auto answer = now + there + static_cast<std::uint64_t>(truth);
            offset.add({.asked = now, .answered = answer, .returned = now + there + back});
            now += there + back + random() % 1000;
        }
        const auto error = offset.ahead() - truth;
        CHECK(static_cast<std::uint64_t>(error < 0 ? -error : error) <= offset.uncertainty());
    }
}
