// SPDX-License-Identifier: MIT
// Running tests and counting what failed.
#include "user/selftest/framework.hpp"

#include "user/lib/print.hpp"

#include <atomic>

namespace selftest {

namespace {
std::atomic<unsigned> failures{0};
std::string_view suite_name;
std::string_view test_name;
} // namespace

bool has_failed() { return failures.load() != 0; }

void fail(std::string_view what, Place place) {
    failures.fetch_add(1);
    user::print("selftest: {}.{}: {}:{}: {}\n", suite_name, test_name, place.file, place.line,
                what);
}

void fail_numbers(std::string_view what, std::int64_t got, std::int64_t wanted, Place place) {
    failures.fetch_add(1);
    user::print("selftest: {}.{}: {}:{}: {}: got {}, wanted {}\n", suite_name, test_name,
                place.file, place.line, what, got, wanted);
}

unsigned run_suite(const Suite& suite) {
    unsigned failed = 0;
    suite_name = suite.name;
    for (const Test& test : suite.tests) {
        test_name = test.name;
        failures.store(0);
        test.run();
        if (failures.load() != 0) ++failed;
    }
    (void)user::memory_info(); // a debug kernel validates all maps
    user::print("{}: {} passed, {} failed\n", suite.name, suite.tests.size() - failed, failed);
    return failed;
}

} // namespace selftest
