// SPDX-License-Identifier: MIT
// What the C++ library's headers call when a program breaks their rules: the program ends.
#include "lib/format.hpp"
#include "user/lib/print.hpp"

namespace std {
[[noreturn]] void __glibcxx_assert_fail(const char* file, int line, const char* function,
                                        const char* condition) noexcept;
[[noreturn]] void __throw_out_of_range_fmt(const char* format, ...);
} // namespace std

void std::__glibcxx_assert_fail(const char* file, int line, const char*,
                                const char* condition) noexcept {
    lib::FixedText<256> text;
    text.format("{}:{}: violated: {}", file != nullptr ? file : "?", line,
                condition != nullptr ? condition : "?");
    user::die(text.view());
}

void std::__throw_out_of_range_fmt(const char*, ...) { user::die("position beyond the text"); }
