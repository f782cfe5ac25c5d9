// SPDX-License-Identifier: MIT
// The end of processes: kill in every kind of wait, exit with other threads, waiting.
#include "shim/booted.hpp"

#include <doctest/doctest.h>

using namespace shim;

namespace {

constexpr VirtAddr message = init_data + 0x1000;

Answer spawn(std::vector<abi::Handle> handles, std::function<void()> code) {
    Plan plan(std::move(code));
    plan.handles = std::move(handles);
    const Answer made = plan.spawn();
    REQUIRE(made.ok());
    return made;
}

/// A child that blocks in `code` is killed and waited for.
void kill_blocked(std::vector<abi::Handle> handles, std::function<void()> code) {
    bool went_on = false;
    const Answer child = spawn(std::move(handles), [&] {
        code();
        went_on = true;
    });
    ask(SystemCall::thread_sleep, 1'000'000);
    CHECK(ask(SystemCall::process_kill, child.value, 40).ok());
    CHECK(ask(SystemCall::wait, child.value).value == 40);
    CHECK_FALSE(went_on);
    CHECK(ask(SystemCall::process_kill, child.value, 41).ok());
    CHECK(ask(SystemCall::wait, child.value).value == 40);
    CHECK(ask(SystemCall::handle_close, child.value).ok());
}

} // namespace

TEST_CASE("proc: a killed process ends, whatever it waits for") {
    Booted booted;
    booted.run([] {
        const abi::Handle end = ask(SystemCall::object_create, abi::ObjectKind::endpoint).value;
        const abi::Handle note =
            ask(SystemCall::object_create, abi::ObjectKind::notification).value;
        const abi::Handle console = abi::initial_handle(abi::init_console);
        kill_blocked({}, [] { ask(SystemCall::thread_sleep, ~0ULL); });
        kill_blocked({note}, [] { ask(SystemCall::wait, 1); });
        kill_blocked({end}, [] { ask(SystemCall::reply_receive, 1, message.value); });
        kill_blocked({end}, [] { ask(SystemCall::call, 1, message.value); });
        kill_blocked({console}, [] { ask(SystemCall::console_read, 1, message.value, 10); });
        kill_blocked({}, [] {
            const Answer thread = start_thread([] { ask(SystemCall::thread_sleep, ~0ULL); });
            ask(SystemCall::wait, thread.value);
        });
        const Answer other = spawn({}, [] { ask(SystemCall::thread_sleep, ~0ULL); });
        kill_blocked({other.value}, [] { ask(SystemCall::wait, 1); });
        kill_blocked({}, [] {
            for (;;) user_compute(1'000'000);
        });
        // All queues that they waited in work as before.
        CHECK(ask(SystemCall::signal, note, 1).ok());
        CHECK(ask(SystemCall::wait, note).value == 1);
        type("x");
        CHECK(ask(SystemCall::console_read, console, message.value, 10).value == 1);
        const Answer server = start_thread([&] {
            const Answer token = ask(SystemCall::reply_receive, end, message.value);
            CHECK(token.ok());
            CHECK(ask(SystemCall::reply_receive, 0, 0).ok());
        });
        CHECK(ask(SystemCall::call, end, message.value + 0x100).ok());
        ask(SystemCall::wait, server.value);
    });
}

TEST_CASE("proc: a process killed before it ran never runs") {
    Booted booted;
    booted.run([] {
        bool ran = false;
        const Answer child = spawn({}, [&] { ran = true; });
        CHECK(ask(SystemCall::process_kill, child.value, 4).ok());
        CHECK(ask(SystemCall::wait, child.value).value == 4);
        CHECK_FALSE(ran);
    });
}

TEST_CASE("proc: exit ends all threads; the first status stands") {
    Booted booted;
    booted.run([] {
        bool survived = false;
        const Answer child = spawn({}, [&] {
            start_thread([&] {
                ask(SystemCall::thread_sleep, 5'000'000);
                survived = true;
            });
            start_thread([&] {
                for (;;) user_compute(1'000'000);
            });
            ask(SystemCall::thread_sleep, 1'000'000);
            ask(SystemCall::process_kill, 0, 12);
        });
        CHECK(ask(SystemCall::wait, child.value).value == 12);
        CHECK_FALSE(survived);
    });
}

TEST_CASE("proc: a process can kill itself, and needs the right to kill others") {
    Booted booted;
    booted.run([] {
        const Answer child = spawn({}, [] { ask(SystemCall::thread_sleep, ~0ULL); });
        const Answer looker = ask(SystemCall::handle_duplicate, child.value,
                                  abi::right_inspect | abi::right_duplicate);
        CHECK(ask(SystemCall::process_kill, looker.value, 1).error == Error::not_permitted);
        const Answer waiter = ask(SystemCall::handle_duplicate, child.value, abi::right_control);
        CHECK(ask(SystemCall::wait, waiter.value).error == Error::not_permitted);
        CHECK(ask(SystemCall::process_info, waiter.value, message.value, 8).error ==
              Error::not_permitted);

        const abi::Handle end = ask(SystemCall::object_create, abi::ObjectKind::endpoint).value;
        bool went_on = false;
        const Answer suicidal = spawn({end}, [&] {
            const Answer token = ask(SystemCall::reply_receive, 1, message.value);
            REQUIRE(token.ok());
            const abi::Handle self = get<abi::Message>(message).handles[0];
            CHECK(ask(SystemCall::wait, self).error == Error::invalid_argument);
            ask(SystemCall::process_kill, self, 99);
            went_on = true;
        });
        abi::Message request{};
        request.handle_count = 1;
        request.handles[0] = suicidal.value;
        put(message, request);
        CHECK(ask(SystemCall::call, end, message.value + abi::message_whole).error ==
              Error::peer_closed);
        CHECK(ask(SystemCall::wait, suicidal.value).value == 99);
        CHECK_FALSE(went_on);
    });
}

TEST_CASE("proc: several wait for one process") {
    Booted booted;
    booted.run([] {
        const Answer child = spawn({}, [] { ask(SystemCall::thread_sleep, 1'000'000); });
        unsigned woken = 0;
        const auto waiter = [&] {
            CHECK(ask(SystemCall::wait, child.value).value == 0);
            ++woken;
        };
        const Answer a = start_thread(waiter);
        const Answer b = start_thread(waiter);
        ask(SystemCall::wait, a.value);
        ask(SystemCall::wait, b.value);
        CHECK(woken == 2);
        CHECK(ask(SystemCall::wait, start_thread([] {}).value).ok());
    });
}

TEST_CASE("proc: a process without handles to it runs to its end") {
    Booted booted;
    booted.run([] {
        bool ended = false;
        const Answer child = spawn({}, [&] {
            ask(SystemCall::thread_sleep, 1'000'000);
            ended = true;
        });
        CHECK(ask(SystemCall::handle_close, child.value).ok());
        ask(SystemCall::thread_sleep, 10'000'000);
        CHECK(ended);
    });
}
