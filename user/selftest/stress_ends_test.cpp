// SPDX-License-Identifier: MIT
// Stress of the beginning and the end of processes, under faults on all processors.
#include "user/selftest/child.hpp"
#include "user/selftest/crew.hpp"
#include "user/selftest/machine.hpp"
#include "user/selftest/stress.hpp"

namespace selftest {

namespace {

constexpr int kill_status = 21;

/// Maps a few pages, touches them, and unmaps them.
bool fault_once(std::uint64_t pages) {
    const auto memory = user::map(pages * page_size);
    if (!memory) return false;
    for (std::uint64_t page = 0; page < pages; ++page) word_at(*memory + page * page_size) = 1;
    return user::unmap(*memory, pages * page_size).ok();
}

/// Threads on all processors use a page which then goes, in the way that the word says. The
/// process survives only if one of them goes on without it.
int child_lose_page(user::Arguments words) {
    const auto page = user::map(page_size);
    if (!page) return 1;
    const unsigned count = crew_size();
    std::atomic<unsigned> using_it{0};
    auto work = [&](unsigned number) {
        if (number != 0) {
            for (bool first = true;; first = false) {
                word_at(*page + 8 * number) = word_at(*page + 8 * number) + 1;
                if (first) using_it.fetch_add(1);
            }
        }
        wait_until([&] { return using_it.load() == count - 1; });
        const auto gone = words[0] == "unmap"  ? user::unmap(*page, page_size)
                          : words[0] == "park" ? user::protect(*page, page_size, abi::access_none)
                                               : user::protect(*page, page_size, abi::access_read);
        if (!gone) user::process_exit(2);
    };
    (void)run_crew(count, work);
    return 3;
}

/// Threads on all processors fault for ever; each says by a bit that it has begun.
int child_fault_for_ever(user::Arguments) {
    auto work = [](unsigned number) {
        for (bool first = true;; first = false) {
            if (!fault_once(3)) user::process_exit(1);
            if (first && !user::signal(user::extra_handle(0), 1ULL << number))
                user::process_exit(2);
        }
    };
    return run_crew(crew_size(), work) ? 3 : 4;
}

constexpr Role roles[] = {
    {"lose-page", 1, child_lose_page},
    {"fault-for-ever", 0, child_fault_for_ever},
};

void kill_one() {
    const user::OwnedHandle begun(REQUIRE(user::notification_create()));
    const abi::Handle extra[] = {begun.get()};
    const auto child = REQUIRE(start_child({"fault-for-ever"}, extra));
    const std::uint64_t all = (1ULL << crew_size()) - 1;
    for (std::uint64_t bits = 0; bits != all;) bits |= REQUIRE(user::wait(begun.get()));
    REQUIRE(user::process_kill(child.get(), kill_status));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), kill_status);
}

} // namespace

std::span<const Role> stress_roles() { return roles; }

void lost_page_ends() {
    for (unsigned round = stress_rounds(1); round-- != 0;) {
        for (const std::string_view way : {"unmap", "park", "protect"})
            EXPECT_EQUAL(REQUIRE(run_child({"lose-page", way})), fault_status);
    }
}

void spawn_while_faulting() {
    const unsigned rounds = stress_rounds(3);
    std::atomic<bool> done{false};
    auto work = [&](unsigned number) {
        if (number != 0) {
            while (!done.load()) expect(fault_once(4), "a fault");
            return;
        }
        for (unsigned round = 0; round < rounds; ++round) {
            const auto status = run_child({"exit", "3"});
            if (expect_ok(status, "spawn")) expect_equal(*status, 3, "status");
        }
        done.store(true);
    };
    (void)run_crew(crew_size(), work);
}

void kill_while_faulting() {
    kill_one(); // what is made once and kept is there afterwards
    const auto before = REQUIRE(settled_memory());
    for (unsigned round = stress_rounds(2); round-- != 0;) kill_one();
    const auto after = REQUIRE(settled_memory(before));
    EXPECT_EQUAL(after.anonymous, before.anonymous);
    EXPECT_EQUAL(after.committed, before.committed);
}

} // namespace selftest
