// SPDX-License-Identifier: MIT
// Messages and notifications: order, payload, handles, tokens, and every way a side can go.
#include "shim/booted.hpp"

#include <doctest/doctest.h>

using namespace shim;

namespace {

/// Each thread's message has a place of its own.
constexpr VirtAddr message_at(unsigned n) { return init_data + 0x1000 + n * 0x100; }

abi::Message words(std::uint64_t first, std::uint64_t last = 0) {
    abi::Message message{};
    message.words[0] = first;
    message.words[7] = last;
    return message;
}

/// Calls with a whole message; the reply stands at `at`.
Answer call(abi::Handle endpoint, VirtAddr at, const abi::Message& message) {
    put(at, message);
    return ask(SystemCall::call, endpoint, at.value + abi::message_whole);
}
/// Answers a call that was kept.
Answer reply(abi::Handle kept, VirtAddr at, abi::Message message) {
    message.call = kept;
    put(at, message);
    return ask(SystemCall::reply_receive, 0, at.value + abi::message_whole);
}
/// Receives a call and keeps it: its handle.
Answer receive(abi::Handle endpoint, VirtAddr at) {
    const Answer received = ask(SystemCall::reply_receive, endpoint, at.value);
    return received.ok() ? ask(SystemCall::handle_duplicate, abi::received_call, 0) : received;
}
Answer join(const Answer& thread) { return ask(SystemCall::wait, thread.value); }

abi::Handle endpoint() {
    const Answer made = ask(SystemCall::object_create, abi::ObjectKind::endpoint);
    REQUIRE(made.ok());
    return made.value;
}

/// A child that has copies of the handles, as handles 1, 2, ...
Answer child(std::vector<abi::Handle> handles, std::function<void()> code) {
    Plan plan(std::move(code));
    plan.handles = std::move(handles);
    const Answer made = plan.spawn();
    REQUIRE(made.ok());
    return made;
}
Answer status(const Answer& process) { return ask(SystemCall::wait, process.value); }

/// The first user of an endpoint waits before the other comes.
enum class First { server, client };

void exchange(First first) {
    const abi::Handle end = endpoint();
    const unsigned server_priority = first == First::server ? 20 : 12;
    const Answer server = start_thread(
        [&] {
            const Answer token = receive(end, message_at(0));
            REQUIRE(token.ok());
            const auto request = get<abi::Message>(message_at(0));
            CHECK(request.words[0] == 11);
            CHECK(request.words[7] == 18);
            CHECK(request.sender == 1);
            CHECK(reply(token.value, message_at(0), words(21, 28)).ok());
            CHECK(reply(token.value, message_at(0), words(31)).error == Error::bad_handle);
        },
        server_priority);
    const Answer client = start_thread(
        [&] {
            CHECK(call(end, message_at(1), words(11, 18)).ok());
            CHECK(get<abi::Message>(message_at(1)).words[0] == 21);
            CHECK(get<abi::Message>(message_at(1)).words[7] == 28);
        },
        16);
    join(client);
    join(server);
}

} // namespace

TEST_CASE("proc: a call is received and answered, whoever comes first") {
    Booted booted;
    booted.run([] {
        exchange(First::server);
        exchange(First::client);
    });
}

TEST_CASE("proc: a call switches to the waiting receiver directly") {
    Booted booted;
    booted.run([] {
        const abi::Handle end = endpoint();
        const Answer server = start_thread([&] {
            const Answer token = receive(end, message_at(0));
            reply(token.value, message_at(0), words(1));
        });
        std::string order;
        const Answer client = start_thread([&] {
            const Answer other = start_thread([&] { order += "o"; });
            const std::uint64_t before = proc_machine().switches;
            CHECK(call(end, message_at(1), words(0)).ok());
            order += "c";
            // To the server, past the other thread that was ready before; it ends, and by way of
            // that one (and the reaping of both) back.
            CHECK(proc_machine().switches - before <= 4);
            join(other);
        });
        join(client);
        join(server);
        CHECK(order == "oc");
    });
}

