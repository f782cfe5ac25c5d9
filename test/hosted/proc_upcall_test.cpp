// SPDX-License-Identifier: MIT
// Upcalls: where frames go, what stands in them, what is checked on the way in and back.
#include "shim/booted.hpp"

#include <doctest/doctest.h>

using namespace shim;

namespace {

constexpr std::uint64_t stack = init_data.value + 0x4000;
constexpr std::uint64_t stack_bytes = 0x1000;
constexpr VirtAddr hole{0x30000000};

/// Code for a handler: gets its frame, which is written back.
VirtAddr handler(std::function<void(abi::UpcallFrame&)> code) {
    return code_at([code](const proc::port::UserStart& start) {
        auto frame = get<abi::UpcallFrame>(start.stack);
        code(frame);
        put(start.stack, frame);
    });
}

void install(VirtAddr entry) {
    REQUIRE(ask(SystemCall::thread_upcalls, entry.value, stack, stack_bytes, 0, 0).ok());
}

proc::Fault exception(proc::FaultKind kind) {
    return {.kind = kind,
            .from_user = true,
            .has_address = false,
            .access = {},
            .address = {},
            .instruction = init_text + 0x10};
}

} // namespace

TEST_CASE("proc: a fault comes to the thread's handler, which repairs and resumes") {
    Booted booted;
    booted.run([] {
        abi::UpcallFrame seen{};
        install(handler([&](abi::UpcallFrame& frame) {
            seen = frame;
            ask(SystemCall::map, hole.value, page_size, 3, abi::map_fixed, 0);
        }));
        put(hole + 8, 77);
        CHECK(get<int>(hole + 8) == 77);
        CHECK(seen.cause == abi::UpcallCause::hole);
        CHECK(seen.address == hole.value + 8);
        CHECK(seen.access == abi::access_write);
        CHECK(seen.state == abi::State::empty);
        CHECK(seen.rights == 0);
        ask(SystemCall::protect, hole.value, page_size, 1);
        install(handler([&](abi::UpcallFrame& frame) {
            seen = frame;
            ask(SystemCall::protect, hole.value, page_size, 3);
        }));
        put(hole, 5);
        CHECK(get<int>(hole) == 5);
        CHECK(seen.cause == abi::UpcallCause::forbidden);
        CHECK(seen.state == abi::State::present);
        CHECK(seen.rights == abi::access_read);
    });
}

TEST_CASE("proc: a handler is told each exception by its name, and may skip and change registers") {
    Booted booted;
    booted.run([] {
        abi::UpcallFrame seen{};
        install(handler([&](abi::UpcallFrame& frame) {
            seen = frame;
            frame.rip += 2;
            frame.rax = 42;
            frame.cs = 8;
        }));
        using enum proc::FaultKind;
        using abi::UpcallCause;
        const std::pair<proc::FaultKind, UpcallCause> causes[] = {
            {divide, UpcallCause::divide},         {debug, UpcallCause::single_step},
            {breakpoint, UpcallCause::breakpoint}, {illegal, UpcallCause::illegal},
            {privileged, UpcallCause::privileged}, {stack, UpcallCause::stack},
            {alignment, UpcallCause::alignment},   {floating_point, UpcallCause::floating_point},
            {other, UpcallCause::other},           {foreign_call, UpcallCause::foreign_call}};
        for (const auto& [kind, cause] : causes) {
            proc_machine().registers.rax = 1;
            user_fault(exception(kind));
            CHECK(seen.cause == cause);
            CHECK(seen.rip == init_text.value + 0x10);
            CHECK(seen.address == 0);
            CHECK(seen.access == 0);
            CHECK(proc_machine().registers.rax == 42);
        }
    });
}

