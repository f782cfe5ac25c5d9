// SPDX-License-Identifier: MIT
// Tests, suites, and what a test says when something is not as it should be. Only failures print.
#pragma once

#include "lib/result.hpp"
#include "user/lib/calls.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace selftest {

struct Test {
    std::string_view name;
    void (*run)();
};

struct Suite {
    std::string_view name;
    std::span<const Test> tests;
};

/// Where an expectation stands.
struct Place {
    const char* file = __builtin_FILE();
    int line = __builtin_LINE();
};

/// A word of memory that others may change, or that may not be there.
inline volatile std::uint64_t& word_at(std::uint64_t address) {
    return *reinterpret_cast<volatile std::uint64_t*>(address);
}

/// Whether the running test has failed already.
bool has_failed();
/// Notes a failure of the running test, with its words. Any thread may call.
void fail(std::string_view what, Place place);
void fail_numbers(std::string_view what, std::int64_t got, std::int64_t wanted, Place place);

inline void expect(bool holds, std::string_view what, Place place = {}) {
    if (!holds) fail(what, place);
}
inline void expect_equal(std::int64_t got, std::int64_t wanted, std::string_view what,
                         Place place = {}) {
    if (got != wanted) fail_numbers(what, got, wanted, place);
}
/// A system call's raw result must be this error.
inline void expect_code(std::int64_t got, Error wanted, std::string_view what, Place place = {}) {
    expect_equal(got, -static_cast<std::int64_t>(wanted), what, place);
}
template <typename T>
bool expect_ok(const Result<T>& result, std::string_view what, Place place = {}) {
    if (result.ok()) return true;
    fail_numbers(what, -static_cast<std::int64_t>(result.error()), 0, place);
    return false;
}
template <typename T>
void expect_error(const Result<T>& result, Error wanted, std::string_view what, Place place = {}) {
    const std::int64_t got = result.ok() ? 0 : -static_cast<std::int64_t>(result.error());
    expect_equal(got, -static_cast<std::int64_t>(wanted), what, place);
}

/// The expression itself is the text of the failure.
#define EXPECT(condition) ::selftest::expect((condition), #condition)
#define EXPECT_EQUAL(got, wanted)                                                                  \
    ::selftest::expect_equal(static_cast<std::int64_t>(got), static_cast<std::int64_t>(wanted),    \
                             #got)
#define EXPECT_CODE(call, error) ::selftest::expect_code((call), (error), #call)
#define EXPECT_OK(result) ::selftest::expect_ok((result), #result)
#define EXPECT_ERROR(result, error) ::selftest::expect_error((result), (error), #result)
/// Ends the test when the result is an error; else yields its value.
#define REQUIRE(result)                                                                            \
    __extension__({                                                                                \
        auto require_result_ = (result);                                                           \
        if (!::selftest::expect_ok(require_result_, #result)) return;                              \
        result_detail::take(require_result_);                                                      \
    })

/// Runs a suite; gives the tests that failed and prints the suite's counts.
unsigned run_suite(const Suite& suite);

extern const Suite calls_suite;
extern const Suite pointers_suite;
extern const Suite handles_suite;
extern const Suite memory_suite;
extern const Suite placement_suite;
extern const Suite protection_suite;
extern const Suite maps_suite;
extern const Suite huge_suite;
extern const Suite objects_suite;
extern const Suite sharing_suite;
extern const Suite faults_suite;
extern const Suite upcalls_suite;
extern const Suite upcall_threads_suite;
extern const Suite spawn_suite;
extern const Suite fork_suite;
extern const Suite elf_suite;
extern const Suite limits_suite;
extern const Suite threads_suite;
extern const Suite registers_suite;
extern const Suite ipc_suite;
extern const Suite notifications_suite;
extern const Suite kill_suite;
extern const Suite scheduling_suite;
extern const Suite runtime_suite;
extern const Suite processors_suite;
extern const Suite callbacks_suite;
extern const Suite clock_suite;
extern const Suite stress_suite;

} // namespace selftest
