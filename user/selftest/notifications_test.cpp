// SPDX-License-Identifier: MIT
// Notifications: bits that are set, waited for and taken.
#include "user/lib/handle.hpp"
#include "user/lib/thread.hpp"
#include "user/selftest/child.hpp"
#include "user/selftest/framework.hpp"
#include "user/selftest/machine.hpp"

#include <atomic>

namespace selftest {
namespace {

using user::OwnedHandle;

void bits_gather() {
    const OwnedHandle notification(REQUIRE(user::notification_create()));
    REQUIRE(user::signal(notification.get(), 1));
    REQUIRE(user::signal(notification.get(), 4));
    REQUIRE(user::signal(notification.get(), 4));
    EXPECT_EQUAL(REQUIRE(user::wait(notification.get())), 5);
    REQUIRE(user::signal(notification.get(), 2));
    EXPECT_EQUAL(REQUIRE(user::wait(notification.get())), 2); // the others were taken
    REQUIRE(user::signal(notification.get(), 1ULL << 62));
    EXPECT_EQUAL(REQUIRE(user::wait(notification.get())), 1LL << 62);
}

/// Bits that would make the result look like an error, or none at all, are refused.
void impossible_bits() {
    const OwnedHandle notification(REQUIRE(user::notification_create()));
    EXPECT_ERROR(user::signal(notification.get(), 1ULL << 63), Error::invalid_argument);
    EXPECT_ERROR(user::signal(notification.get(), ~0ULL), Error::invalid_argument);
    EXPECT_ERROR(user::signal(notification.get(), 0), Error::invalid_argument);
}

void waiter_wakes() {
    const OnOneProcessor pinned;
    const OwnedHandle notification(REQUIRE(user::notification_create()));
    std::atomic<std::uint64_t> got{0};
    auto waiting = [&] {
        const auto bits = user::wait(notification.get());
        if (expect_ok(bits, "wait")) got.store(*bits);
    };
    auto thread = REQUIRE(user::Thread::start(waiting));
    for (int i = 0; i < 10; ++i) user::yield();
    EXPECT_EQUAL(got.load(), 0);
    REQUIRE(user::signal(notification.get(), 8));
    REQUIRE(thread.join());
    EXPECT_EQUAL(got.load(), 8);
}

/// Each signal wakes one waiter.
void several_waiters() {
    const OnOneProcessor pinned;
    const OwnedHandle notification(REQUIRE(user::notification_create()));
    std::atomic<std::uint64_t> sum{0};
    auto waiting = [&] {
        const auto bits = user::wait(notification.get());
        if (expect_ok(bits, "wait")) sum.fetch_add(*bits);
    };
    auto a = REQUIRE(user::Thread::start(waiting));
    auto b = REQUIRE(user::Thread::start(waiting));
    for (int i = 0; i < 10; ++i) user::yield();
    REQUIRE(user::signal(notification.get(), 1));
    for (int i = 0; i < 10; ++i) user::yield();
    EXPECT_EQUAL(sum.load(), 1);
    REQUIRE(user::signal(notification.get(), 2));
    REQUIRE(a.join());
    REQUIRE(b.join());
    EXPECT_EQUAL(sum.load(), 3);
}

void ping_pong() {
    const OwnedHandle there(REQUIRE(user::notification_create()));
    const OwnedHandle back(REQUIRE(user::notification_create()));
    auto partner = [&] {
        for (int i = 0; i < 500; ++i) {
            EXPECT_OK(user::wait(there.get()));
            EXPECT_OK(user::signal(back.get(), 1));
        }
    };
    auto thread = REQUIRE(user::Thread::start(partner));
    for (int i = 0; i < 500; ++i) {
        REQUIRE(user::signal(there.get(), 1));
        EXPECT_EQUAL(REQUIRE(user::wait(back.get())), 1);
    }
    REQUIRE(thread.join());
}

void between_processes() {
    const OwnedHandle notification(REQUIRE(user::notification_create()));
    const abi::Handle extra[] = {notification.get()};
    const auto child = REQUIRE(start_child({"signal", "6"}, extra));
    EXPECT_EQUAL(REQUIRE(user::wait(notification.get())), 6);
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
}

void rights_are_checked() {
    const OwnedHandle all(REQUIRE(user::notification_create()));
    const OwnedHandle wait(REQUIRE(user::handle_duplicate(all.get(), abi::right_receive)));
    const OwnedHandle send(REQUIRE(user::handle_duplicate(all.get(), abi::right_send)));
    EXPECT_ERROR(user::signal(wait.get(), 1), Error::not_permitted);
    EXPECT_ERROR(user::wait(send.get()), Error::not_permitted);
    EXPECT_OK(user::signal(send.get(), 1));
    EXPECT_EQUAL(REQUIRE(user::wait(wait.get())), 1);
}

constexpr Test tests[] = {
    {"bits_gather", bits_gather},
    {"impossible_bits", impossible_bits},
    {"waiter_wakes", waiter_wakes},
    {"several_waiters", several_waiters},
    {"ping_pong", ping_pong},
    {"between_processes", between_processes},
    {"rights_are_checked", rights_are_checked},
};

} // namespace

constinit const Suite notifications_suite{"notifications", tests};

} // namespace selftest