TEST_CASE("proc: callers are received by priority, equals in order of arrival") {
    Booted booted;
    booted.run([] {
        const abi::Handle end = endpoint();
        std::vector<Answer> clients;
        const unsigned priorities[] = {10, 12, 10, 14, 12};
        for (unsigned i = 0; i < 5; ++i)
            clients.push_back(
                start_thread([&, i] { call(end, message_at(i + 1), words(i)); }, priorities[i]));
        ask(SystemCall::thread_sleep, 1000);
        std::string order;
        for (unsigned i = 0; i < 5; ++i) {
            const Answer token = receive(end, message_at(0));
            order += static_cast<char>('0' + get<abi::Message>(message_at(0)).words[0]);
            reply(token.value, message_at(0), words(0));
        }
        for (const Answer& client : clients) join(client);
        CHECK(order == "31402");
    });
}

TEST_CASE("proc: handles travel with messages, with the rights they have") {
    Booted booted;
    booted.run([] {
        const abi::Handle end = endpoint();
        const Answer note = ask(SystemCall::object_create, abi::ObjectKind::notification);
        const Answer give =
            ask(SystemCall::handle_duplicate, note.value, abi::right_send | abi::right_duplicate);
        const Answer keep = ask(SystemCall::handle_duplicate, note.value, abi::right_send);
        const Answer server = child({end}, [] {
            const Answer token = receive(1, message_at(0));
            const auto request = get<abi::Message>(message_at(0));
            CHECK(request.handle_count == 1);
            CHECK(ask(SystemCall::signal, request.handles[0], 32).ok());
            CHECK(ask(SystemCall::wait, request.handles[0]).error == Error::not_permitted);
            abi::Message answer = words(0);
            answer.handle_count = 2;
            answer.handles[0] = request.handles[0];
            answer.handles[1] = 1;
            CHECK(reply(token.value, message_at(0), answer).ok());
        });
        abi::Message request = words(0);
        request.handle_count = 1;
        request.handles[0] = keep.value;
        CHECK(call(end, message_at(1), request).error == Error::not_permitted);
        request.handles[0] = 777;
        CHECK(call(end, message_at(1), request).error == Error::bad_handle);
        request.handle_count = 5;
        CHECK(call(end, message_at(1), request).error == Error::invalid_argument);
        request.handle_count = 1;
        request.handles[0] = give.value;
        CHECK(call(end, message_at(1), request).ok());
        const auto answer = get<abi::Message>(message_at(1));
        REQUIRE(answer.handle_count == 2);
        CHECK(ask(SystemCall::signal, answer.handles[0], 64).ok());
        CHECK(ask(SystemCall::wait, note.value).value == (32 | 64));
        CHECK(status(server).ok());
    });
}

TEST_CASE("proc: a call ends when its server dies, or closes the token") {
    Booted booted;
    booted.run([] {
        const abi::Handle end = endpoint();
        const Answer receiver =
            ask(SystemCall::handle_duplicate, end, abi::right_receive | abi::right_duplicate);
        const Answer sender =
            ask(SystemCall::handle_duplicate, end, abi::right_send | abi::right_duplicate);
        CHECK(ask(SystemCall::handle_close, end).ok());
        const Answer server = child({receiver.value}, [] {
            CHECK(ask(SystemCall::handle_close, receive(1, message_at(0)).value).ok());
            receive(1, message_at(0));
            ask(SystemCall::process_kill, 0, 3);
        });
        CHECK(ask(SystemCall::handle_close, receiver.value).ok());
        CHECK(call(sender.value, message_at(1), words(1)).error == Error::peer_closed);
        CHECK(call(sender.value, message_at(1), words(2)).error == Error::peer_closed);
        CHECK(status(server).value == 3);
        // Nobody can receive any more.
        CHECK(call(sender.value, message_at(1), words(3)).error == Error::peer_closed);
    });
}

TEST_CASE("proc: callers in the queue wake when the last receiver goes, receivers likewise") {
    Booted booted;
    booted.run([] {
        const abi::Handle end = endpoint();
        const Answer sender = ask(SystemCall::handle_duplicate, end, abi::right_send);
        Error called{};
        const Answer client =
            start_thread([&] { called = call(sender.value, message_at(1), words(1)).error; }, 20);
        ask(SystemCall::thread_sleep, 1000);
        CHECK(ask(SystemCall::handle_close, end).ok());
        join(client);
        CHECK(called == Error::peer_closed);

        const abi::Handle other = endpoint();
        const Answer receiver = ask(SystemCall::handle_duplicate, other, abi::right_receive);
        Error received{};
        const Answer server =
            start_thread([&] { received = receive(receiver.value, message_at(0)).error; }, 20);
        ask(SystemCall::thread_sleep, 1000);
        CHECK(ask(SystemCall::handle_close, other).ok());
        join(server);
        CHECK(received == Error::peer_closed);
        CHECK(receive(receiver.value, message_at(0)).error == Error::peer_closed);
    });
}

