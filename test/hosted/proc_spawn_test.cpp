// SPDX-License-Identifier: MIT
// Spawn: what a child gets, what plans are refused, and that failures leave nothing behind.
#include "shim/booted.hpp"
#include "vm/clock_page.hpp"
#include "vm/heap.hpp"

#include <doctest/doctest.h>

#include <cstring>

using namespace shim;

namespace {

Answer wait_for(const Answer& process) { return ask(SystemCall::wait, process.value); }

/// Runs a child once, so that what the kernel keeps for the next one is there.
void warm_up() {
    for (int i = 0; i < 2; ++i) {
        const Answer made = Plan([] {}).spawn();
        REQUIRE(made.ok());
        wait_for(made);
        ask(SystemCall::handle_close, made.value);
    }
}

Error refused(const std::function<void(Plan&)>& spoil) {
    Plan plan([] {});
    spoil(plan);
    return plan.spawn().error;
}

} // namespace

TEST_CASE("proc: a child gets copies of what its plan names, and nothing else") {
    Booted booted;
    booted.run([] {
        put(init_data + 0x10, std::array<char, 6>{"hello"});
        put(init_data + 0x100, std::uint64_t{99});
        const Answer note = ask(SystemCall::object_create, abi::ObjectKind::notification);
        Plan plan([] {
            CHECK(ask(SystemCall::process_id).value == 2);
            CHECK(get<std::array<char, 6>>(init_data + 0x10) == std::array<char, 6>{"hello"});
            CHECK(get<std::uint64_t>(init_data + 0x100) == 0);
            CHECK(get<std::uint8_t>(init_data) == 0); // before source_offset
            put(init_data + 0x10, std::uint64_t{0});
            CHECK(ask(SystemCall::signal, abi::initial_handle(0), 16).ok());
            CHECK(ask(SystemCall::handle_close, abi::initial_handle(1)).error == Error::bad_handle);
            ask(SystemCall::process_kill, 0, 0x1'0000'002a);
        });
        plan.segments[1].source += 0x10;
        plan.handles = {note.value};
        std::strcpy(plan.plan.name, "a name\x01\xff");
        const Answer made = plan.spawn();
        REQUIRE(made.ok());
        CHECK(info_of(made.value).threads == 1);
        CHECK(info_of(made.value).exited == 0);
        CHECK(wait_for(made).value == 0x2a); // 32 bits
        CHECK(get<std::array<char, 6>>(init_data + 0x10) == std::array<char, 6>{"hello"});
        CHECK(ask(SystemCall::wait, note.value).value == 16);
        const abi::ProcessInfo info = info_of(made.value);
        CHECK(std::string_view(info.name) == "a?name??");
        CHECK(info.exited == 1);
        CHECK(info.status == 0x2a);
        CHECK(info.threads == 0);
        CHECK(info.anonymous == 0);
    });
}

