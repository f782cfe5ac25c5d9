// SPDX-License-Identifier: MIT
// Runs the tests that the linker collected.
#include "arch/boot/boot_information.hpp"
#include "arch/console/screen.hpp"
#include "arch/debug_exit.hpp"
#include "arch/ktest/ktest.hpp"
#include "arch/ktest/test_panic.hpp"
#include "arch/log.hpp"
#include "proc/port.hpp"

namespace arch::ktest {
namespace {

extern "C" {
extern const Test ktests_start[];
extern const Test ktests_end[];
}

bool run(const Test& test) {
    const Verdict verdict = test.run();
    switch (verdict.kind()) {
    case Verdict::Kind::passed: log("ktest: {} ok", test.name); return true;
    case Verdict::Kind::skipped:
        log("ktest: {} ok, skipped ({})", test.name, verdict.why());
        return true;
    case Verdict::Kind::failed: break;
    }
    log("ktest: {} FAILED: {}", test.name, verdict.why());
    return false;
}

bool run_all() {
    unsigned passed = 0;
    unsigned failed = 0;
    // The compiler puts a file's last test first: so from the back.
    for (const Test* test = ktests_end; test != ktests_start;) {
        if (run(*--test)) {
            ++passed;
        } else {
            ++failed;
        }
    }
    log("ktest: {} passed, {} failed", passed, failed);
    return failed == 0 && passed != 0;
}

} // namespace

void obey_boot_words() {
    if (has_boot_word("ktest")) {
        const bool good = run_all();
        screen::refresh();
        if (has_boot_word("ktest-exit"))
            static_cast<void>(
                proc::port::power(good ? abi::Power::exit_success : abi::Power::exit_failure));
    }
    test_panic_if_wanted();
}

} // namespace arch::ktest
