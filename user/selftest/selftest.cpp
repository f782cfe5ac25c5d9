// SPDX-License-Identifier: MIT
// selftest: tests the system from user space.
#include "user/lib/numbers.hpp"
#include "user/lib/print.hpp"
#include "user/lib/program.hpp"
#include "user/selftest/child.hpp"
#include "user/selftest/crew.hpp"
#include "user/selftest/framework.hpp"

namespace {

constexpr const selftest::Suite* suites[] = {
    &selftest::runtime_suite,
    &selftest::calls_suite,
    &selftest::pointers_suite,
    &selftest::handles_suite,
    &selftest::memory_suite,
    &selftest::placement_suite,
    &selftest::protection_suite,
    &selftest::maps_suite,
    &selftest::huge_suite,
    &selftest::objects_suite,
    &selftest::sharing_suite,
    &selftest::threads_suite,
    &selftest::registers_suite,
    &selftest::ipc_suite,
    &selftest::notifications_suite,
    &selftest::kill_suite,
    &selftest::scheduling_suite,
    &selftest::spawn_suite,
    &selftest::elf_suite,
    &selftest::limits_suite,
    &selftest::fork_suite,
    &selftest::faults_suite,
    &selftest::processors_suite,
    &selftest::upcalls_suite,
    &selftest::upcall_threads_suite,
    &selftest::callbacks_suite,
    &selftest::clock_suite,
    &selftest::stress_suite,
};

const selftest::Suite* find_suite(std::string_view name) {
    for (const selftest::Suite* suite : suites) {
        if (suite->name == name) return suite;
    }
    return nullptr;
}

int complain(std::string_view name) {
    user::print("selftest: {}: no such suite; there are:", name);
    for (const selftest::Suite* suite : suites) user::print(" {}", suite->name);
    user::print("\n");
    return user::status_usage;
}

} // namespace

int user::main(Arguments arguments) {
    if (const auto status = selftest::play_child(arguments)) return *status;
    Arguments names = arguments.subspan(1);
    if (names.size() == 1 && names[0] == "--help") {
        (void)complain("usage: selftest [--rounds N] [SUITE]...");
        return status_success;
    }
    if (names.size() >= 2 && names[0] == "--rounds") {
        const auto rounds = parse_number(names[1]);
        if (!rounds || *rounds == 0 || *rounds > 10'000) return complain(names[1]);
        selftest::set_stress_factor(static_cast<unsigned>(*rounds));
        names = names.subspan(2);
    }
    for (const auto name : names) {
        if (find_suite(name) == nullptr) return complain(name);
    }
    std::size_t passed = 0;
    std::size_t failed = 0;
    const auto run = [&](const selftest::Suite& suite) {
        const unsigned lost = selftest::run_suite(suite);
        failed += lost;
        passed += suite.tests.size() - lost;
    };
    if (names.empty()) {
        for (const selftest::Suite* suite : suites) run(*suite);
    }
    for (const auto name : names) run(*find_suite(name));
    print("total: {} passed, {} failed\n", passed, failed);
    return failed == 0 ? status_success : status_failure;
}
