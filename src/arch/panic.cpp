// SPDX-License-Identifier: MIT
// Panic, and the ways into it that compiled code has.
#include "arch/panic.hpp"

#include "arch/debug_exit.hpp"
#include "arch/log.hpp"

namespace arch {

void panic(std::string_view what) {
    log_raw("panic: ");
    log_raw(what);
    log_raw("\n");
    debug_exit(ExitStatus::panic);
    while (true) asm volatile("cli\n\thlt");
}

} // namespace arch

extern "C" [[noreturn]] void __stack_chk_fail();

/// Called by a function whose stack guard changed.
void __stack_chk_fail() { arch::panic("stack guard overwritten"); }

namespace std {

/// Called by span, array and their kin for an index out of bounds.
void __glibcxx_assert_fail(const char* file, int, const char* function,
                           const char* condition) noexcept {
    arch::log_raw(file);
    arch::log_raw(": ");
    arch::log_raw(function);
    arch::log_raw(": ");
    arch::panic(condition == nullptr ? "unreachable" : condition);
}

} // namespace std
