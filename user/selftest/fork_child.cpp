// SPDX-License-Identifier: MIT
// What children do that fork within limits, or without end.
#include "user/selftest/fork_cases.hpp"
#include "user/selftest/role.hpp"

#include "user/lib/thread.hpp"

namespace selftest {

namespace {

using user::Arguments;

/// A third of the pages that are left of the own limit.
std::uint64_t third() {
    const auto own = user::process_info(abi::no_handle);
    return own ? (own->memory_limit - own->committed) / 3 : 0;
}

std::uint64_t committed() {
    const auto own = user::process_info(abi::no_handle);
    return own ? own->committed : 0;
}

/// Two thirds that were promised can't be promised to a copy too.
int hold_promised_memory() {
    const std::uint64_t pages = 2 * third();
    const auto memory = user::map(pages * page_size);
    if (!memory) return 1;
    for (std::uint64_t page = 0; page < pages; page += 7)
        word_at(*memory + page * page_size) = page;
    const std::uint64_t before = committed();
    for (int i = 0; i < 2; ++i) {
        const auto child = user::fork();
        if (child && !*child) user::process_exit(0);
        if (child || child.error() != Error::limit_reached) return 2;
        if (committed() != before) return 3;
    }
    for (std::uint64_t page = 0; page < pages; page += 7)
        if (word_at(*memory + page * page_size) != page) return 4;
    return user::unmap(*memory, pages * page_size) ? 0 : 5;
}

/// Two thirds that nobody was promised are shared for as long as they are not written.
int hold_two_thirds_unpromised() {
    const std::uint64_t pages = 2 * third();
    const auto memory = user::map(pages * page_size, {.flags = abi::map_noreserve});
    if (!memory) return 21;
    for (std::uint64_t page = 0; page < pages; ++page) word_at(*memory + page * page_size) = page;
    for (int i = 0; i < 2; ++i) {
        const auto status = user::run_forked([&] {
            for (std::uint64_t page = 0; page < pages; ++page)
                if (word_at(*memory + page * page_size) != page) return 1;
            for (std::uint64_t page = 0; page < 10; ++page)
                word_at(*memory + page * page_size) = page + 1;
            return 0;
        });
        if (!status) return 22;
        if (*status != 0) return 23;
    }
    for (std::uint64_t page = 0; page < pages; ++page)
        if (word_at(*memory + page * page_size) != page) return 24;
    return user::unmap(*memory, pages * page_size) ? 0 : 25;
}

/// Of what was not promised only the pages that were touched count.
int hold_unpromised_memory() {
    const std::uint64_t pages = 100 * third();
    const std::uint64_t stride = 300; // tables count too: one for about two pages
    const auto memory = user::map(pages * page_size, {.flags = abi::map_noreserve});
    if (!memory) return 11;
    for (std::uint64_t page = 0; page < pages; page += stride)
        word_at(*memory + page * page_size) = page;
    for (int i = 0; i < 2; ++i) {
        const auto status = user::run_forked([&] {
            for (std::uint64_t page = 0; page < pages; page += stride)
                if (word_at(*memory + page * page_size) != page) return 1;
            for (std::uint64_t page = 0; page < pages; page += stride)
                word_at(*memory + page * page_size) = page + 1;
            return 0;
        });
        if (!status) return 12;
        if (*status != 0) return 13;
    }
    for (std::uint64_t page = 0; page < pages; page += stride)
        if (word_at(*memory + page * page_size) != page) return 14;
    return user::unmap(*memory, pages * page_size) ? 0 : 15;
}

int child_much_memory(Arguments) {
    int status = hold_promised_memory();
    if (status == 0) status = hold_two_thirds_unpromised();
    return status != 0 ? status : hold_unpromised_memory();
}

int child_at_the_handle_limit(Arguments) {
    const auto first = user::notification_create();
    if (!first) return 1;
    abi::Handle last = abi::no_handle;
    for (;;) {
        const auto more = user::handle_duplicate(*first, abi::right_send);
        if (!more) break;
        last = *more;
    }
    const std::uint64_t before = committed();
    const auto refused = user::fork();
    if (refused && !*refused) user::process_exit(0);
    if (refused || refused.error() != Error::limit_reached) return 2;
    if (committed() != before) return 3;
    if (!user::handle_close(last)) return 4;
    // The copy has room for one: the parent's has gone to the handle of the copy.
    return user::run_forked([&] {
               if (!user::handle_duplicate(*first, abi::right_send)) return 5;
               return user::handle_duplicate(*first, abi::right_send) ? 6 : 0;
           })
        .value_or(7);
}

/// Doubles itself until there is no room, touches memory, and tells what became of it. All of them
/// stay for a while.
int child_bomb(Arguments) {
    constexpr int doublings = 7;
    constexpr std::uint64_t pages = 4;
    std::uint64_t told = 0;
    for (int i = 0; i < doublings; ++i) {
        const auto child = user::fork_process();
        told |= child ? forked : refused;
        const auto memory = user::map(pages * page_size);
        if (!memory) continue;
        for (std::uint64_t page = 0; page < pages; ++page) word_at(*memory + page * page_size) = 1;
    }
    (void)user::signal(user::extra_handle(0), told);
    (void)user::sleep(30'000'000);
    return 0;
}

void fork_for_ever() {
    for (;;) {
        const auto child = user::fork_process();
        if (!child) continue;
        if (*child == abi::no_handle) user::process_exit(0);
        (void)user::signal(user::extra_handle(0), forked);
        (void)user::process_wait(*child);
        (void)user::handle_close(*child);
    }
}

int child_fork_for_ever(Arguments) {
    auto work = [] { fork_for_ever(); };
    auto first = user::Thread::start(work);
    auto second = user::Thread::start(work);
    if (!first || !second) return 1;
    fork_for_ever();
    return 2;
}

constexpr Role roles[] = {
    {"fork-much-memory", 0, child_much_memory},
    {"fork-at-the-handle-limit", 0, child_at_the_handle_limit},
    {"fork-bomb", 0, child_bomb},
    {"fork-for-ever", 0, child_fork_for_ever},
};

} // namespace

std::span<const Role> fork_roles() { return roles; }

} // namespace selftest
