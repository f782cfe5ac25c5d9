// SPDX-License-Identifier: MIT
// Faults of user code: the one-line report of each kind, and that only the process ends.
#include "shim/booted.hpp"

#include <doctest/doctest.h>

using namespace shim;

namespace {

/// Runs code that faults in a child; gives the report.
std::string
report(std::function<void()> code, const std::function<void(Plan&)>& change = [](Plan&) {}) {
    proc_machine().console.clear();
    bool went_on = false;
    Plan plan([&] {
        code();
        went_on = true;
    });
    change(plan);
    const Answer child = plan.spawn();
    REQUIRE(child.ok());
    CHECK(static_cast<std::int32_t>(ask(SystemCall::wait, child.value).value) == abi::status_fault);
    CHECK_FALSE(went_on);
    const std::string line = proc_machine().console;
    const std::string start = "fault: child[" + std::to_string([&] {
                                  ask(SystemCall::process_info, child.value, init_data.value, 8);
                                  return get<std::uint64_t>(init_data);
                              }()) +
                              "]: ";
    REQUIRE(line.starts_with(start));
    REQUIRE(line.ends_with("\n"));
    return line.substr(start.size(), line.size() - start.size() - 1);
}

std::string exception(proc::FaultKind kind) {
    return report([kind] {
        user_fault({.kind = kind,
                    .from_user = true,
                    .has_address = false,
                    .access = {},
                    .address = {},
                    .instruction = init_text + 0x10});
    });
}

} // namespace

TEST_CASE("proc: page faults are reported by what was done to what") {
    Booted booted;
    booted.run([] {
        CHECK(report([] { get<int>(VirtAddr{0}); }) == "read of a hole at 0 by 0, entry empty ---");
        CHECK(report([] { put(VirtAddr{0x30000000}, 1); }) ==
              "write to a hole at 30000000 by 0, entry empty ---");
        CHECK(report([] { user_execute(VirtAddr{0x30000000}); }) ==
              "execution of a hole at 30000000 by 30000000, entry empty ---");
        CHECK(report([] { put(init_text, 1); }) ==
              "write to read-only memory at 401000 by 0, entry present r-x");
        CHECK(report([] { user_execute(init_data + 0x8000); }) ==
              "execution of non-executable memory at 40a000 by 40a000, entry lazy rw-");
        CHECK(report([] {
                  put(init_data, 1);
                  ask(SystemCall::protect, init_data.value, page_size, 0);
                  get<int>(init_data);
              }) == "read of inaccessible memory at 402000 by 0, entry parked ---");
        CHECK(report([] { get<int>(VirtAddr{0xffff'8000'0000'0000}); }) ==
              "read of kernel memory at ffff800000000000 by 0, entry kernel ---");
        CHECK(report([] { put(VirtAddr{0x50000000 - 8}, std::uint64_t{1}); },
                     [](Plan& plan) {
                         plan.segments.push_back({.address = 0x4fff0000,
                                                  .length = 0x10000,
                                                  .source = 0,
                                                  .bytes = 0,
                                                  .source_offset = 0,
                                                  .access = 0,
                                                  .flags = abi::map_guard,
                                                  .reserved = 0});
                     }) == "stack overflow at 4ffffff8 by 0, entry callback ---");
    });
}

TEST_CASE("proc: memory that was never reserved can run out, and says so") {
    Booted booted({.zones = MachineOptions::small_zones()});
    booted.run([] {
        const std::string line = report([] {
            const Answer made =
                ask(SystemCall::map, 0x100000000, 1ULL << 30, 3, abi::map_noreserve, 0);
            REQUIRE(made.ok());
            for (std::uint64_t page = 0;; ++page) put(VirtAddr{made.value + page * page_size}, 1);
        });
        CHECK(line.starts_with("out of memory at 1"));
        CHECK(line.ends_with(" by 0, entry lazy rw-"));
    });
}

TEST_CASE("proc: other exceptions are reported without an address") {
    Booted booted;
    booted.run([] {
        using enum proc::FaultKind;
        const std::pair<proc::FaultKind, std::string> words[] = {
            {divide, "divide error"},
            {debug, "debug exception"},
            {breakpoint, "breakpoint"},
            {illegal, "illegal instruction"},
            {privileged, "privileged instruction or bad address"},
            {stack, "stack fault"},
            {alignment, "misaligned access"},
            {floating_point, "floating-point error"},
            {other, "exception"}};
        for (const auto& [kind, what] : words)
            CHECK(exception(kind) == what + " at no address by 401010, entry present r-x");
        CHECK(report([] {
                  get<int>(VirtAddr{0x0000'8000'0000'0000});
              }).starts_with("privileged instruction or bad address at no address by 0"));
    });
}

TEST_CASE("proc: a fault in one thread ends its process with all threads") {
    Booted booted;
    booted.run([] {
        report([] {
            start_thread([] { get<int>(VirtAddr{8}); });
            ask(SystemCall::thread_sleep, ~0ULL);
        });
        CHECK(ask(SystemCall::process_id).value == 1);
    });
}

TEST_CASE("proc: a panic can tell who ran") {
    Booted booted;
    booted.run([] {
        const proc::Identity who = proc::running_process();
        CHECK(std::string_view(who.name) == "init");
        CHECK(who.id == 1);
    });
}
