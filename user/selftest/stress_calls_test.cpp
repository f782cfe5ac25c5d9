// SPDX-License-Identifier: MIT
// Stress of messages: callers and servers on all processors, in words and whole, answered at once
// or kept, and callers that are ended in the middle.
#include "user/selftest/child.hpp"
#include "user/selftest/crew.hpp"
#include "user/selftest/stress.hpp"

#include <algorithm>

namespace selftest {

namespace {

constexpr std::uint64_t last_word = ~0ULL;
constexpr int kill_status = -6;

/// What a call about `word` is answered with.
std::uint64_t answer_to(std::uint64_t word) { return word * 0x9e37'79b9'7f4a'7c15 + 1; }

/// Answers calls until one says that it is the last. Every third is kept, and answered by its
/// handle.
void serve(abi::Handle endpoint) {
    abi::Message message{};
    for (unsigned served = 0;; ++served) {
        if (!expect_ok(user::reply_receive(endpoint, message), "reply_receive")) return;
        const bool last = message.words[0] == last_word;
        for (auto& word : message.words) word = answer_to(word);
        if (last) {
            expect_ok(user::reply(message), "the last reply");
            return;
        }
        if (served % 3 != 2) continue;
        const auto kept = user::keep_call();
        if (!expect_ok(kept, "keep_call")) return;
        const auto answered = user::reply(message, *kept);
        expect(answered.ok() || answered.error() == Error::peer_closed, "a kept reply");
        message = {};
    }
}

/// One call, whole every fourth time; its answer must be its own.
void call_once(abi::Handle endpoint, std::uint64_t caller, std::uint64_t round) {
    abi::Message message{};
    const unsigned count = round % 4 == 0 ? abi::message_words : abi::register_words;
    for (unsigned i = 0; i < count; ++i) message.words[i] = caller << 40 | round << 8 | (i + 1);
    const abi::Message said = message;
    if (!expect_ok(user::call(endpoint, message), "call")) return;
    for (unsigned i = 0; i < count; ++i)
        expect(message.words[i] == answer_to(said.words[i]), "the answer to another call");
}

void end_servers(abi::Handle endpoint, unsigned servers) {
    for (unsigned i = 0; i < servers; ++i) {
        abi::Message message{};
        message.words[0] = last_word;
        expect_ok(user::call(endpoint, message), "the last call");
    }
}

int child_call_for_ever(user::Arguments) {
    for (std::uint64_t round = 1;; ++round) {
        abi::Message message{};
        message.words[0] = round;
        if (!user::call(user::extra_handle(0), message)) return 1;
        if (round == 20) (void)user::signal(user::extra_handle(1), 1);
    }
}

constexpr Role roles[] = {
    {"call-for-ever", 0, child_call_for_ever},
};

} // namespace

std::span<const Role> stress_calls_roles() { return roles; }

void calls_everywhere() {
    const user::OwnedHandle endpoint(REQUIRE(user::endpoint_create()));
    const unsigned servers = crew_size() / 2;
    const unsigned callers = std::min(2 * servers, 8 - servers);
    const unsigned rounds = stress_rounds(200);
    std::atomic<unsigned> calling{callers};
    auto work = [&](unsigned number) {
        if (number < servers) return serve(endpoint.get());
        for (unsigned round = 1; round <= rounds; ++round) call_once(endpoint.get(), number, round);
        if (calling.fetch_sub(1) == 1) end_servers(endpoint.get(), servers);
    };
    (void)run_crew(servers + callers, work);
}

void kill_while_calling() {
    const user::OwnedHandle endpoint(REQUIRE(user::endpoint_create()));
    const user::OwnedHandle begun(REQUIRE(user::notification_create()));
    const abi::Handle extra[] = {endpoint.get(), begun.get()};
    const unsigned servers = crew_size() - 1;
    auto work = [&](unsigned number) {
        if (number != 0) return serve(endpoint.get());
        for (unsigned round = stress_rounds(4); round-- != 0;) {
            const auto child = start_child({"call-for-ever"}, extra);
            if (!expect_ok(child, "spawn")) break;
            expect_ok(user::wait(begun.get()), "wait");
            expect_ok(user::process_kill(child->get(), kill_status), "kill");
            const auto status = user::process_wait(child->get());
            expect(status.ok() && *status == kill_status, "the status");
        }
        end_servers(endpoint.get(), servers);
    };
    (void)run_crew(servers + 1, work);
}

} // namespace selftest
