// SPDX-License-Identifier: MIT
// Numbers as people type them.
#include "user/lib/numbers.hpp"

#include "lib/strings.hpp"

namespace user {

Result<std::uint64_t> parse_number(std::string_view text) { return lib::parse_digits(text, 10); }

Result<std::uint64_t> parse_seconds(std::string_view text) {
    constexpr std::uint64_t second = 1'000'000'000;
    const std::size_t point = text.find('.');
    std::uint64_t decimals = 0;
    if (point != std::string_view::npos) {
        const std::string_view digits = text.substr(point + 1);
        if (digits.size() > 9) return Error::too_large;
        decimals = TRY(parse_number(digits));
        for (std::size_t i = digits.size(); i < 9; ++i) decimals *= 10;
    }
    std::uint64_t nanoseconds = TRY(parse_number(text.substr(0, point)));
    if (__builtin_mul_overflow(nanoseconds, second, &nanoseconds) ||
        __builtin_add_overflow(nanoseconds, decimals, &nanoseconds)) {
        return Error::too_large;
    }
    return nanoseconds;
}

Result<std::uint64_t> parse_size(std::string_view text) {
    constexpr std::string_view units = "KMG";
    if (text.empty()) return Error::invalid_argument;
    const std::size_t unit = units.find(text.back());
    if (unit == std::string_view::npos) return Error::invalid_argument;
    const unsigned shift = 10 * (static_cast<unsigned>(unit) + 1);
    const std::uint64_t number = TRY(parse_number(text.substr(0, text.size() - 1)));
    if (number > ~0ULL >> shift) return Error::too_large;
    return number << shift;
}

} // namespace user