TEST_CASE("proc: a server learns at its reply that the client is gone") {
    Booted booted;
    booted.run([] {
        const abi::Handle end = endpoint();
        const Answer client = child({end}, [] { call(1, message_at(1), words(1)); });
        const Answer token = receive(end, message_at(0));
        REQUIRE(token.ok());
        CHECK(ask(SystemCall::process_kill, client.value, 7).ok());
        CHECK(status(client).value == 7);
        CHECK(reply(token.value, message_at(0), words(2)).error == Error::peer_closed);
        CHECK(reply(token.value, message_at(0), words(2)).error == Error::bad_handle);
    });
}

TEST_CASE("proc: a message that can't be written ends the call, not the server") {
    Booted booted;
    booted.run([] {
        const abi::Handle end = endpoint();
        Error called{};
        const Answer client =
            start_thread([&] { called = call(end, message_at(1), words(1)).error; }, 20);
        ask(SystemCall::thread_sleep, 1000);
        CHECK(receive(end, VirtAddr{0x30000000}).error == Error::bad_address);
        join(client);
        CHECK(called == Error::peer_closed);

        const Answer again =
            start_thread([&] { called = call(end, message_at(1), words(1)).error; }, 20);
        ask(SystemCall::thread_sleep, 1000);
        const Answer token = receive(end, message_at(0));
        CHECK(ask(SystemCall::reply_receive, 0, 0x30000000 + abi::message_whole).error ==
              Error::bad_address);
        CHECK(reply(token.value, message_at(0), words(2)).ok()); // the token was still good
        join(again);
        CHECK(called == Error{});
    });
}

TEST_CASE("proc: a receiver without room for handles refuses the message") {
    Booted booted;
    booted.run([] {
        const abi::Handle end = endpoint();
        std::vector<abi::Handle> handles;
        for (;;) {
            const Answer more = ask(SystemCall::handle_duplicate, end, abi::right_send);
            if (!more.ok()) break;
            handles.push_back(more.value);
        }
        ask(SystemCall::handle_close, handles[0]);
        Error called{};
        const Answer client =
            start_thread([&] { called = call(end, message_at(1), words(1)).error; }, 20);
        REQUIRE(client.ok()); // its handle took the last room
        ask(SystemCall::thread_sleep, 1000);
        // It can't be kept, but still be answered.
        CHECK(receive(end, message_at(0)).error == Error::limit_reached);
        CHECK(ask(SystemCall::reply_receive, 0, 0).ok());
        join(client);
        CHECK(called == Error{});

        // Room for one of the message's handles, but not for both.
        ask(SystemCall::handle_close, handles[1]);
        ask(SystemCall::handle_close, handles[2]);
        const Answer other = start_thread(
            [&] {
                abi::Message message = words(1);
                message.handle_count = 2;
                message.handles[0] = message.handles[1] = end;
                called = call(end, message_at(1), message).error;
            },
            20);
        REQUIRE(other.ok());
        ask(SystemCall::thread_sleep, 1000);
        CHECK(ask(SystemCall::reply_receive, end, message_at(0).value).error ==
              Error::limit_reached);
        join(other);
        CHECK(called == Error::peer_closed);
        // What the refused message had taken is free again.
        CHECK(ask(SystemCall::handle_duplicate, end, abi::right_send).ok());
    });
}

namespace {

using Words = std::array<std::uint64_t, abi::register_words>;

/// Calls with words in registers; they become the answer's.
std::int64_t call_words(abi::Handle endpoint, Words& words, std::uint64_t message = 0) {
    return message_call(SystemCall::call, endpoint, message, words);
}
std::int64_t answer_words(abi::Handle endpoint, Words& words, std::uint64_t message = 0) {
    return message_call(SystemCall::reply_receive, endpoint, message, words);
}

} // namespace