TEST_CASE("proc: frames go to the stack's end, or below RSP when it is on that stack") {
    Booted booted;
    booted.run([] {
        std::vector<std::uint64_t> frames;
        install(code_at(
            [&](const proc::port::UserStart& start) { frames.push_back(start.stack.value); }));
        const auto frame_at = [&](std::uint64_t rsp) {
            proc_machine().registers.rsp = rsp;
            user_fault(exception(proc::FaultKind::breakpoint));
            return frames.back();
        };
        constexpr std::uint64_t size = sizeof(abi::UpcallFrame);
        const std::uint64_t end = stack + stack_bytes;
        for (const std::uint64_t elsewhere : {std::uint64_t{0}, stack, end + 1, ~std::uint64_t{0}})
            CHECK(frame_at(elsewhere) == end - size);
        CHECK(frame_at(end) == end - abi::red_zone_bytes - size);
        CHECK(frame_at(end - 7) == end - 16 - abi::red_zone_bytes - size);
        const std::uint64_t least = abi::red_zone_bytes + 15 + size;
        CHECK(frame_at(stack + least) >= stack);
    });
}

TEST_CASE("proc: without room, or on a bad stack, the process ends and the report says so") {
    const auto report = [](std::uint64_t at, std::uint64_t bytes, std::uint64_t rsp) {
        Booted booted;
        booted.run([&] {
            const Answer child =
                Plan([&] {
                    proc_machine().registers.rsp = rsp;
                    REQUIRE(ask(SystemCall::thread_upcalls, init_text.value, at, bytes, 0, 0).ok());
                    user_fault(exception(proc::FaultKind::illegal));
                }).spawn();
            REQUIRE(child.ok());
            CHECK(static_cast<std::int32_t>(ask(SystemCall::wait, child.value).value) ==
                  abi::status_fault);
        });
        return proc_machine().console;
    };
    const std::string line = "illegal instruction at no address by 401010, entry present r-x";
    CHECK(report(stack, stack_bytes, stack + 300).ends_with(line + ", upcall stack used up\n"));
    CHECK(report(hole.value, 0x1000, 0).ends_with(line + ", upcall stack not writable\n"));
    CHECK(report(init_text.value, 0x1000, 0).ends_with(line + ", upcall stack not writable\n"));
}

