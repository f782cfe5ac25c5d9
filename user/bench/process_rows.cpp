// SPDX-License-Identifier: MIT
// Rows about system calls, processes, threads and messages.
#include "user/bench/rows.hpp"
#include "user/bench/samples.hpp"
#include "user/lib/directory.hpp"
#include "user/lib/program.hpp"
#include "user/lib/spawn.hpp"
#include "user/lib/thread.hpp"

#include <atomic>

namespace bench {

void measure_boot() {
    Samples samples(1);
    samples.add_figure(must(user::directory::boot_time(), "the directory"));
    samples.print("boot_tsc_at_init");
}

void measure_null() {
    Samples samples(rounds);
    for (int i = -warm_rounds; i < rounds; ++i) {
        const std::uint64_t begun = time_stamp();
        (void)user::system_call<user::Call::process_id>();
        const std::uint64_t ended = time_stamp();
        if (i >= 0) samples.add(begun, ended);
    }
    samples.print("null_getppid");
}

void measure_spawn(std::uint64_t mebibytes, std::string_view row) {
    if (mebibytes != 0) {
        const auto memory = user::map(mebibytes * mebibyte);
        if (!memory) return fail(row, describe(memory.error()));
        touch(*memory, mebibytes * mebibyte);
    }
    const int count = mebibytes != 0 ? 50 : 500;
    constexpr std::string_view words[] = {"true"};
    Samples samples(static_cast<std::size_t>(count));
    for (int i = -20; i < count; ++i) {
        const std::uint64_t begun = time_stamp();
        const auto status = user::run(words);
        const std::uint64_t ended = time_stamp();
        if (!status || *status != 0) return fail(row, "the child failed");
        if (i >= 0) samples.add(begun, ended);
    }
    samples.print(row);
}

void measure_thread() {
    constexpr std::string_view row = "thread_pthread_create_join";
    constexpr int count = 2'000;
    Samples samples(count);
    for (int i = -warm_rounds; i < count; ++i) {
        const std::uint64_t begun = time_stamp();
        auto thread = user::Thread::start([](void*) {}, nullptr);
        if (!thread) return fail(row, describe(thread.error()));
        (void)thread->join();
        const std::uint64_t ended = time_stamp();
        if (i >= 0) samples.add(begun, ended);
    }
    samples.print(row);
}

/// Two threads that do nothing but yield. Their switches are counted by the other's turns.
void measure_yield() {
    constexpr std::string_view row = "switch_by_sched_yield";
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> turns{0};
    auto other = [&] {
        while (!stop.load(std::memory_order_relaxed)) {
            user::yield();
            turns.store(turns.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        }
    };
    auto thread = must(user::Thread::start(other), "thread");
    Samples samples(20);
    constexpr std::uint64_t yields = 1'000;
    std::uint64_t switches = 0;
    for (int i = 0; i < 21; ++i) {
        const std::uint64_t before = turns.load();
        const std::uint64_t begun = time_stamp();
        for (std::uint64_t n = 0; n < yields; ++n) user::yield();
        const std::uint64_t ended = time_stamp();
        if (i == 0) continue;
        samples.add(begun, ended);
        switches += yields + turns.load() - before;
    }
    stop.store(true);
    (void)thread.join();
    // Each yield of either must have been a switch, or the figure would mean something else.
    constexpr std::uint64_t wanted = 20 * 2 * yields;
    if (switches < wanted - wanted / 100 || switches > wanted + wanted / 100) {
        return fail(row, "the threads did not take turns");
    }
    samples.print(row, 2 * yields);
}

namespace {

constexpr std::uint64_t echo_end = ~std::uint64_t{0};

/// Calls the other process `rounds` times with a message.
void measure_call(abi::Handle endpoint, std::string_view row, std::uint64_t word) {
    constexpr int count = 10'000;
    Samples samples(count);
    for (int i = -warm_rounds; i < count; ++i) {
        std::uint64_t words[abi::register_words] = {0, word};
        const std::uint64_t begun = time_stamp();
        const std::int64_t heard = user::message_call<user::Call::call>(endpoint, 0, words);
        const std::uint64_t ended = time_stamp();
        if (heard < 0) return fail(row, describe(static_cast<Error>(-heard)));
        if (words[1] != word) return fail(row, "the answer is wrong");
        if (i >= 0) samples.add(begun, ended);
    }
    samples.print(row);
}

} // namespace

void measure_ipc() {
    const user::OwnedHandle endpoint(must(user::endpoint_create(), "endpoint"));
    const abi::Handle extra[] = {endpoint.get()};
    constexpr std::string_view words[] = {"bench", "--echo"};
    const auto partner = user::spawn(words, {.extra = extra});
    if (!partner) return fail("ipc_call_0w", describe(partner.error()));
    measure_call(endpoint.get(), "ipc_call_0w", 0);
    measure_call(endpoint.get(), "ipc_call_8B", 0x0123'4567'89ab'cdef);
    abi::Message last{};
    last.words[0] = echo_end;
    must(user::call(endpoint.get(), last), "call");
    (void)user::process_wait(partner->get());
}

int serve_echo() {
    const abi::Handle endpoint = user::extra_handle(0);
    std::uint64_t words[abi::register_words] = {};
    while (words[0] != echo_end) {
        if (user::message_call<user::Call::reply_receive>(endpoint, 0, words) < 0) {
            return user::status_failure;
        }
    }
    const auto answered = user::message_call<user::Call::reply_receive>(abi::no_handle, 0, words);
    return answered < 0 ? user::status_failure : user::status_success;
}

void measure_notification() {
    constexpr std::string_view row = "notify_pingpong";
    const user::OwnedHandle there(must(user::notification_create(), "notification"));
    const user::OwnedHandle back(must(user::notification_create(), "notification"));
    const abi::Handle extra[] = {there.get(), back.get()};
    constexpr std::string_view words[] = {"bench", "--pong"};
    const auto partner = user::spawn(words, {.extra = extra});
    if (!partner) return fail(row, describe(partner.error()));
    constexpr int count = 10'000;
    Samples samples(count);
    for (int i = -warm_rounds; i < count; ++i) {
        const std::uint64_t begun = time_stamp();
        (void)user::system_call<user::Call::signal>(there.get(), 1);
        const std::int64_t bits = user::system_call<user::Call::wait>(back.get());
        const std::uint64_t ended = time_stamp();
        if (bits != 1) return fail(row, "a wrong answer");
        if (i >= 0) samples.add(begun, ended);
    }
    samples.print(row);
    must(user::signal(there.get(), 2), "signal");
    (void)user::process_wait(partner->get());
}

int serve_pong() {
    for (;;) {
        const std::int64_t bits = user::system_call<user::Call::wait>(user::extra_handle(0));
        if (bits != 1) return bits == 2 ? user::status_success : user::status_failure;
        (void)user::system_call<user::Call::signal>(user::extra_handle(1), 1);
    }
}

} // namespace bench
