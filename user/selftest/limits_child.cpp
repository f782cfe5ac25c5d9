// SPDX-License-Identifier: MIT
// What children do that are started within limits.
#include "user/lib/calls.hpp"
#include "user/selftest/child.hpp"
#include "user/selftest/role.hpp"

namespace selftest {

namespace {

using user::Arguments;

/// Takes pages one by one until none is given; the error must be this one.
int take_all(Error wanted) {
    for (;;) {
        const auto page = user::map(page_size);
        if (!page) return page.error() == wanted ? 0 : 1;
    }
}

int child_take_all(Arguments) { return take_all(Error::limit_reached); }

/// Takes all there is, says so, and keeps it until it is told to end.
int child_take_all_and_stay(Arguments) {
    if (take_all(Error::limit_reached) != 0) return 1;
    if (!user::signal(user::extra_handle(0), 1)) return 2;
    return user::wait(user::extra_handle(1)) ? 0 : 3;
}

/// Touches memory that nobody promised, until there is none.
int child_touch_all(Arguments) {
    constexpr std::uint64_t bytes = 1ULL << 40;
    const auto at = user::map(bytes, {.flags = abi::map_noreserve});
    if (!at) return 1;
    for (std::uint64_t offset = 0; offset < bytes; offset += page_size)
        *reinterpret_cast<volatile char*>(*at + offset) = 1;
    return 2;
}

/// Makes handles until there is no more; gives how many it had room for, its first three included.
int child_take_handles(Arguments) {
    const auto first = user::notification_create();
    if (!first) return 0;
    for (int count = 4;; ++count) {
        const auto handle = user::handle_duplicate(*first, abi::right_send);
        if (!handle) return handle.error() == Error::limit_reached ? count : 0;
    }
}

/// Asks for more than it has, for a child of its own.
int child_ask_for_more(Arguments) {
    const auto own = user::process_info(abi::no_handle);
    if (!own) return 1;
    const auto refused = [](const user::SpawnOptions& options) {
        const auto child = start_child({"exit", "0"}, options);
        return !child && child.error() == Error::not_permitted;
    };
    if (!refused({.memory_limit = own->memory_limit + 1})) return 2;
    if (!refused({.memory_limit = ~0ULL})) return 3;
    if (!refused({.handle_limit = own->handle_limit + 1})) return 4;
    const auto child = start_child({"same-limits"}, user::SpawnOptions{});
    return child ? user::process_wait(child->get()).value_or(5) : 6;
}

/// What a child without limits of its own has: those of the test below.
int child_same_limits(Arguments) {
    const auto own = user::process_info(abi::no_handle);
    return own && own->memory_limit == 2000 && own->handle_limit == 40 ? 0 : 1;
}

/// Starts a child that takes all, and ends before it: the limit stays.
int child_leave_one_behind(Arguments) {
    const abi::Handle extra[] = {user::extra_handle(0), user::extra_handle(1)};
    return start_child({"take-all-and-stay"}, extra) ? 0 : 1;
}

constexpr Role roles[] = {
    {"take-all", 0, child_take_all},
    {"take-all-and-stay", 0, child_take_all_and_stay},
    {"touch-all", 0, child_touch_all},
    {"take-handles", 0, child_take_handles},
    {"ask-for-more", 0, child_ask_for_more},
    {"same-limits", 0, child_same_limits},
    {"leave-one-behind", 0, child_leave_one_behind},
};

} // namespace

std::span<const Role> limits_roles() { return roles; }

} // namespace selftest
