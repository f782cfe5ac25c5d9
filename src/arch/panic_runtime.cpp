// SPDX-License-Identifier: MIT
// The ways into a panic that compiled code has.
#include "arch/panic.hpp"

extern "C" {
[[noreturn]] void __stack_chk_fail();
[[noreturn]] void __cxa_pure_virtual();
}

/// Called by a function whose stack guard changed.
void __stack_chk_fail() { arch::panic("stack guard overwritten"); }

/// Called through an object whose construction has not ended.
void __cxa_pure_virtual() { arch::panic("pure virtual function called"); }

namespace std {

/// Called by span, array and their kin for an index out of bounds.
void __glibcxx_assert_fail(const char* file, int line, const char* function,
                           const char* condition) noexcept {
    arch::panic_at(condition == nullptr ? "unreachable code reached" : condition, file,
                   static_cast<unsigned>(line), function);
}

/// Called by string_view and its kin for a position out of bounds, where the compiler can't see
/// that there is none: in a debug kernel.
void __throw_out_of_range_fmt(const char*, ...) { arch::panic("a position is out of bounds"); }

} // namespace std
