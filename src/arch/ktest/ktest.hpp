// SPDX-License-Identifier: MIT
// Contract tests: what the rest of the kernel takes for granted about the machine, tried on the
// machine itself before the first process starts.
#pragma once

#include <string_view>

namespace arch::ktest {

/// How a test ended. Yields passed, unless it says otherwise.
class [[nodiscard]] Verdict {
public:
    enum class Kind : unsigned char { passed, skipped, failed };

    static constexpr Verdict passed() { return {Kind::passed, {}}; }
    /// What is tested is not there. Counts as passed. `why`: "no SMEP".
    static constexpr Verdict skipped(std::string_view why) { return {Kind::skipped, why}; }
    static constexpr Verdict failed(std::string_view why) { return {Kind::failed, why}; }

    constexpr Kind kind() const { return kind_; }
    constexpr std::string_view why() const { return why_; }

private:
    constexpr Verdict(Kind kind, std::string_view why) : why_(why), kind_(kind) {}
    std::string_view why_;
    Kind kind_;
};

/// One record of the section .ktests.
struct Test {
    const char* name;
    Verdict (*run)();
};

/// Defines a test: KERNEL_TEST(identifier, "name in words") { …; return Verdict::passed(); }
#define KERNEL_TEST(identifier, words)                                                             \
    static ::arch::ktest::Verdict identifier();                                                    \
    [[gnu::section(".ktests"),                                                                     \
      gnu::used]] static constinit const ::arch::ktest::Test identifier##_record{words,            \
                                                                                 identifier};      \
    static ::arch::ktest::Verdict identifier()

/// Ends the test that it stands in when the condition does not hold.
#define EXPECT(condition, why)                                                                     \
    do {                                                                                           \
        if (!(condition)) return ::arch::ktest::Verdict::failed(why);                              \
    } while (false)

/// Obeys the command line: `ktest` runs all tests and prints a line each, `ktest-exit` then leaves
/// the emulator; `panic`, `panic=fault` and `panic=stack` try the panic. Otherwise returns at once.
/// Precondition: the machine works, and no process has started.
void obey_boot_words();

} // namespace arch::ktest