TEST_CASE("proc: a child's memory comes out of an object, and is copied when it is written") {
    Booted booted;
    booted.run([] {
        constexpr std::uint64_t read_write = abi::access_read | abi::access_write;
        const Answer memory =
            ask(SystemCall::object_create, abi::ObjectKind::memory, 3 * page_size);
        REQUIRE(memory.ok());
        const VirtAddr here{0x4000'0000};
        REQUIRE(ask(SystemCall::map_object, memory.value, here.value, 0, read_write, abi::map_fixed)
                    .ok());
        put(here + page_size, std::uint64_t{11});
        put(here + 2 * page_size, std::uint64_t{12});
        Plan plan([] {
            const VirtAddr there{0x5000'0000};
            CHECK(get<std::uint64_t>(there) == 11);
            CHECK(get<std::uint64_t>(there + page_size) == 12);
            put(there, std::uint64_t{21});
            CHECK(get<std::uint64_t>(there) == 21);
            ask(SystemCall::process_kill, 0, 5);
        });
        plan.segments.push_back({.address = 0x5000'0000,
                                 .length = 2 * page_size,
                                 .source = page_size,
                                 .bytes = 0,
                                 .source_offset = 0,
                                 .access = read_write,
                                 .flags = 0,
                                 .reserved = 0,
                                 .object = memory.value});
        for (int i = 0; i < 2; ++i) {
            const Answer made = plan.spawn();
            REQUIRE(made.ok());
            CHECK(wait_for(made).value == 5);
            CHECK(get<std::uint64_t>(here + page_size) == 11);
        }
        const auto with = [&](auto change) {
            return refused([&](Plan& p) {
                p.segments.push_back(plan.segments.back());
                change(p.segments.back());
            });
        };
        using abi::PlanSegment;
        const Answer blind = ask(SystemCall::handle_duplicate, memory.value, abi::right_control);
        const Answer other = ask(SystemCall::object_create, abi::ObjectKind::notification);
        const Footprint before;
        CHECK(with([](PlanSegment& s) { s.object = 0x1234; }) == Error::bad_handle);
        CHECK(with([](PlanSegment& s) { s.source = 1; }) == Error::invalid_argument);
        CHECK(with([](PlanSegment& s) { s.bytes = 1; }) == Error::invalid_argument);
        CHECK(with([](PlanSegment& s) { s.source_offset = 1; }) == Error::invalid_argument);
        CHECK(with([](PlanSegment& s) { s.flags = abi::map_guard; }) == Error::invalid_argument);
        CHECK(with([](PlanSegment& s) { s.source = 2 * page_size; }) == Error::too_large);
        CHECK(with([](PlanSegment& s) { s.source = ~0ULL << 12; }) == Error::too_large);
        CHECK(with([&](PlanSegment& s) { s.object = blind.value; }) == Error::not_permitted);
        CHECK(with([&](PlanSegment& s) { s.object = other.value; }) == Error::bad_handle);
        CHECK(Footprint() == before);
    });
}

TEST_CASE("proc: plans that are refused") {
    Booted booted;
    booted.run([] {
        warm_up();
        const Footprint before;
        constexpr std::uint64_t kernel = 0xffff'8000'0000'0000;
        using abi::PlanSegment;
        CHECK(refused([](Plan& p) { p.segments.clear(); }) == Error::invalid_argument);
        CHECK(refused([](Plan& p) { p.segments.resize(33); }) == Error::limit_reached);
        CHECK(refused([](Plan& p) { p.handles.resize(17); }) == Error::limit_reached);
        CHECK(refused([](Plan& p) { p.handles = {0}; }) == Error::bad_handle);
        CHECK(refused([](Plan& p) { p.plan.flags = 1; }) == Error::invalid_argument);
        CHECK(refused([](Plan& p) { p.plan.priority = 32; }) == Error::invalid_argument);
        CHECK(refused([](Plan& p) { p.plan.priority = 25; }) == Error::not_permitted);
        CHECK(refused([](Plan& p) { p.plan.entry = kernel; }) == Error::bad_address);
        CHECK(refused([](Plan& p) { p.plan.stack = kernel; }) == Error::bad_address);
        const auto segment = [](auto change) {
            return refused([&](Plan& p) { change(p.segments[1]); });
        };
        CHECK(segment([](PlanSegment& s) { s.address += 8; }) == Error::invalid_argument);
        CHECK(segment([](PlanSegment& s) { s.length -= 8; }) == Error::invalid_argument);
        CHECK(segment([](PlanSegment& s) { s.length = 0; }) == Error::invalid_argument);
        CHECK(segment([](PlanSegment& s) { s.address = 0; }) == Error::bad_address);
        CHECK(segment([](PlanSegment& s) { s.address = kernel; }) == Error::bad_address);
        CHECK(segment([](PlanSegment& s) { s.length = 1ULL << 63; }) == Error::bad_address);
        CHECK(segment([](PlanSegment& s) { s.bytes = s.length; }) == Error::invalid_argument);
        CHECK(segment([](PlanSegment& s) { s.bytes = ~0ULL; }) == Error::invalid_argument);
        CHECK(segment([](PlanSegment& s) { s.source_offset = ~0U; }) == Error::invalid_argument);
        CHECK(segment([](PlanSegment& s) { s.source = kernel; }) == Error::bad_address);
        CHECK(segment([](PlanSegment& s) { s.source = 0x30000000; }) == Error::bad_address);
        CHECK(segment([](PlanSegment& s) { s.access = 6; }) == Error::not_permitted);
        CHECK(segment([](PlanSegment& s) { s.access = 8; }) == Error::invalid_argument);
        CHECK(segment([](PlanSegment& s) { s.flags = abi::map_fixed; }) == Error::invalid_argument);
        CHECK(segment([](PlanSegment& s) { s.flags = abi::map_guard; }) == Error::invalid_argument);
        CHECK(segment([](PlanSegment& s) { s.reserved = 1; }) == Error::invalid_argument);
        CHECK(segment([](PlanSegment& s) { s.address = init_text.value; }) ==
              Error::already_mapped);
        CHECK(segment([](PlanSegment& s) {
                  s.length = 1ULL << 45;
                  s.bytes = 0;
              }) == Error::no_memory);

        const Plan plan([] {});
        put(init_data, plan.plan);
        CHECK(ask(SystemCall::spawn, init_data.value, sizeof(abi::SpawnPlan) - 1).error ==
              Error::invalid_argument);
        CHECK(ask(SystemCall::spawn, init_data.value, sizeof(abi::SpawnPlan) + 1).error ==
              Error::too_large);
        CHECK(ask(SystemCall::spawn, 0x30000000, sizeof(abi::SpawnPlan)).error ==
              Error::bad_address);
        CHECK(ask(SystemCall::spawn, kernel, sizeof(abi::SpawnPlan)).error == Error::bad_address);
        CHECK(Footprint() == before);
    });
}

TEST_CASE("proc: handles in a plan need the right to be given away") {
    Booted booted;
    booted.run([] {
        const Answer note = ask(SystemCall::object_create, abi::ObjectKind::notification);
        const Answer keep = ask(SystemCall::handle_duplicate, note.value, abi::right_send);
        CHECK(refused([&](Plan& p) { p.handles = {note.value, keep.value}; }) ==
              Error::not_permitted);
    });
}

TEST_CASE("proc: whichever allocation of a spawn fails, nothing is left behind") {
    Booted booted;
    booted.run([] {
        const Answer note = ask(SystemCall::object_create, abi::ObjectKind::notification);
        warm_up();
        Plan plan([] {});
        plan.handles = {note.value};
        plan.segments.push_back({.address = 0x5000'0000'0000,
                                 .length = 0x10000,
                                 .source = 0,
                                 .bytes = 0,
                                 .source_offset = 0,
                                 .access = 0,
                                 .flags = abi::map_guard,
                                 .reserved = 0});
        const Footprint before;
        unsigned failures = 0;
        for (;; ++failures) {
            REQUIRE(failures < 200);
            fail_allocation_after(failures);
            const Answer made = plan.spawn();
            if (!allow_allocations()) {
                REQUIRE(made.ok());
                wait_for(made);
                ask(SystemCall::handle_close, made.value);
                break;
            }
            CHECK(made.error == Error::no_memory);
            CHECK(Footprint() == before);
        }
        CHECK(failures > 5);
        CHECK(Footprint() == before);
    });
}

TEST_CASE("proc: whichever allocation of a thread's creation fails, nothing is left behind") {
    Booted booted;
    booted.run([] {
        std::vector<Answer> threads;
        // More threads than kernel stacks are kept, so that allocations happen.
        for (int i = 0; i < 40; ++i) {
            for (std::uint64_t failures = 0;; ++failures) {
                REQUIRE(failures < 100);
                const std::uint64_t own = info_of(0).committed;
                fail_allocation_after(failures);
                const Answer made = start_thread([] {});
                if (!allow_allocations()) {
                    REQUIRE(made.ok());
                    threads.push_back(made);
                    break;
                }
                CHECK(made.error == Error::no_memory);
                CHECK(info_of(0).committed == own);
                CHECK(info_of(0).threads == threads.size() + 1);
            }
        }
        for (const Answer& thread : threads) CHECK(ask(SystemCall::wait, thread.value).ok());
    });
}

TEST_CASE("proc: a thousand spawns leave memory as it was") {
    Booted booted;
    booted.run([] {
        warm_up();
        const Footprint before;
        for (int i = 0; i < 1000; ++i) {
            const Answer made = Plan([] { put(init_data + 0x5000, 1); }).spawn();
            REQUIRE(made.ok());
            wait_for(made);
            ask(SystemCall::handle_close, made.value);
        }
        CHECK(Footprint() == before);
    });
}

TEST_CASE("proc: a plan names where the clock page goes, and what grows") {
    Booted booted;
    booted.run([] {
        constexpr VirtAddr clock{init_text.value - page_size};
        *static_cast<std::uint64_t*>(vm::direct(vm::clock_frame())) = 0x7171;
        const auto with = [clock](std::uint64_t clock_page, std::uint32_t flags,
                                  std::uint64_t bytes) {
            Plan plan([clock] {
                CHECK(get<std::uint64_t>(clock) == 0x7171);
                put(init_data + 0x20000, 1);
                CHECK(get<int>(init_data + 0x20000) == 1);
            });
            plan.plan.clock_page = clock_page;
            plan.segments.push_back({.address = init_data.value + 0x1e000,
                                     .length = 0x3000,
                                     .source = init_data.value,
                                     .bytes = bytes,
                                     .source_offset = 0,
                                     .access = abi::access_read | abi::access_write,
                                     .flags = flags,
                                     .reserved = 0});
            return plan.spawn();
        };
        const Answer child = with(clock.value, abi::map_grows_down, 0);
        REQUIRE(child.ok());
        CHECK(ask(SystemCall::wait, child.value).value == 0);
        CHECK(with(init_text.value, abi::map_grows_down, 0).error == Error::already_mapped);
        CHECK(with(clock.value + 8, abi::map_grows_down, 0).error == Error::invalid_argument);
        CHECK(with(~std::uint64_t{0xfff}, abi::map_grows_down, 0).error == Error::invalid_argument);
        CHECK(with(clock.value, abi::map_grows_down, 8).error == Error::invalid_argument);
        CHECK(with(clock.value, abi::map_grows_down | abi::map_grows_up, 0).error ==
              Error::invalid_argument);
        CHECK(with(clock.value, abi::map_grows_up | abi::map_guard, 0).error ==
              Error::invalid_argument);
    });
}