TEST_CASE("proc: words travel in registers, with two switches a call and nothing written") {
    Booted booted;
    booted.run([] {
        const abi::Handle end = endpoint();
        put(message_at(0), words(77));
        put(message_at(1), words(78));
        const Answer server = start_thread(
            [&] {
                Words heard{};
                for (unsigned n = 0; n < 10; ++n) {
                    CHECK(answer_words(end, heard, message_at(0).value) == 1); // init's id
                    CHECK(heard == Words{n, n + 1, n + 2, n + 3});
                    for (auto& word : heard) word *= 2;
                }
                CHECK(answer_words(0, heard) == 0);
                CHECK(answer_words(0, heard) == -static_cast<std::int64_t>(Error::bad_handle));
            },
            20);
        ask(SystemCall::thread_sleep, 1000);
        for (unsigned n = 0; n < 10; ++n) {
            Words said{n, n + 1, n + 2, n + 3};
            const std::uint64_t before = proc_machine().switches;
            CHECK(call_words(end, said, message_at(1).value) == 1);
            CHECK(said == Words{2 * n, 2 * n + 2, 2 * n + 4, 2 * n + 6});
            if (n < 9) CHECK(proc_machine().switches - before == 2);
        }
        join(server);
        CHECK(get<abi::Message>(message_at(0)).words[0] == 77);
        CHECK(get<abi::Message>(message_at(1)).words[0] == 78);
    });
}

TEST_CASE("proc: a whole message comes with its first words in registers too") {
    Booted booted;
    booted.run([] {
        const abi::Handle end = endpoint();
        const Answer note = ask(SystemCall::object_create, abi::ObjectKind::notification);
        const Answer server = start_thread(
            [&] {
                Words heard{};
                // One with a place for all of it, one without: its handle ends there.
                CHECK(answer_words(end, heard, message_at(0).value) ==
                      static_cast<std::int64_t>(1 | abi::heard_whole));
                const auto whole = get<abi::Message>(message_at(0));
                CHECK(heard == Words{5, 0, 0, 0});
                CHECK(whole.words[0] == 5);
                CHECK(whole.words[7] == 9);
                CHECK(whole.handle_count == 1);
                CHECK(ask(SystemCall::handle_close, whole.handles[0]).ok());
                heard = {6, 7, 8, 9};
                CHECK(answer_words(end, heard) == static_cast<std::int64_t>(1 | abi::heard_whole));
                CHECK(heard == Words{5, 0, 0, 0});
                heard = {};
                CHECK(answer_words(0, heard) == 0);
            },
            20);
        ask(SystemCall::thread_sleep, 1000);
        abi::Message message = words(5, 9);
        message.handle_count = 1;
        message.handles[0] = note.value;
        CHECK(call(end, message_at(1), message).value == 1); // short: in registers alone
        CHECK(get<abi::Message>(message_at(1)).words[7] == 9);
        CHECK(call(end, message_at(1), message).ok());
        join(server);
        // All that can signal is here: its end wakes the waiter.
        const Answer waiting = ask(SystemCall::handle_duplicate, note.value, abi::right_receive);
        CHECK(ask(SystemCall::handle_close, note.value).ok());
        CHECK(ask(SystemCall::wait, waiting.value).error == Error::peer_closed);
    });
}

TEST_CASE("proc: a caller does not hand over past who is more urgent than its server") {
    Booted booted;
    booted.run([] {
        const abi::Handle end = endpoint();
        std::string order;
        const Answer server = start_thread(
            [&] {
                Words heard{};
                CHECK(answer_words(end, heard) >= 0);
                order += "s";
                CHECK(answer_words(0, heard) == 0);
            },
            10);
        ask(SystemCall::thread_sleep, 1000);
        const Answer client = start_thread(
            [&] {
                Answer other = start_thread([&] { order += "o"; }, 15);
                Words said{};
                CHECK(call_words(end, said) >= 0);
                order += "c";
                join(other);
            },
            20);
        join(client);
        join(server);
        CHECK(order == "osc");
    });
}

TEST_CASE("proc: a server goes on when the caller that it answers is gone") {
    Booted booted;
    booted.run([] {
        const abi::Handle end = endpoint();
        const Answer client = child({end}, [] {
            Words said{1};
            call_words(1, said);
        });
        Words heard{};
        CHECK(answer_words(end, heard) >= 0);
        CHECK(heard[0] == 1);
        CHECK(ask(SystemCall::process_kill, client.value, 7).ok());
        CHECK(status(client).value == 7);
        const Answer next = start_thread(
            [&] {
                Words said{2};
                CHECK(call_words(end, said) == 1);
                CHECK(said[0] == 3);
            },
            20);
        CHECK(answer_words(end, heard) == 1);
        CHECK(heard[0] == 2);
        heard[0] = 3;
        CHECK(answer_words(0, heard) == 0);
        join(next);
    });
}

