// SPDX-License-Identifier: MIT
// What children do that take their own faults, mostly wrong.
#include "user/lib/calls.hpp"
#include "user/selftest/role.hpp"
#include "user/selftest/upcall_cases.hpp"

namespace selftest {

namespace {

using user::Arguments;
using user::UpcallFrame;
using user::Upcalls;

/// Faults under a handler; 3 when it went on.
int fault_with(user::UpcallHandler handler) {
    const auto upcalls = Upcalls::install(handler);
    if (!upcalls) return 2;
    asm volatile("ud2" : : : "memory");
    return 3;
}

int child_decline(Arguments) {
    return fault_with([](UpcallFrame&) { return false; });
}

/// The same instruction, for ever.
int child_again(Arguments) {
    return fault_with([](UpcallFrame&) { return true; });
}

int child_spin_in_handler(Arguments) {
    return fault_with([](UpcallFrame&) -> bool {
        for (;;) asm volatile("pause");
    });
}

int child_sleep_in_handler(Arguments) {
    return fault_with([](UpcallFrame&) -> bool {
        for (;;) (void)user::sleep(1'000'000'000'000);
    });
}

/// A handler that faults before it does anything else.
int child_fault_for_ever(Arguments) {
    return fault_with([](UpcallFrame&) {
        asm volatile("ud2" : : : "memory");
        return true;
    });
}

/// A handler that uses up its stack.
int child_deep_handler(Arguments) {
    return fault_with([](UpcallFrame&) {
        for (;;) asm volatile("pushq $0" : : : "memory");
        return true;
    });
}

int child_bad_return(Arguments) {
    return fault_with([](UpcallFrame& frame) {
        frame.rip = 0xffff'8000'0000'0000;
        return true;
    });
}

/// With an entry and a stack as they are given.
int fault_on(std::uint64_t entry, std::uint64_t stack) {
    if (!user::thread_upcalls(entry, stack, page_size, {})) return 2;
    asm volatile("ud2" : : : "memory");
    return 3;
}

std::uint64_t any_code() { return user::own_code().start.value; }

int child_unmapped_stack(Arguments) {
    const auto hole = make_hole();
    return hole ? fault_on(any_code(), *hole) : 1;
}

int child_read_only_stack(Arguments) {
    const auto page = user::map(page_size, {.access = abi::access_read});
    return page ? fault_on(any_code(), *page) : 1;
}

int child_unmapped_handler(Arguments) {
    const auto page = user::map(page_size);
    const auto hole = make_hole();
    return page && hole ? fault_on(*hole, *page) : 1;
}

bool over_limit;

bool give_up_page(UpcallFrame& frame) {
    over_limit = frame.cause == abi::UpcallCause::over_limit && frame.state == abi::State::lazy &&
                 frame.access == abi::access_write;
    frame.rip += store_bytes;
    return true;
}

/// Touches memory that nobody promised, until there is none; goes on all the same.
int child_over_limit(Arguments) {
    constexpr std::uint64_t bytes = 1ULL << 40;
    const auto memory = user::map(bytes, {.flags = abi::map_noreserve});
    if (!memory) return 1;
    const auto upcalls = Upcalls::install(give_up_page);
    if (!upcalls) return 2;
    // The upcall stack's own memory is promised: it is there whatever happens.
    for (std::uint64_t at = 0; at < bytes && !over_limit; at += page_size) store_at(*memory + at);
    if (!over_limit) return 3;
    return user::unmap(*memory, bytes) ? 0 : 4;
}

constexpr Role roles[] = {
    {"upcall-decline", 0, child_decline},
    {"upcall-again", 0, child_again},
    {"upcall-spin", 0, child_spin_in_handler},
    {"upcall-sleep", 0, child_sleep_in_handler},
    {"upcall-fault-for-ever", 0, child_fault_for_ever},
    {"upcall-deep-handler", 0, child_deep_handler},
    {"upcall-bad-return", 0, child_bad_return},
    {"upcall-unmapped-stack", 0, child_unmapped_stack},
    {"upcall-read-only-stack", 0, child_read_only_stack},
    {"upcall-unmapped-handler", 0, child_unmapped_handler},
    {"upcall-over-limit", 0, child_over_limit},
};

} // namespace

std::span<const Role> upcalls_roles() { return roles; }

} // namespace selftest
