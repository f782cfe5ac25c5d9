// SPDX-License-Identifier: MIT
// Fork: threads, what they hold, and forks by several at once.
#include "user/selftest/crew.hpp"
#include "user/selftest/fork_cases.hpp"

#include "user/lib/heap.hpp"
#include "user/lib/spawn.hpp"
#include "user/lib/upcall.hpp"

#include <array>
#include <atomic>

namespace selftest {
void only_the_caller_survives() {
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> turns{0};
    auto count = [&] {
        while (!stop.load()) {
            turns.fetch_add(1);
            user::yield();
        }
    };
    auto first = REQUIRE(user::Thread::start(count));
    auto second = REQUIRE(user::Thread::start(count));
    wait_until([&] { return turns.load() > 10; });
    for (int i = 0; i < 5; ++i) {
        in_copy([&] {
            EXPECT_EQUAL(REQUIRE(user::process_info(abi::no_handle)).threads, 1);
            const std::uint64_t before = turns.load();
            for (int n = 0; n < 20; ++n) user::yield();
            EXPECT_EQUAL(turns.load(), before);
            // A handle to a thread is to the original's, which still runs.
            EXPECT_OK(user::thread_processor(first.handle()));
            auto more = REQUIRE(user::Thread::start(count));
            wait_until([&] { return turns.load() != before; });
            stop.store(true);
            EXPECT_OK(more.join());
        });
    }
    EXPECT(!stop.load());
    stop.store(true);
    EXPECT_OK(first.join());
    EXPECT_OK(second.join());
}

/// Whatever other threads do with heap and stacks: both work in the copy.
void the_runtime_is_whole() {
    std::atomic<bool> stop{false};
    auto work = [&] {
        for (std::size_t bytes = 1; !stop.load(); bytes = bytes * 7 % 10'007) {
            void* const block = user::allocate(bytes);
            auto thread = user::Thread::start([](void*) {}, nullptr);
            user::release(block);
            if (thread) (void)thread->join();
        }
    };
    auto first = REQUIRE(user::Thread::start(work));
    auto second = REQUIRE(user::Thread::start(work));
    for (int i = 0; i < 10; ++i) {
        in_copy([&] {
            for (std::size_t bytes = 16; bytes < 100'000; bytes *= 3) {
                auto* const block = static_cast<char*>(user::allocate(bytes));
                EXPECT(block != nullptr);
                block[bytes - 1] = 1;
                user::release(block);
            }
            auto thread = REQUIRE(user::Thread::start([](void*) {}, nullptr));
            EXPECT_OK(thread.join());
        });
    }
    stop.store(true);
    EXPECT_OK(first.join());
    EXPECT_OK(second.join());
}

namespace {

unsigned illegal_count;
unsigned foreign_count;

/// Skips UD2's two bytes; answers foreign calls.
bool note(user::UpcallFrame& frame) {
    if (frame.cause == abi::UpcallCause::illegal) {
        ++illegal_count;
        frame.rip += 2;
        return true;
    }
    if (frame.cause != abi::UpcallCause::foreign_call) return false;
    ++foreign_count;
    frame.rax = 77;
    return true;
}

} // namespace

void upcalls_are_kept() {
    const auto code = REQUIRE(user::map(page_size));
    constexpr std::array<unsigned char, 3> call_and_return{0x0f, 0x05, 0xc3}; // syscall; ret
    __builtin_memcpy(reinterpret_cast<void*>(code), call_and_return.data(), call_and_return.size());
    REQUIRE(user::protect(code, page_size, abi::access_read | abi::access_execute));
    const auto fault = [&] {
        asm volatile("ud2" : : : "memory");
        const auto foreign = reinterpret_cast<std::uint64_t (*)()>(code);
        EXPECT_EQUAL(foreign(), 77);
    };
    illegal_count = foreign_count = 0;
    {
        const auto upcalls = REQUIRE(user::Upcalls::install(note, user::own_code()));
        fault();
        in_copy([&] {
            fault();
            EXPECT_EQUAL(illegal_count, 2);
            in_copy(fault);
            EXPECT_EQUAL(foreign_count, 2);
        });
        fault();
    }
    EXPECT_EQUAL(illegal_count, 2);
    EXPECT_EQUAL(foreign_count, 2);
    REQUIRE(user::unmap(code, page_size));
}

void handles_are_kept() {
    const user::OwnedHandle note(REQUIRE(user::notification_create()));
    const user::OwnedHandle send(REQUIRE(user::handle_duplicate(note.get(), abi::right_send)));
    const auto closed = REQUIRE(user::notification_create());
    REQUIRE(user::handle_close(closed));
    in_copy([&] {
        EXPECT_ERROR(user::signal(closed, 1), Error::bad_handle);
        EXPECT_ERROR(user::wait(send.get()), Error::not_permitted);
        EXPECT_OK(user::signal(send.get(), 5));
        EXPECT_OK(user::handle_close(note.get()));
        const auto fresh = REQUIRE(user::notification_create());
        EXPECT_OK(user::signal(fresh, 1));
        EXPECT_EQUAL(REQUIRE(user::wait(fresh)), 1);
    });
    EXPECT_EQUAL(REQUIRE(user::wait(note.get())), 5);
    // The copy's receiver is the last one: who waits there is told when no sender is left.
    user::OwnedHandle both(REQUIRE(user::endpoint_create()));
    const user::OwnedHandle receive(
        REQUIRE(user::handle_duplicate(both.get(), abi::right_receive)));
    const auto in_child = [&] {
        both = {};
        abi::Message message{};
        EXPECT_ERROR(user::receive(receive.get(), message), Error::peer_closed);
    };
    const auto child = REQUIRE(start_copy(in_child));
    (void)user::sleep(2'000'000);
    EXPECT_EQUAL(REQUIRE(user::process_info(child.get())).exited, 0);
    both = {};
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
}

void calls_to_answer_are_not() {
    const user::OwnedHandle endpoint(REQUIRE(user::endpoint_create()));
    auto ask = [&] {
        abi::Message message{};
        message.words[0] = 6;
        EXPECT_OK(user::call(endpoint.get(), message));
        EXPECT_EQUAL(message.words[0], 7);
    };
    auto caller = REQUIRE(user::Thread::start(ask));
    abi::Message message{};
    REQUIRE(user::receive(endpoint.get(), message));
    in_copy([&] { EXPECT_ERROR(user::keep_call(), Error::bad_handle); });
    const auto kept = REQUIRE(user::keep_call());
    in_copy([&] {
        EXPECT_ERROR(user::reply(message, kept), Error::bad_handle);
        EXPECT_ERROR(user::handle_close(kept), Error::bad_handle);
    });
    message.words[0] += 1;
    EXPECT_OK(user::reply(message, kept));
    EXPECT_OK(caller.join());
}

void a_copy_spawns() {
    in_copy([] {
        constexpr std::string_view good[] = {"true"};
        constexpr std::string_view bad[] = {"false"};
        EXPECT_EQUAL(REQUIRE(user::run(good)), 0);
        EXPECT_EQUAL(REQUIRE(user::run(bad)), 1);
        in_copy([&] { EXPECT_EQUAL(REQUIRE(user::run(good)), 0); });
    });
}

/// Threads on all processors fork, and each goes on alone in its copies.
void four_at_once() {
    const unsigned rounds = stress_rounds(6);
    auto work = [&](unsigned number) {
        const auto page = user::map(page_size);
        if (!expect_ok(page, "map")) return;
        for (unsigned round = 1; round <= rounds; ++round) {
            const std::uint64_t own = number << 16 | round;
            word_at(*page) = own;
            in_copy([&] {
                EXPECT_EQUAL(word_at(*page), own);
                EXPECT_EQUAL(REQUIRE(user::process_info(abi::no_handle)).threads, 1);
                word_at(*page) = ~own;
                const auto more = REQUIRE(user::map(2 * page_size));
                word_at(more) = own;
                EXPECT_EQUAL(word_at(*page) + word_at(more), ~std::uint64_t{0});
            });
            EXPECT_EQUAL(word_at(*page), own);
        }
        expect_ok(user::unmap(*page, page_size), "unmap");
    };
    (void)run_crew(crew_size(), work);
}

namespace {

/// Counts in two words of a page, one after the other, and changes the map around it, until told to
/// stop.
void count_and_map(std::uint64_t page, const std::atomic<bool>& stop) {
    for (std::uint64_t n = 1; !stop.load(); ++n) {
        word_at(page) = n;
        word_at(page + 64) = n;
        if (n % 32 != 0) continue;
        const auto more = user::map(3 * page_size);
        if (!expect_ok(more, "map")) return;
        word_at(*more + page_size) = n;
        expect_ok(user::protect(*more, page_size, abi::access_read), "protect");
        expect(word_at(*more + page_size) == n, "an own page");
        expect_ok(user::unmap(*more, 3 * page_size), "unmap");
        user::yield();
    }
}

} // namespace

/// A copy is one moment of its parent, and what it does is its own, whatever others do meanwhile.
void while_others_change_the_map() {
    const unsigned count = crew_size();
    const auto pages = REQUIRE(user::map(count * page_size));
    std::atomic<bool> stop{false};
    const auto look_and_write = [&] {
        for (unsigned number = 1; number < count; ++number) {
            const std::uint64_t page = pages + number * page_size;
            const std::uint64_t first = word_at(page);
            const std::uint64_t second = word_at(page + 64);
            expect(first == second || first == second + 1, "two moments in one page");
            user::yield();
            expect(word_at(page) == first && word_at(page + 64) == second, "another's write");
            word_at(page) = ~first;
        }
        const auto more = REQUIRE(user::map(2 * page_size));
        EXPECT_EQUAL(word_at(more), 0);
        word_at(more + page_size) = 1;
    };
    auto work = [&](unsigned number) {
        if (number != 0) return count_and_map(pages + number * page_size, stop);
        for (unsigned round = stress_rounds(12); round-- != 0;) in_copy(look_and_write);
        stop.store(true);
    };
    (void)run_crew(count, work);
    EXPECT_OK(user::unmap(pages, count * page_size));
}

} // namespace selftest