TEST_CASE("proc: what a handler is, and what it returns with, is checked") {
    Booted booted;
    booted.run([] {
        constexpr std::uint64_t end = 0x7fff'ffff'f000;
        const auto set = [](auto... words) {
            return ask(SystemCall::thread_upcalls, words...).error;
        };
        CHECK(set(end, stack, stack_bytes, 0, 0) == Error::bad_address);
        CHECK(set(1, end - 0x800, stack_bytes, 0, 0) == Error::bad_address);
        CHECK(set(1, stack, 190, 0, 0) == Error::invalid_argument);
        CHECK(set(1, stack, 191, 0, 0) == Error{});
        CHECK(set(0, 0, 0, 0x10000, 0x1000) == Error::invalid_argument);
        CHECK(set(1, stack, stack_bytes, 0x10000, 1) == Error::invalid_argument);
        CHECK(set(1, stack, stack_bytes, end, 2) == Error::bad_address);
        CHECK(set(0, 0, 0, 0, 0) == Error{});

        const std::uint64_t at = init_data.value + 0x100;
        const auto go_on = [at](std::uint64_t rip, std::uint64_t flags) {
            abi::UpcallFrame frame{};
            frame.rip = rip;
            frame.rflags = flags;
            put(VirtAddr{at}, frame);
            return ask(SystemCall::upcall_return, at).error;
        };
        CHECK(go_on(end, 0x202) == Error::bad_address);
        CHECK(go_on(~0ULL, 0x202) == Error::bad_address);
        for (const std::uint64_t flags : {0x002ULL, 0x200ULL, 0x3202ULL, 0x1202ULL, 0x20202ULL,
                                          0x80202ULL, 0x100202ULL, 0x1'0000'0202ULL})
            CHECK(go_on(init_text.value, flags) == Error::not_permitted);
        CHECK(ask(SystemCall::upcall_return, hole.value).error == Error::bad_address);
        CHECK(ask(SystemCall::upcall_return, ~7ULL).error == Error::bad_address);
        // All that user code can set itself is taken.
        std::uint64_t went_on_with = 0;
        install(handler([](abi::UpcallFrame& frame) { frame.rflags = 0x25'4fd7; }));
        user_fault(exception(proc::FaultKind::illegal));
        went_on_with = proc_machine().registers.rflags;
        CHECK(went_on_with == 0x25'4fd7);
    });
}

TEST_CASE("proc: the kernel's own copies come to no handler") {
    Booted booted;
    booted.run([] {
        unsigned calls = 0;
        install(handler([&](abi::UpcallFrame&) { ++calls; }));
        CHECK(ask(SystemCall::machine_info, hole.value, 8).error == Error::bad_address);
        CHECK(calls == 0);
    });
}

TEST_CASE(
    "proc: the first access to a watched page is told once; without a handler it is the end") {
    Booted booted;
    booted.run([] {
        const std::uint64_t rights = 3 | abi::access_watch;
        ask(SystemCall::map, hole.value, 2 * page_size, 3, abi::map_fixed, 0);
        CHECK(ask(SystemCall::protect, hole.value, 2 * page_size, rights).ok());
        CHECK(ask(SystemCall::protect, hole.value, page_size, abi::access_watch).error ==
              Error::invalid_argument);
        CHECK(ask(SystemCall::protect, hole.value, page_size, 7 | abi::access_watch).error ==
              Error::not_permitted);
        CHECK(ask(SystemCall::protect, hole.value, page_size, 16).error == Error::invalid_argument);
        std::vector<abi::UpcallFrame> seen;
        install(handler([&](abi::UpcallFrame& frame) { seen.push_back(frame); }));
        put(hole + 8, 77);
        CHECK(get<int>(hole + 8) == 77);
        REQUIRE(seen.size() == 1);
        CHECK(seen[0].cause == abi::UpcallCause::watch);
        CHECK(seen[0].address == hole.value + 8);
        CHECK(seen[0].access == abi::access_write);
        CHECK(seen[0].state == abi::State::callback);
        CHECK(seen[0].rights == 3);
        // The kernel's own copies are refused, and change nothing.
        const std::uint64_t other = hole.value + page_size;
        CHECK(ask(SystemCall::boot_words, other, 0).ok());
        CHECK(ask(SystemCall::process_info, 0, other, 8).error == Error::bad_address);
        CHECK(get<int>(VirtAddr{other}) == 0);
        CHECK(seen.size() == 2);
        CHECK(ask(SystemCall::process_info, 0, other, 8).ok());

        proc_machine().console.clear();
        const Answer child = Plan([rights] {
                                 ask(SystemCall::map, hole.value, page_size, 3, abi::map_fixed, 0);
                                 ask(SystemCall::protect, hole.value, page_size, rights);
                                 put(hole, 1);
                             }).spawn();
        REQUIRE(child.ok());
        CHECK(static_cast<std::int32_t>(ask(SystemCall::wait, child.value).value) ==
              abi::status_fault);
        CHECK(proc_machine().console.ends_with("first access to watched memory at 30000000 by 0, "
                                               "entry lazy rw-\n"));
    });
}

TEST_CASE("proc: memory that grows reports its end as an overflow, and what it lacks as memory") {
    Booted booted;
    booted.run([] {
        const auto report = [](std::uint64_t flags, std::uint64_t bytes, std::uint64_t offset) {
            proc_machine().console.clear();
            const Answer child =
                Plan([=] {
                    ask(SystemCall::map, hole.value, bytes, 3, abi::map_fixed | flags, 0);
                    put(hole + offset, 1);
                }).spawn();
            REQUIRE(child.ok());
            CHECK(static_cast<std::int32_t>(ask(SystemCall::wait, child.value).value) ==
                  abi::status_fault);
            return proc_machine().console;
        };
        CHECK(report(abi::map_grows_down, 4 * page_size, 0)
                  .ends_with("stack overflow at 30000000 by 0, entry callback rw-\n"));
        CHECK(report(abi::map_grows_up, 4 * page_size, 3 * page_size)
                  .ends_with("heap overflow at 30003000 by 0, entry callback rw-\n"));
        CHECK(report(abi::map_grows_down, 1ULL << 40, page_size)
                  .ends_with("out of memory at 30001000 by 0, entry callback rw-\n"));
    });
}
