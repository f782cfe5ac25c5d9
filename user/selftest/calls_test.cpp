// SPDX-License-Identifier: MIT
// System calls in general: numbers, plain values, clock and information.
#include "user/lib/program.hpp"
#include "user/selftest/framework.hpp"

#include <array>

namespace selftest {
namespace {

using user::raw_system_call;

void bad_numbers() {
    constexpr std::uint64_t numbers[] = {abi::system_call_count,
                                         abi::system_call_count + 1,
                                         1000,
                                         1ULL << 31,
                                         1ULL << 32,
                                         1ULL << 63,
                                         ~0ULL};
    for (const std::uint64_t number : numbers) {
        EXPECT_CODE(raw_system_call(number), Error::bad_system_call);
    }
}

/// Every call with six hostile words must come back with an error and do nothing.
void hostile_words_everywhere() {
    using abi::SystemCall;
    constexpr std::uint64_t words[] = {
        ~0ULL,    1ULL << 63, 0x7fff'ffff'ffff'ffff, 0xffff'8000'0000'0000, 0x0000'8000'0000'0000,
        0x1234567};
    for (std::uint64_t number = 0; number < abi::system_call_count; ++number) {
        const auto call = static_cast<SystemCall>(number);
        const bool takes_anything =
            call == SystemCall::process_id || call == SystemCall::thread_exit ||
            call == SystemCall::thread_sleep || call == SystemCall::clock ||
            call == SystemCall::fork ||
            call == SystemCall::boot_words; // an empty command line goes anywhere
        if (takes_anything) continue;
        for (const std::uint64_t word : words) {
            // An address in the user's half may be a handler, its stack and a runtime.
            if (call == SystemCall::thread_upcalls && word == words[5]) continue;
            const auto result = raw_system_call(number, word, word, word, word, word, word);
            if (result >= 0 || result < -17) {
                fail_numbers("a call accepted hostile words", static_cast<std::int64_t>(number), 0,
                             {});
            }
        }
    }
}

void process_id_is_stable() {
    EXPECT(user::process_id() > 1);
    EXPECT(user::process_id() == user::process_id());
    const auto info = REQUIRE(user::process_info(abi::no_handle));
    EXPECT_EQUAL(info.id, user::process_id());
    EXPECT(std::string_view(info.name) == "selftest");
    EXPECT_EQUAL(info.threads, 1);
    EXPECT_EQUAL(info.exited, 0);
    EXPECT(info.tables >= 4);
    EXPECT(info.anonymous > 0);
}

void information_is_cut_to_size() {
    abi::ProcessInfo info{};
    info.threads = 77;
    const auto written = raw_system_call(static_cast<std::uint64_t>(user::Call::process_info), 0,
                                         reinterpret_cast<std::uintptr_t>(&info), sizeof info.id);
    EXPECT_EQUAL(written, sizeof info.id);
    EXPECT_EQUAL(info.id, user::process_id());
    EXPECT_EQUAL(info.threads, 77);
}

void clock_goes_on() {
    std::uint64_t last = user::clock();
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t now = user::clock();
        EXPECT(now >= last);
        last = now;
    }
    const std::uint64_t begun = user::clock();
    REQUIRE(user::sleep(5'000'000));
    EXPECT(user::clock() - begun >= 5'000'000);
}

void memory_adds_up() {
    const auto info = REQUIRE(user::memory_info());
    EXPECT(info.total > 0);
    EXPECT(info.free < info.total);
    EXPECT(info.page_tables > 0);
    EXPECT(info.kernel > 0);
    EXPECT(info.anonymous > 0);
    EXPECT(info.committed <= info.commit_limit);
    EXPECT(info.commit_limit <= info.total);
    EXPECT(info.free + info.page_tables + info.anonymous <= info.total);
}

void boot_words_are_cut() {
    std::array<char, 256> buffer{};
    const auto length = REQUIRE(user::boot_words(buffer));
    std::array<char, 4> little{'#', '#', '#', '#'};
    const auto again = REQUIRE(user::boot_words({little.data(), 2}));
    EXPECT_EQUAL(again, length);
    EXPECT(little[2] == '#');
    if (length >= 2) EXPECT(little[0] == buffer[0] && little[1] == buffer[1]);
}

void console_takes_text() {
    const auto none = REQUIRE(user::console_write(user::handles.console, {}));
    EXPECT_EQUAL(none, 0);
    EXPECT_ERROR(user::console_write(abi::no_handle, "x"), Error::bad_handle);
    EXPECT_ERROR(user::console_write(user::handles.archive, "x"), Error::bad_handle);
    std::array<char, 4> buffer{};
    EXPECT_ERROR(user::console_read(user::handles.console, buffer), Error::not_permitted);
}

void power_needs_its_handle() {
    EXPECT_ERROR(user::power(abi::no_handle, abi::Power::off), Error::bad_handle);
    EXPECT_ERROR(user::power(user::handles.console, abi::Power::off), Error::bad_handle);
    std::array<abi::Run, 1> run{};
    EXPECT_ERROR(user::query(user::handles.console, 0, run), Error::bad_handle);
    EXPECT_ERROR(user::query(user::handles.archive, 0, run), Error::bad_handle);
}

void archive_maps_read_only() {
    const auto archive = user::handles.archive;
    const auto address = REQUIRE(user::map_object(archive, 0, 0, abi::access_read));
    const auto run = REQUIRE(user::nearest(abi::no_handle, address, abi::Direction::up));
    EXPECT_EQUAL(run.start, address);
    EXPECT(run.access == abi::access_read);
    EXPECT(std::string_view(reinterpret_cast<const char*>(address + 257), 5) == "ustar");
    EXPECT_ERROR(user::protect(address, page_size, abi::access_read | abi::access_write),
                 Error::not_permitted);
    EXPECT_OK(user::unmap(address, run.end - run.start));
    EXPECT(!user::map_object(archive, 0, 0, abi::access_read | abi::access_write));
    EXPECT(!user::map_object(archive, 0, ~0ULL << 12, abi::access_read));
    EXPECT_ERROR(user::map_object(user::handles.console, 0, 0, abi::access_read),
                 Error::bad_handle);
}

constexpr Test tests[] = {
    {"bad_numbers", bad_numbers},
    {"hostile_words_everywhere", hostile_words_everywhere},
    {"process_id_is_stable", process_id_is_stable},
    {"information_is_cut_to_size", information_is_cut_to_size},
    {"clock_goes_on", clock_goes_on},
    {"memory_adds_up", memory_adds_up},
    {"boot_words_are_cut", boot_words_are_cut},
    {"console_takes_text", console_takes_text},
    {"power_needs_its_handle", power_needs_its_handle},
    {"archive_maps_read_only", archive_maps_read_only},
};

} // namespace

constinit const Suite calls_suite{"calls", tests};

} // namespace selftest
