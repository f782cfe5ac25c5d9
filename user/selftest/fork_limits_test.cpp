// SPDX-License-Identifier: MIT
// Fork: limits, and that generations, bombs and ends in the middle leave nothing.
#include "user/selftest/child.hpp"
#include "user/selftest/fork_cases.hpp"
#include "user/selftest/machine.hpp"

namespace selftest {
namespace {

using user::SpawnOptions;

/// A notification whose senders are the processes that a test starts.
struct Watch {
    user::OwnedHandle receive;
    user::OwnedHandle send;
    static Result<Watch> make() {
        const user::OwnedHandle both(TRY(user::notification_create()));
        return Watch{user::OwnedHandle(TRY(user::handle_duplicate(both.get(), abi::right_receive))),
                     user::OwnedHandle(TRY(user::handle_duplicate(
                         both.get(), abi::right_send | abi::right_duplicate)))};
    }
    /// Waits until the last of them has gone; gives all bits that they set.
    std::uint64_t wait_for_all() {
        send = {};
        std::uint64_t told = 0;
        for (;;) {
            const auto bits = user::wait(receive.get());
            if (!bits) {
                expect(bits.error() == Error::peer_closed, "the end of all");
                return told;
            }
            told |= *bits;
        }
    }
};

/// Runs it once for what the kernel keeps, and once more: then it keeps no more memory than before.
template <typename Work>
void leaves_nothing(Work work) {
    const OnOneProcessor pinned;
    work();
    const auto before = REQUIRE(settled_memory());
    work();
    expect_nothing_kept(before);
}

} // namespace

/// A third of the limit has room for what any copy of this program is charged, stack and all, and
/// for a page table of its own, which it pays for as a whole.
void promised_and_unpromised_memory() {
    const auto child =
        REQUIRE(start_child({"fork-much-memory"}, SpawnOptions{.memory_limit = 6000}));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
}

void at_the_handle_limit() {
    const auto child =
        REQUIRE(start_child({"fork-at-the-handle-limit"}, SpawnOptions{.handle_limit = 40}));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
}

/// Each copy forks the next one and ends. All write the same page.
void thousand_generations() {
    const auto page = REQUIRE(user::map(page_size));
    leaves_nothing([&] {
        constexpr std::uint64_t generations = 1000;
        constexpr std::uint64_t failed = 1ULL << 40;
        Watch watch = REQUIRE(Watch::make());
        word_at(page) = 0;
        const auto in_first = [&] {
            watch.receive = {};
            while (word_at(page) < generations) {
                word_at(page) = word_at(page) + 1;
                const auto next = user::fork_process();
                if (!next) EXPECT_OK(user::signal(watch.send.get(), failed));
                if (!next || *next != abi::no_handle) return;
            }
            EXPECT_OK(user::signal(watch.send.get(), word_at(page)));
        };
        const auto first = REQUIRE(start_copy(in_first));
        EXPECT_EQUAL(watch.wait_for_all(), generations);
        EXPECT_EQUAL(REQUIRE(user::process_wait(first.get())), 0);
        EXPECT_EQUAL(word_at(page), 0);
    });
    EXPECT_OK(user::unmap(page, page_size));
}

void bomb_in_a_quota() {
    leaves_nothing([] {
        Watch watch = REQUIRE(Watch::make());
        const abi::Handle extra[] = {watch.send.get()};
        const auto child =
            REQUIRE(start_child({"fork-bomb"}, SpawnOptions{.extra = extra, .memory_limit = 2500}));
        EXPECT_EQUAL(watch.wait_for_all(), forked | refused);
        EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
    });
}

/// Three threads fork without a pause; their process is ended in the middle.
void killed_while_forking() {
    leaves_nothing([] {
        for (int i = 0; i < 4; ++i) {
            Watch watch = REQUIRE(Watch::make());
            const abi::Handle extra[] = {watch.send.get()};
            const auto child = REQUIRE(start_child({"fork-for-ever"}, extra));
            EXPECT_EQUAL(REQUIRE(user::wait(watch.receive.get())), forked);
            (void)user::sleep(static_cast<unsigned>(i) * 700'000);
            EXPECT_OK(user::process_kill(child.get(), 9));
            EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 9);
            EXPECT_EQUAL(watch.wait_for_all() & ~forked, 0);
        }
    });
}

} // namespace selftest
