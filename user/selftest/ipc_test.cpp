// SPDX-License-Identifier: MIT
// Endpoints: call, receive, reply; handles in messages; partners that go away.
#include "user/lib/handle.hpp"
#include "user/lib/program.hpp"
#include "user/lib/thread.hpp"
#include "user/selftest/child.hpp"
#include "user/selftest/framework.hpp"
#include "user/selftest/machine.hpp"

#include <array>
#include <atomic>
#include <optional>

namespace selftest {
namespace {

using user::OwnedHandle;

OwnedHandle make_endpoint() {
    const auto endpoint = user::endpoint_create();
    return expect_ok(endpoint, "endpoint_create") ? OwnedHandle(*endpoint) : OwnedHandle();
}

/// Receives a call, and makes it a handle.
Result<abi::Handle> receive_kept(abi::Handle endpoint, abi::Message& message) {
    TRY(user::receive(endpoint, message));
    return user::keep_call();
}

/// Calls in a thread of its own, so that the test can answer.
class Caller {
public:
    Caller(abi::Handle endpoint, const abi::Message& message)
        : endpoint_(endpoint), message_(message) {
        auto thread = user::Thread::start(run, this);
        if (expect_ok(thread, "thread")) thread_.emplace(std::move(*thread));
    }
    Caller(const Caller&) = delete;
    Caller& operator=(const Caller&) = delete;
    /// Waits for the end of the call; gives 0 or the negated error.
    std::int64_t finish() {
        thread_.reset();
        return result_.load();
    }
    const abi::Message& message() const { return message_; }

private:
    static void run(void* context) {
        auto& self = *static_cast<Caller*>(context);
        const auto done = user::call(self.endpoint_, self.message_);
        self.result_.store(done ? 0 : -static_cast<std::int64_t>(done.error()));
    }
    abi::Handle endpoint_;
    abi::Message message_;
    std::atomic<std::int64_t> result_{1};
    std::optional<user::Thread> thread_;
};

void words_there_and_back() {
    const OwnedHandle endpoint = make_endpoint();
    abi::Message message{};
    for (unsigned i = 0; i < abi::message_words; ++i) message.words[i] = 100 + i;
    message.sender = 0x77777777; // only the kernel fills it
    Caller caller(endpoint.get(), message);
    abi::Message got{};
    REQUIRE(user::receive(endpoint.get(), got));
    for (unsigned i = 0; i < abi::message_words; ++i) EXPECT_EQUAL(got.words[i], 100 + i);
    EXPECT_EQUAL(got.sender, user::process_id());
    EXPECT_EQUAL(got.handle_count, 0);
    for (auto& word : got.words) word *= 2;
    EXPECT_OK(user::reply(got));
    EXPECT_EQUAL(caller.finish(), 0);
    for (unsigned i = 0; i < abi::message_words; ++i) {
        EXPECT_EQUAL(caller.message().words[i], 2 * (100 + i));
    }
}

void receiver_first() {
    const OnOneProcessor pinned;
    const OwnedHandle endpoint = make_endpoint();
    auto serve = [&] {
        abi::Message message{};
        if (!expect_ok(user::receive(endpoint.get(), message), "receive")) return;
        message.words[0] += 1;
        EXPECT_OK(user::reply(message));
    };
    auto server = REQUIRE(user::Thread::start(serve));
    for (int i = 0; i < 10; ++i) user::yield(); // it waits by now
    abi::Message message{};
    message.words[0] = 41;
    REQUIRE(user::call(endpoint.get(), message));
    EXPECT_EQUAL(message.words[0], 42);
    REQUIRE(server.join());
}

void callers_in_order() {
    const OnOneProcessor pinned;
    const OwnedHandle endpoint = make_endpoint();
    std::array<std::optional<Caller>, 4> callers;
    for (std::size_t i = 0; i < callers.size(); ++i) {
        abi::Message message{};
        message.words[0] = i;
        callers[i].emplace(endpoint.get(), message);
        for (int turn = 0; turn < 10; ++turn) user::yield();
    }
    std::array<std::uint64_t, 4> tokens{};
    for (std::size_t i = 0; i < callers.size(); ++i) {
        abi::Message got{};
        tokens[i] = REQUIRE(receive_kept(endpoint.get(), got));
        EXPECT_EQUAL(got.words[0], i);
    }
    for (std::size_t i = callers.size(); i-- > 0;) { // answered in another order
        abi::Message answer{};
        answer.words[0] = 10 * i;
        EXPECT_OK(user::reply(answer, tokens[i]));
    }
    for (std::size_t i = 0; i < callers.size(); ++i) {
        EXPECT_EQUAL(callers[i]->finish(), 0);
        EXPECT_EQUAL(callers[i]->message().words[0], 10 * i);
    }
}

void handles_travel() {
    const OwnedHandle endpoint = make_endpoint();
    const OwnedHandle first(REQUIRE(user::notification_create()));
    const OwnedHandle second(REQUIRE(user::notification_create()));
    abi::Message message{};
    message.handles[0] = first.get();
    message.handle_count = 1;
    Caller caller(endpoint.get(), message);
    abi::Message got{};
    REQUIRE(user::receive(endpoint.get(), got));
    EXPECT_EQUAL(got.handle_count, 1);
    EXPECT(got.handles[0] != first.get());
    EXPECT_OK(user::signal(got.handles[0], 4));
    EXPECT_EQUAL(REQUIRE(user::wait(first.get())), 4);
    REQUIRE(user::handle_close(got.handles[0]));
    abi::Message answer{};
    answer.handles[0] = second.get();
    answer.handles[1] = second.get();
    answer.handle_count = 2;
    EXPECT_OK(user::reply(answer));
    EXPECT_EQUAL(caller.finish(), 0);
    EXPECT_EQUAL(caller.message().handle_count, 2);
    for (unsigned i = 0; i < 2; ++i) {
        EXPECT_OK(user::signal(caller.message().handles[i], 1ULL << i));
        EXPECT_OK(user::handle_close(caller.message().handles[i]));
    }
    EXPECT_EQUAL(REQUIRE(user::wait(second.get())), 3);
}

void rights_travel_too() {
    const OwnedHandle endpoint = make_endpoint();
    const OwnedHandle all(REQUIRE(user::notification_create()));
    const OwnedHandle send(
        REQUIRE(user::handle_duplicate(all.get(), abi::right_send | abi::right_duplicate)));
    abi::Message message{};
    message.handles[0] = send.get();
    message.handle_count = 1;
    Caller caller(endpoint.get(), message);
    abi::Message got{};
    const auto token = REQUIRE(receive_kept(endpoint.get(), got));
    EXPECT_ERROR(user::wait(got.handles[0]), Error::not_permitted);
    EXPECT_OK(user::signal(got.handles[0], 1));
    REQUIRE(user::handle_close(got.handles[0]));
    EXPECT_OK(user::reply({}, token));
    EXPECT_EQUAL(caller.finish(), 0);
}

void bad_handles_in_messages() {
    const OwnedHandle endpoint = make_endpoint();
    const OwnedHandle all(REQUIRE(user::notification_create()));
    const OwnedHandle stays(REQUIRE(user::handle_duplicate(all.get(), abi::right_send)));
    abi::Message message{};
    message.handle_count = 1;
    message.handles[0] = 0x9999;
    EXPECT_ERROR(user::call(endpoint.get(), message), Error::bad_handle);
    message.handles[0] = stays.get();
    EXPECT_ERROR(user::call(endpoint.get(), message), Error::not_permitted);
    message.handles[0] = all.get();
    message.handle_count = abi::message_handles + 1;
    EXPECT(!user::call(endpoint.get(), message));
    message.handle_count = ~0U;
    EXPECT(!user::call(endpoint.get(), message));
}

void rights_are_checked() {
    const OwnedHandle all = make_endpoint();
    const OwnedHandle send(REQUIRE(user::handle_duplicate(all.get(), abi::right_send)));
    const OwnedHandle receive(REQUIRE(user::handle_duplicate(all.get(), abi::right_receive)));
    abi::Message message{};
    EXPECT_ERROR(user::receive(send.get(), message), Error::not_permitted);
    EXPECT_ERROR(user::call(receive.get(), message), Error::not_permitted);
    EXPECT_ERROR(user::receive(user::handles.directory, message), Error::not_permitted);
}

void kept_calls_serve_once() {
    const OwnedHandle endpoint = make_endpoint();
    Caller caller(endpoint.get(), {});
    abi::Message got{};
    const auto token = REQUIRE(receive_kept(endpoint.get(), got));
    EXPECT_OK(user::reply(got, token));
    EXPECT_ERROR(user::reply(got, token), Error::bad_handle);
    EXPECT_EQUAL(caller.finish(), 0);
    Caller again(endpoint.get(), {});
    const auto other = REQUIRE(receive_kept(endpoint.get(), got));
    EXPECT_ERROR(user::reply(got, token), Error::bad_handle);
    EXPECT_ERROR(user::reply(got, endpoint.get()), Error::bad_handle);
    EXPECT_ERROR(user::reply(got), Error::bad_handle);
    EXPECT_ERROR(user::keep_call(), Error::bad_handle);
    EXPECT_OK(user::reply(got, other));
    EXPECT_EQUAL(again.finish(), 0);
}

/// A kept call that is closed, or a call that another is received over, tells the caller that no
/// answer comes.
void refused_call() {
    const OwnedHandle endpoint = make_endpoint();
    Caller caller(endpoint.get(), {});
    abi::Message got{};
    const auto token = REQUIRE(receive_kept(endpoint.get(), got));
    EXPECT_OK(user::handle_close(token));
    EXPECT_EQUAL(caller.finish(), -static_cast<std::int64_t>(Error::peer_closed));
    Caller first(endpoint.get(), {});
    REQUIRE(user::receive(endpoint.get(), got));
    Caller second(endpoint.get(), {});
    REQUIRE(user::receive(endpoint.get(), got));
    EXPECT_EQUAL(first.finish(), -static_cast<std::int64_t>(Error::peer_closed));
    EXPECT_OK(user::reply(got));
    EXPECT_EQUAL(second.finish(), 0);
}

void between_processes() {
    const OwnedHandle endpoint = make_endpoint();
    const OwnedHandle given(
        REQUIRE(user::handle_duplicate(endpoint.get(), abi::right_receive | abi::right_duplicate)));
    const abi::Handle extra[] = {given.get()};
    const auto child = REQUIRE(start_child({"echo"}, extra));
    for (std::uint64_t i = 1; i <= 100; ++i) {
        abi::Message message{};
        message.words[0] = i;
        message.words[7] = 1000 * i;
        REQUIRE(user::call(endpoint.get(), message));
        EXPECT_EQUAL(message.words[0], i + 1);
        EXPECT_EQUAL(message.words[7], 1000 * i + 1);
    }
    abi::Message last{};
    REQUIRE(user::call(endpoint.get(), last));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
}

/// The partner takes the message and ends without an answer.
void partner_dies() {
    OwnedHandle endpoint = make_endpoint();
    const abi::Handle extra[] = {endpoint.get()};
    const auto child = REQUIRE(start_child({"receive-and-end"}, extra));
    abi::Message message{};
    EXPECT_ERROR(user::call(endpoint.get(), message), Error::peer_closed);
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
}

/// The only one who could receive is gone before the call.
void nobody_can_receive() {
    const OnOneProcessor pinned;
    const OwnedHandle endpoint = make_endpoint();
    const OwnedHandle send(REQUIRE(user::handle_duplicate(endpoint.get(), abi::right_send)));
    Caller waiting(send.get(), {});
    for (int i = 0; i < 10; ++i) user::yield();
    {
        OwnedHandle gone(REQUIRE(user::endpoint_create()));
        abi::Message message{};
        const OwnedHandle sender(REQUIRE(user::handle_duplicate(gone.get(), abi::right_send)));
        gone = OwnedHandle();
        EXPECT_ERROR(user::call(sender.get(), message), Error::peer_closed);
    }
    abi::Message got{};
    const auto token = REQUIRE(receive_kept(endpoint.get(), got));
    EXPECT_OK(user::reply({}, token));
    EXPECT_EQUAL(waiting.finish(), 0);
}

/// A caller that is ended while it waits: the answer finds nobody, and harms nobody.
void caller_dies() {
    const OwnedHandle endpoint = make_endpoint();
    const abi::Handle extra[] = {endpoint.get()};
    const auto child = REQUIRE(start_child({"call"}, extra));
    abi::Message got{};
    const auto token = REQUIRE(receive_kept(endpoint.get(), got));
    EXPECT_EQUAL(got.sender, REQUIRE(user::process_info(child.get())).id);
    REQUIRE(user::process_kill(child.get(), 9));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 9);
    EXPECT_ERROR(user::reply(got, token), Error::peer_closed);
}

constexpr Test tests[] = {
    {"words_there_and_back", words_there_and_back},
    {"receiver_first", receiver_first},
    {"callers_in_order", callers_in_order},
    {"handles_travel", handles_travel},
    {"rights_travel_too", rights_travel_too},
    {"bad_handles_in_messages", bad_handles_in_messages},
    {"rights_are_checked", rights_are_checked},
    {"kept_calls_serve_once", kept_calls_serve_once},
    {"refused_call", refused_call},
    {"between_processes", between_processes},
    {"partner_dies", partner_dies},
    {"nobody_can_receive", nobody_can_receive},
    {"caller_dies", caller_dies},
};

} // namespace

constinit const Suite ipc_suite{"ipc", tests};

} // namespace selftest
