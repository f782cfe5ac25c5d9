// SPDX-License-Identifier: MIT
// Ending processes, whatever they do at that moment.
#include "user/selftest/child.hpp"
#include "user/selftest/framework.hpp"
#include "user/selftest/machine.hpp"

namespace selftest {
namespace {

void kill_once(std::initializer_list<std::string_view> role, std::uint64_t nanoseconds,
               std::span<const abi::Handle> extra, Place place) {
    const auto child = start_child(role, extra);
    if (!expect_ok(child, "spawn", place)) return;
    if (nanoseconds != 0) (void)user::sleep(nanoseconds);
    const auto info = user::process_info(child->get());
    if (expect_ok(info, "info", place)) {
        expect_equal(static_cast<int>(info->exited), 0, "ended before its time", place);
    }
    expect_ok(user::process_kill(child->get(), -77), "kill", place);
    const auto status = user::process_wait(child->get());
    if (expect_ok(status, "wait", place)) expect_equal(*status, -77, "status", place);
}

/// Twice: whatever is made once and kept, such as kernel stacks for reuse, is there after the first
/// time, so the second must leave memory as it was.
void kill_after(std::initializer_list<std::string_view> role, std::uint64_t nanoseconds,
                std::span<const abi::Handle> extra = {}, Place place = {}) {
    kill_once(role, nanoseconds, extra, place);
    const auto before = settled_memory();
    if (!expect_ok(before, "info", place)) return;
    kill_once(role, nanoseconds, extra, place);
    const auto after = settled_memory(*before);
    if (!expect_ok(after, "info", place)) return;
    expect_equal(static_cast<std::int64_t>(after->anonymous),
                 static_cast<std::int64_t>(before->anonymous), "anonymous memory", place);
    expect_equal(static_cast<std::int64_t>(after->committed),
                 static_cast<std::int64_t>(before->committed), "committed memory", place);
}

constexpr std::uint64_t a_while = 10'000'000;

void before_it_runs() { kill_after({"spin"}, 0); }
void spinning() { kill_after({"spin"}, a_while); }
void sleeping() { kill_after({"sleep"}, a_while); }
void receiving() { kill_after({"receive"}, a_while); }
void waiting() { kill_after({"wait"}, a_while); }
void many_threads() { kill_after({"threads"}, a_while); }

void calling() {
    const user::OwnedHandle endpoint(REQUIRE(user::endpoint_create()));
    const abi::Handle extra[] = {endpoint.get()};
    kill_after({"call"}, a_while, extra);
    // Its call is gone with it: the next message is another's.
    const auto child = REQUIRE(start_child({"call"}, extra));
    abi::Message got{};
    REQUIRE(user::receive(endpoint.get(), got));
    EXPECT_EQUAL(got.sender, REQUIRE(user::process_info(child.get())).id);
    EXPECT_OK(user::reply({}));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
}

void first_status_stands() {
    const auto child = REQUIRE(start_child({"spin"}));
    REQUIRE(user::process_kill(child.get(), 1));
    (void)user::process_kill(child.get(), 2);
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 1);
    (void)user::process_kill(child.get(), 3);
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 1);
    const auto done = REQUIRE(start_child({"exit", "8"}));
    EXPECT_EQUAL(REQUIRE(user::process_wait(done.get())), 8);
    (void)user::process_kill(done.get(), 9);
    EXPECT_EQUAL(REQUIRE(user::process_wait(done.get())), 8);
}

void right_is_needed() {
    const auto child = REQUIRE(start_child({"sleep"}));
    const user::OwnedHandle look(REQUIRE(user::handle_duplicate(child.get(), abi::right_inspect)));
    EXPECT_ERROR(user::process_kill(look.get(), 1), Error::not_permitted);
    EXPECT_EQUAL(REQUIRE(user::process_info(look.get())).exited, 0);
    EXPECT_ERROR(user::process_kill(abi::no_handle, 1), Error::bad_handle);
    REQUIRE(user::process_kill(child.get(), 5));
    EXPECT_EQUAL(REQUIRE(user::process_wait(look.get())), 5);
}

/// A child goes on when nobody holds a handle to it; the directory of init is not asked.
void closed_handle_ends_nothing() {
    const user::OwnedHandle notification(REQUIRE(user::notification_create()));
    const abi::Handle extra[] = {notification.get()};
    {
        const auto child = REQUIRE(start_child({"signal", "3"}, extra));
    }
    EXPECT_EQUAL(REQUIRE(user::wait(notification.get())), 3);
}

constexpr Test tests[] = {
    {"before_it_runs", before_it_runs},
    {"spinning", spinning},
    {"sleeping", sleeping},
    {"receiving", receiving},
    {"waiting", waiting},
    {"calling", calling},
    {"many_threads", many_threads},
    {"first_status_stands", first_status_stands},
    {"right_is_needed", right_is_needed},
    {"closed_handle_ends_nothing", closed_handle_ends_nothing},
};

} // namespace

constinit const Suite kill_suite{"kill", tests};

} // namespace selftest
