// SPDX-License-Identifier: MIT
// Handles: closing, duplicates, rights, kinds, limits.
#include "user/lib/handle.hpp"
#include "user/lib/program.hpp"
#include "user/lib/vector.hpp"
#include "user/selftest/framework.hpp"

namespace selftest {
namespace {

void closed_is_refused() {
    const auto endpoint = REQUIRE(user::endpoint_create());
    EXPECT_OK(user::handle_close(endpoint));
    EXPECT_ERROR(user::handle_close(endpoint), Error::bad_handle);
    EXPECT_ERROR(user::handle_duplicate(endpoint, 0), Error::bad_handle);
    abi::Message message{};
    EXPECT_ERROR(user::call(endpoint, message), Error::bad_handle);
}

/// The slot is used again, but the old number stays refused.
void stale_is_refused() {
    const auto old = REQUIRE(user::notification_create());
    REQUIRE(user::handle_close(old));
    for (int i = 0; i < 100; ++i) {
        const auto fresh = REQUIRE(user::notification_create());
        EXPECT(fresh != old);
        EXPECT_ERROR(user::signal(old, 1), Error::bad_handle);
        REQUIRE(user::handle_close(fresh));
    }
}

void invented_are_refused() {
    const auto real = REQUIRE(user::notification_create());
    const std::uint64_t invented[] = {0,
                                      ~0ULL,
                                      1ULL << 63,
                                      1ULL << 48,
                                      0xffff,
                                      real + 1000,
                                      real ^ (1ULL << 63),
                                      real ^ (1ULL << 40),
                                      real + (1ULL << 16),
                                      0x7fff'ffff};
    for (const std::uint64_t handle : invented) {
        EXPECT_ERROR(user::handle_close(handle), Error::bad_handle);
        EXPECT_ERROR(user::signal(handle, 1), Error::bad_handle);
        EXPECT_ERROR(user::thread_join(handle), Error::bad_handle);
        EXPECT_ERROR(user::process_wait(handle), Error::bad_handle);
        if (handle != abi::received_call) {
            EXPECT_ERROR(user::reply({}, handle), Error::bad_handle);
        }
    }
    EXPECT_OK(user::signal(real, 1));
    REQUIRE(user::handle_close(real));
}

void wrong_kind_is_refused() {
    const user::OwnedHandle notification(REQUIRE(user::notification_create()));
    const user::OwnedHandle endpoint(REQUIRE(user::endpoint_create()));
    abi::Message message{};
    EXPECT_ERROR(user::call(notification.get(), message), Error::bad_handle);
    EXPECT_ERROR(user::receive(notification.get(), message), Error::bad_handle);
    EXPECT_ERROR(user::reply(message, notification.get()), Error::bad_handle);
    EXPECT_ERROR(user::signal(endpoint.get(), 1), Error::bad_handle);
    EXPECT_ERROR(user::wait(endpoint.get()), Error::bad_handle);
    EXPECT_ERROR(user::process_wait(endpoint.get()), Error::bad_handle);
    EXPECT_ERROR(user::process_kill(endpoint.get(), 1), Error::bad_handle);
    EXPECT_ERROR(user::process_info(endpoint.get()), Error::bad_handle);
    EXPECT_ERROR(user::thread_join(endpoint.get()), Error::bad_handle);
    EXPECT_ERROR(user::thread_priority(endpoint.get(), 1), Error::bad_handle);
    EXPECT_ERROR(user::map_object(endpoint.get(), 0, 0, abi::access_read), Error::bad_handle);
    EXPECT_ERROR(user::power(endpoint.get(), abi::Power::off), Error::bad_handle);
    EXPECT_ERROR(user::nearest(endpoint.get(), 0, abi::Direction::up), Error::bad_handle);
    std::array<abi::Run, 1> runs{};
    EXPECT_ERROR(user::query(endpoint.get(), 0, runs), Error::bad_handle);
}

void rights_only_shrink() {
    const user::OwnedHandle all(REQUIRE(user::notification_create()));
    const user::OwnedHandle send(
        REQUIRE(user::handle_duplicate(all.get(), abi::right_send | abi::right_duplicate)));
    EXPECT_OK(user::signal(send.get(), 1));
    EXPECT_ERROR(user::wait(send.get()), Error::not_permitted);
    EXPECT_ERROR(user::handle_duplicate(send.get(), abi::right_all), Error::not_permitted);
    EXPECT_ERROR(user::handle_duplicate(send.get(), abi::right_receive), Error::not_permitted);
    const user::OwnedHandle last(REQUIRE(user::handle_duplicate(send.get(), abi::right_send)));
    EXPECT_ERROR(user::handle_duplicate(last.get(), abi::right_send), Error::not_permitted);
    EXPECT_OK(user::signal(last.get(), 2));
    EXPECT_EQUAL(REQUIRE(user::wait(all.get())), 3);
}

void unknown_rights_are_refused() {
    const user::OwnedHandle all(REQUIRE(user::notification_create()));
    EXPECT(!user::handle_duplicate(all.get(), 32));
    EXPECT(!user::handle_duplicate(all.get(), ~0U));
    const std::int64_t wide = user::raw_system_call(
        static_cast<std::uint64_t>(user::Call::handle_duplicate), all.get(), 1ULL << 32);
    EXPECT(wide < 0);
}

/// There is an end to handles, and after closing them all is as before.
void limit_is_reached() {
    const user::OwnedHandle first(REQUIRE(user::notification_create()));
    user::Vector<abi::Handle> copies;
    for (;;) {
        const auto copy = user::handle_duplicate(first.get(), abi::right_all);
        if (!copy) {
            EXPECT_ERROR(copy, Error::limit_reached);
            break;
        }
        copies.push(*copy);
        if (copies.size() > 100'000) {
            fail("handles without end", {});
            break;
        }
    }
    EXPECT(copies.size() > 100);
    EXPECT_ERROR(user::endpoint_create(), Error::limit_reached);
    for (const abi::Handle copy : copies) EXPECT_OK(user::handle_close(copy));
    const user::OwnedHandle again(REQUIRE(user::endpoint_create()));
}

constexpr Test tests[] = {
    {"closed_is_refused", closed_is_refused},
    {"stale_is_refused", stale_is_refused},
    {"invented_are_refused", invented_are_refused},
    {"wrong_kind_is_refused", wrong_kind_is_refused},
    {"rights_only_shrink", rights_only_shrink},
    {"unknown_rights_are_refused", unknown_rights_are_refused},
    {"limit_is_reached", limit_is_reached},
};

} // namespace

constinit const Suite handles_suite{"handles", tests};

} // namespace selftest