TEST_CASE("proc: a call ends when the thread that has to answer it ends, or is killed") {
    Booted booted;
    booted.run([] {
        const abi::Handle end = endpoint();
        const Answer server = start_thread([&] {
            Words heard{};
            answer_words(end, heard);
        });
        Words said{};
        CHECK(call_words(end, said) == -static_cast<std::int64_t>(Error::peer_closed));
        join(server);
        const Answer other = child({end}, [] {
            Words heard{};
            answer_words(1, heard);
            for (;;) user_compute(1'000'000);
        });
        const Answer killer = start_thread(
            [&] {
                ask(SystemCall::thread_sleep, 2'000'000);
                CHECK(ask(SystemCall::process_kill, other.value, 5).ok());
            },
            20);
        CHECK(call_words(end, said) == -static_cast<std::int64_t>(Error::peer_closed));
        join(killer);
        CHECK(status(other).value == 5);
    });
}

TEST_CASE("proc: a call that is kept can be answered by another thread, or refused") {
    Booted booted;
    booted.run([] {
        const abi::Handle end = endpoint();
        CHECK(ask(SystemCall::handle_duplicate, abi::received_call, 0).error == Error::bad_handle);
        const auto caller = [&](std::int64_t wanted) {
            return start_thread(
                [&, wanted] {
                    Words said{4};
                    CHECK(call_words(end, said) == wanted);
                },
                20);
        };
        const Answer first = caller(static_cast<std::int64_t>(1 | abi::heard_whole));
        const Answer second = caller(-static_cast<std::int64_t>(Error::peer_closed));
        ask(SystemCall::thread_sleep, 1000);
        const Answer kept = receive(end, message_at(0));
        const Answer refused = receive(end, message_at(0));
        REQUIRE(kept.ok());
        REQUIRE(refused.ok());
        CHECK(ask(SystemCall::handle_close, refused.value).ok());
        join(start_thread([&] { CHECK(reply(kept.value, message_at(1), words(1)).ok()); }));
        CHECK(reply(kept.value, message_at(1), words(1)).error == Error::bad_handle);
        join(first);
        join(second);
    });
}

TEST_CASE("proc: notifications gather bits and wake one waiter") {
    Booted booted;
    booted.run([] {
        const Answer note = ask(SystemCall::object_create, abi::ObjectKind::notification);
        CHECK(ask(SystemCall::signal, note.value, 1).ok());
        CHECK(ask(SystemCall::signal, note.value, 4).ok());
        CHECK(ask(SystemCall::wait, note.value).value == 5);
        CHECK(ask(SystemCall::signal, note.value, 0).error == Error::invalid_argument);
        CHECK(ask(SystemCall::signal, note.value, 1ULL << 63).error == Error::invalid_argument);

        std::vector<std::uint64_t> taken;
        const auto waiter = [&] { taken.push_back(ask(SystemCall::wait, note.value).value); };
        const Answer first = start_thread(waiter);
        const Answer second = start_thread(waiter);
        ask(SystemCall::thread_sleep, 1000);
        CHECK(ask(SystemCall::signal, note.value, 2).ok());
        join(first);
        CHECK(taken == std::vector<std::uint64_t>{2});
        CHECK(ask(SystemCall::signal, note.value, 8).ok());
        join(second);
        CHECK(taken == std::vector<std::uint64_t>{2, 8});
    });
}

TEST_CASE("proc: waiters wake when nobody can signal any more") {
    Booted booted;
    booted.run([] {
        const Answer note = ask(SystemCall::object_create, abi::ObjectKind::notification);
        const Answer waiting = ask(SystemCall::handle_duplicate, note.value, abi::right_receive);
        Error error{};
        const Answer thread =
            start_thread([&] { error = ask(SystemCall::wait, waiting.value).error; }, 20);
        ask(SystemCall::thread_sleep, 1000);
        ask(SystemCall::handle_close, note.value);
        join(thread);
        CHECK(error == Error::peer_closed);
        CHECK(ask(SystemCall::wait, waiting.value).error == Error::peer_closed);
    });
}
