// SPDX-License-Identifier: MIT
// Spawning: arguments, handles, statuses, plans that must be refused, and that nothing is lost.
#include "user/lib/files.hpp"
#include "user/lib/handle.hpp"
#include "user/lib/program.hpp"
#include "user/selftest/child.hpp"
#include "user/selftest/framework.hpp"
#include "user/selftest/machine.hpp"

#include <array>

namespace selftest {
namespace {

constexpr std::uint32_t read_write = abi::access_read | abi::access_write;

std::uint64_t address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

void statuses() {
    EXPECT_EQUAL(REQUIRE(run_child({"exit", "0"})), 0);
    EXPECT_EQUAL(REQUIRE(run_child({"exit", "1"})), 1);
    EXPECT_EQUAL(REQUIRE(run_child({"exit", "255"})), 255);
    EXPECT_EQUAL(REQUIRE(run_child({"exit", "2147483647"})), 2147483647);
    EXPECT_EQUAL(REQUIRE(run_child({"exit-negative", "5"})), -5);
}

void arguments_arrive() {
    EXPECT_EQUAL(REQUIRE(run_child({"words", "one two", "", "ünï", "'\"\\$"})), 0);
    EXPECT_EQUAL(REQUIRE(run_child({"count-words", "1", "2", "3", "4", "5", "6", "7", "8", "9",
                                    "10", "11", "12", "13", "14", "15", "16", "17", "18"})),
                 18);
    std::array<char, 5000> long_word{};
    long_word.fill('x');
    EXPECT_ERROR(run_child({"exit", {long_word.data(), long_word.size()}}), Error::too_large);
}

/// `false` is linked for fixed addresses, `true` goes anywhere.
void both_kinds_of_programs() {
    const std::string_view fixed[] = {"false"};
    EXPECT_EQUAL(REQUIRE(user::run(fixed)), 1);
    const std::string_view anywhere[] = {"true"};
    EXPECT_EQUAL(REQUIRE(user::run(anywhere)), 0);
}

void unknown_programs() {
    const std::string_view missing[] = {"no-such-program"};
    EXPECT_ERROR(user::run(missing), Error::not_found);
    const std::string_view directory[] = {"bin/"};
    EXPECT_ERROR(user::run(directory), Error::bad_format);
    EXPECT_ERROR(user::run({}), Error::invalid_argument);
}

void handles_arrive_in_order() {
    const user::OwnedHandle first(REQUIRE(user::notification_create()));
    const user::OwnedHandle second(REQUIRE(user::notification_create()));
    const abi::Handle extra[] = {second.get(), first.get()};
    EXPECT_EQUAL(REQUIRE(run_child({"signal", "5"}, extra)), 0);
    EXPECT_EQUAL(REQUIRE(user::wait(second.get())), 5);
    const abi::Handle bad[] = {0x12345};
    EXPECT_ERROR(run_child({"exit", "0"}, bad), Error::bad_handle);
    const user::OwnedHandle unshared(REQUIRE(user::handle_duplicate(first.get(), abi::right_send)));
    const abi::Handle not_to_give[] = {unshared.get()};
    EXPECT_ERROR(run_child({"exit", "0"}, not_to_give), Error::not_permitted);
}

/// A plan that works: its program is `mov eax, process_kill; xor edi, edi; mov esi, 9; syscall`.
struct GoodPlan {
    static constexpr unsigned char code[] = {0xb8, 14, 0, 0, 0, 0x31, 0xff,
                                             0xbe, 9,  0, 0, 0, 0x0f, 0x05};
    static_assert(static_cast<unsigned>(abi::SystemCall::process_kill) == 14);
    abi::PlanSegment segments[3] = {{.address = 0x400000,
                                     .length = page_size,
                                     .source = address_of(code),
                                     .bytes = sizeof code,
                                     .source_offset = 0,
                                     .access = abi::access_read | abi::access_execute,
                                     .flags = 0,
                                     .reserved = 0},
                                    {.address = 0x500000,
                                     .length = page_size,
                                     .source = 0,
                                     .bytes = 0,
                                     .source_offset = 0,
                                     .access = read_write,
                                     .flags = 0,
                                     .reserved = 0},
                                    {.address = 0x600000,
                                     .length = page_size,
                                     .source = 0,
                                     .bytes = 0,
                                     .source_offset = 0,
                                     .access = read_write,
                                     .flags = 0,
                                     .reserved = 0}};
    abi::Handle handles[abi::plan_handle_limit + 1] = {};
    abi::SpawnPlan plan = {.name = "plan",
                           .segments = address_of(segments),
                           .segment_count = 3,
                           .handles = address_of(handles),
                           .handle_count = 0,
                           .entry = 0x400000,
                           .stack = 0x501000,
                           .arguments = {0, 0},
                           .priority = abi::priority_default,
                           .flags = 0};
};

/// `spoil` makes the plan bad; it must be refused with the error.
template <typename Spoil>
void refuse(Error error, std::string_view what, Spoil spoil, Place place = {}) {
    GoodPlan good;
    spoil(good);
    const auto process = user::spawn_plan(good.plan);
    expect_error(process, error, what, place);
    if (process) (void)user::handle_close(*process);
}

void good_plan_works() {
    GoodPlan good;
    const user::OwnedHandle process(REQUIRE(user::spawn_plan(good.plan)));
    EXPECT_EQUAL(REQUIRE(user::process_wait(process.get())), 9);
    EXPECT(std::string_view(REQUIRE(user::process_info(process.get())).name) == "plan");
}

void bad_segments() {
    using Good = GoodPlan;
    constexpr auto invalid = Error::invalid_argument;
    constexpr auto bad = Error::bad_address;
    refuse(invalid, "address", [](Good& g) { g.segments[0].address = 0x400001; });
    refuse(invalid, "length 0", [](Good& g) { g.segments[1].length = 0; });
    refuse(invalid, "odd length", [](Good& g) { g.segments[1].length = 4097; });
    refuse(bad, "wrapping length", [](Good& g) { g.segments[1].length = ~0ULL << 12; });
    refuse(bad, "low address", [](Good& g) { g.segments[1].address = 0; });
    refuse(bad, "kernel address", [](Good& g) { g.segments[1].address = 0xffff'8000'0000'0000; });
    refuse(bad, "non-canonical", [](Good& g) { g.segments[1].address = 1ULL << 47; });
    refuse(invalid, "too many bytes", [](Good& g) { g.segments[0].bytes = page_size + 1; });
    refuse(invalid, "bytes behind the end", [](Good& g) { g.segments[0].source_offset = 4090; });
    refuse(invalid, "offset", [](Good& g) { g.segments[0].source_offset = ~0U; });
    refuse(invalid, "access", [](Good& g) { g.segments[1].access = 8; });
    refuse(invalid, "flags", [](Good& g) { g.segments[1].flags = 0x80; });
    refuse(invalid, "reserved", [](Good& g) { g.segments[1].reserved = 1; });
    refuse(Error::not_permitted, "w and x", [](Good& g) { g.segments[0].access = 7; });
    refuse(Error::already_mapped, "overlap",
           [](Good& g) { g.segments[1].address = g.segments[0].address; });
    refuse(bad, "null source", [](Good& g) { g.segments[0].source = 0; });
    refuse(bad, "kernel source", [](Good& g) { g.segments[0].source = 0xffff'ffff'8000'0000; });
    refuse(bad, "source in a hole", [](Good& g) { g.segments[0].source = 0x7000'0000'0000; });
    refuse(Error::no_memory, "more than there is", [](Good& g) {
        g.segments[1].address = 1ULL << 40;
        g.segments[1].length = 1ULL << 44;
    });
}

void bad_plans() {
    using Good = GoodPlan;
    constexpr auto invalid = Error::invalid_argument;
    constexpr auto bad = Error::bad_address;
    refuse(bad, "segments", [](Good& g) { g.plan.segments = 0x10; });
    refuse(bad, "kernel segments", [](Good& g) { g.plan.segments = 0xffff'8000'0000'0000; });
    refuse(bad, "handles", [](Good& g) {
        g.plan.handle_count = 1;
        g.plan.handles = 0x10;
    });
    refuse(Error::bad_handle, "no handle", [](Good& g) { g.plan.handle_count = 1; });
    refuse(invalid, "no segments", [](Good& g) { g.plan.segment_count = 0; });
    refuse(Error::limit_reached, "segment count", [](Good& g) { g.plan.segment_count = 33; });
    refuse(Error::limit_reached, "huge segment count",
           [](Good& g) { g.plan.segment_count = 1ULL << 60; });
    refuse(Error::limit_reached, "handle count", [](Good& g) { g.plan.handle_count = 17; });
    refuse(Error::limit_reached, "huge handle count", [](Good& g) { g.plan.handle_count = ~0ULL; });
    refuse(invalid, "priority", [](Good& g) { g.plan.priority = abi::priority_count; });
    refuse(Error::not_permitted, "priority above the own",
           [](Good& g) { g.plan.priority = abi::priority_default + 1; });
    refuse(invalid, "flags", [](Good& g) { g.plan.flags = 1; });
    refuse(bad, "entry", [](Good& g) { g.plan.entry = 1ULL << 63; });
    refuse(bad, "stack", [](Good& g) { g.plan.stack = 0xffff'8000'0000'0000; });
    GoodPlan good;
    const auto spawn = static_cast<std::uint64_t>(user::Call::spawn);
    const std::uint64_t plan = address_of(&good.plan);
    EXPECT_CODE(user::raw_system_call(spawn, plan, 0), Error::invalid_argument);
    EXPECT_CODE(user::raw_system_call(spawn, plan, sizeof good.plan - 1), Error::invalid_argument);
    EXPECT_CODE(user::raw_system_call(spawn, plan, sizeof good.plan + 1), Error::too_large);
    EXPECT_CODE(user::raw_system_call(spawn, plan, ~0ULL), Error::too_large);
}

/// An entry or a stack that is not mapped ends the child, not the parent.
void plans_that_fault() {
    static constexpr unsigned char push_code[] = {0x50, 0xeb, 0xfe}; // push rax; jmp to itself
    GoodPlan nowhere;
    nowhere.plan.entry = 0x700000;
    const user::OwnedHandle first(REQUIRE(user::spawn_plan(nowhere.plan)));
    EXPECT_EQUAL(REQUIRE(user::process_wait(first.get())), fault_status);
    GoodPlan stackless; // nothing is mapped where its stack would be, and it pushes
    stackless.plan.stack = 0x900000;
    stackless.segments[0].source = address_of(push_code);
    stackless.segments[0].bytes = sizeof push_code;
    const user::OwnedHandle second(REQUIRE(user::spawn_plan(stackless.plan)));
    EXPECT_EQUAL(REQUIRE(user::process_wait(second.get())), fault_status);
}

void lasting_processes_are_independent() {
    const auto spinner = REQUIRE(start_child({"spin"}));
    EXPECT_EQUAL(REQUIRE(run_child({"exit", "3"})), 3);
    EXPECT_EQUAL(REQUIRE(user::process_info(spinner.get())).exited, 0);
    REQUIRE(user::process_kill(spinner.get(), 4));
    EXPECT_EQUAL(REQUIRE(user::process_wait(spinner.get())), 4);
    EXPECT_EQUAL(REQUIRE(user::process_wait(spinner.get())), 4); // as often as one likes
    const auto info = REQUIRE(user::process_info(spinner.get()));
    EXPECT_EQUAL(info.exited, 1);
    EXPECT_EQUAL(info.status, 4);
    EXPECT_EQUAL(info.threads, 0);
    EXPECT_EQUAL(info.anonymous, 0);
}

/// A thousand processes keep no memory.
void thousand_spawns() {
    const OnOneProcessor pinned;
    const std::string_view words[] = {"true"};
    for (int i = 0; i < 20; ++i) EXPECT_EQUAL(REQUIRE(user::run(words)), 0);
    const auto before = REQUIRE(settled_memory());
    for (int i = 0; i < 1000; ++i) {
        const auto status = user::run(words);
        if (!expect_ok(status, "spawn")) return;
        EXPECT_EQUAL(*status, 0);
    }
    expect_nothing_kept(before);
}

/// Of a process, the pages of the boot archive's object that it has, and may not write.
Result<std::uint64_t> shared_text(abi::Handle process) {
    const std::uint64_t archive = TRY(user::object_info(user::handles.archive)).number;
    std::array<abi::Run, 32> runs;
    std::uint64_t pages = 0;
    for (const abi::Run& run : TRY(user::query(process, 0, runs)))
        if (run.origin == abi::Origin::file && run.id == archive &&
            (run.access & abi::access_write) == 0)
            pages += run.present;
    return pages;
}

/// What two processes of one program read of it is there once.
void programs_are_not_copied() {
    const OnOneProcessor pinned;
    EXPECT_EQUAL(REQUIRE(run_child({"exit", "0"})), 0); // what the kernel keeps for reuse
    const auto file = REQUIRE(user::open_file("bin/selftest"));
    EXPECT_EQUAL(file.offset % page_size, 0U);
    const auto ready = user::OwnedHandle(REQUIRE(user::notification_create()));
    const abi::Handle extra[] = {ready.get()};
    const auto before = REQUIRE(settled_memory());
    const auto child = REQUIRE(start_child({"read-program"}, extra));
    EXPECT_EQUAL(REQUIRE(user::wait(ready.get())), 1U);
    const std::uint64_t text = REQUIRE(shared_text(child.get()));
    EXPECT(text * page_size > file.content.size() / 2);
    const auto info = REQUIRE(user::process_info(child.get()));
    EXPECT(info.anonymous < text);
    // All that it took is less than its text alone.
    const auto after = REQUIRE(user::memory_info());
    EXPECT(before.free - after.free < text * 4);
    REQUIRE(user::process_kill(child.get(), 0));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
}

void start_and_end_many() {
    std::array<user::OwnedHandle, 40> children;
    for (auto& child : children) child = REQUIRE(start_child({"sleep"}));
    for (auto& child : children) EXPECT_OK(user::process_kill(child.get(), 1));
    for (auto& child : children) EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 1);
}

/// Many at once, then none. Kernel stacks that are kept for reuse are there after the first time.
void many_at_once() {
    const OnOneProcessor pinned;
    start_and_end_many();
    const auto before = REQUIRE(settled_memory());
    start_and_end_many();
    const auto after = REQUIRE(settled_memory(before));
    EXPECT_EQUAL(after.anonymous, before.anonymous);
    EXPECT_EQUAL(after.committed, before.committed);
}

constexpr Test tests[] = {
    {"statuses", statuses},
    {"arguments_arrive", arguments_arrive},
    {"both_kinds_of_programs", both_kinds_of_programs},
    {"unknown_programs", unknown_programs},
    {"handles_arrive_in_order", handles_arrive_in_order},
    {"good_plan_works", good_plan_works},
    {"bad_segments", bad_segments},
    {"bad_plans", bad_plans},
    {"plans_that_fault", plans_that_fault},
    {"lasting_processes_are_independent", lasting_processes_are_independent},
    {"programs_are_not_copied", programs_are_not_copied},
    {"many_at_once", many_at_once},
    {"thousand_spawns", thousand_spawns},
};

} // namespace

constinit const Suite spawn_suite{"spawn", tests};

} // namespace selftest
