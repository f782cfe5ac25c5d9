// SPDX-License-Identifier: MIT
// Limits: what a process and all that it starts can take together, and that none gives more than it
// has.
#include "user/selftest/child.hpp"
#include "user/selftest/framework.hpp"

namespace selftest {
namespace {

using user::SpawnOptions;

constexpr std::uint64_t limit = 2000;

std::int32_t status_of(const Result<user::OwnedHandle>& child, Place place = {}) {
    if (!expect_ok(child, "spawn", place)) return -100;
    return user::process_wait(child->get()).value_or(-101);
}

/// Pages that can still be mapped here, by halves.
std::uint64_t pages_left() {
    std::uint64_t left = 0;
    for (std::uint64_t step = 1ULL << 32; step != 0; step /= 2) {
        const auto at = user::map((left + step) * page_size, {.alignment = page_size});
        if (!at) continue;
        left += step;
        (void)user::unmap(*at, left * page_size);
    }
    return left;
}

void nothing_beyond_the_limit() {
    EXPECT_EQUAL(REQUIRE(run_child({"exit", "0"})), 0); // what the first spawn needs stays
    const std::uint64_t before = pages_left();
    const auto child = start_child({"take-all"}, SpawnOptions{.memory_limit = limit});
    EXPECT_EQUAL(status_of(child), 0);
    EXPECT_EQUAL(status_of(start_child({"touch-all"}, SpawnOptions{.memory_limit = limit})),
                 fault_status);
    EXPECT(pages_left() + 16 >= before);
}

void a_limit_is_told() {
    const auto child =
        REQUIRE(start_child({"sleep"}, SpawnOptions{.memory_limit = limit, .handle_limit = 40}));
    const auto info = REQUIRE(user::process_info(child.get()));
    EXPECT_EQUAL(info.memory_limit, limit);
    EXPECT_EQUAL(info.handle_limit, 40);
    EXPECT(info.committed < limit);
    (void)user::process_kill(child.get(), 0);
    EXPECT(REQUIRE(user::process_info(abi::no_handle)).memory_limit > limit);
}

void too_little_to_start() {
    EXPECT_ERROR(start_child({"exit", "0"}, SpawnOptions{.memory_limit = 1}), Error::limit_reached);
    EXPECT_ERROR(start_child({"exit", "0"}, SpawnOptions{.memory_limit = 100}),
                 Error::limit_reached);
    EXPECT_ERROR(start_child({"exit", "0"}, SpawnOptions{.handle_limit = 2}), Error::limit_reached);
    EXPECT_EQUAL(status_of(start_child({"exit", "0"}, SpawnOptions{.handle_limit = 3})), 0);
}

void handles_end() {
    EXPECT_EQUAL(status_of(start_child({"take-handles"}, SpawnOptions{.handle_limit = 40})), 40);
    EXPECT_EQUAL(status_of(start_child({"take-handles"}, SpawnOptions{.handle_limit = 300})), 300);
}

void nobody_gives_more_than_it_has() {
    const SpawnOptions both{.memory_limit = limit, .handle_limit = 40};
    EXPECT_EQUAL(status_of(start_child({"ask-for-more"}, both)), 0);
}

/// One that took all leaves nothing to its parent's other children, even after that parent's end.
void a_limit_outlives_the_process() {
    const user::OwnedHandle taken(REQUIRE(user::notification_create()));
    const user::OwnedHandle end(REQUIRE(user::notification_create()));
    const abi::Handle extra[] = {taken.get(), end.get()};
    const std::uint64_t before = pages_left();
    EXPECT_EQUAL(status_of(start_child({"leave-one-behind"},
                                       SpawnOptions{.extra = extra, .memory_limit = limit})),
                 0);
    EXPECT_EQUAL(REQUIRE(user::wait(taken.get())), 1);
    const std::uint64_t during = pages_left();
    EXPECT(during < before);
    EXPECT(before - during <= limit + 16);
    EXPECT_OK(user::signal(end.get(), 1));
}

constexpr Test tests[] = {
    {"nothing beyond the limit", nothing_beyond_the_limit},
    {"a limit is told", a_limit_is_told},
    {"too little to start with", too_little_to_start},
    {"handles end", handles_end},
    {"nobody gives more than it has", nobody_gives_more_than_it_has},
    {"a limit outlives the process", a_limit_outlives_the_process},
};

} // namespace

const Suite limits_suite{"limits", tests};

} // namespace selftest
