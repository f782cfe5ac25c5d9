// SPDX-License-Identifier: MIT
// Small things to do with text: numbers out of it, pieces of it.
#pragma once

#include "lib/result.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace lib {

/// The value of a digit, or none when it is none in that base (up to 16).
constexpr std::optional<unsigned> digit_value(char c, unsigned base) {
    unsigned value = 0;
    if (c >= '0' && c <= '9') {
        value = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
        value = static_cast<unsigned>(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
        value = static_cast<unsigned>(c - 'A') + 10;
    } else {
        return std::nullopt;
    }
    if (value >= base) return std::nullopt;
    return value;
}

/// Digits of one base and nothing else. invalid_argument: not a number; too_large: beyond 64 bits.
constexpr Result<std::uint64_t> parse_digits(std::string_view text, unsigned base) {
    if (text.empty()) return Error::invalid_argument;
    std::uint64_t value = 0;
    bool overflow = false;
    for (const char c : text) {
        const std::optional<unsigned> digit = digit_value(c, base);
        if (!digit) return Error::invalid_argument;
        overflow |= __builtin_mul_overflow(value, std::uint64_t{base}, &value);
        overflow |= __builtin_add_overflow(value, std::uint64_t{*digit}, &value);
    }
    if (overflow) return Error::too_large;
    return value;
}

constexpr Result<std::uint64_t> parse_hexadecimal(std::string_view text) {
    return parse_digits(text, 16);
}

/// A decimal number, or a hexadecimal one after 0x.
constexpr Result<std::uint64_t> parse_unsigned(std::string_view text) {
    if (text.starts_with("0x") || text.starts_with("0X")) return parse_hexadecimal(text.substr(2));
    return parse_digits(text, 10);
}

/// The same, too_large when T doesn't hold it.
template <std::unsigned_integral T>
constexpr Result<T> parse_unsigned_as(std::string_view text) {
    const std::uint64_t value = TRY(parse_unsigned(text));
    if (value > std::numeric_limits<T>::max()) return Error::too_large;
    return static_cast<T>(value);
}

/// The same with an optional `-` or `+`.
constexpr Result<std::int64_t> parse_signed(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    const std::uint64_t magnitude = TRY(parse_unsigned(text));
    const std::uint64_t limit = (std::uint64_t{1} << 63) - (negative ? 0 : 1);
    if (magnitude > limit) return Error::too_large;
    return static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
}

constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// Without blanks at both ends.
constexpr std::string_view trim_blanks(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

/// Takes the part before the first `separator` off `text`, and the separator; all when there is
/// none.
constexpr std::string_view take_until(std::string_view& text, char separator) {
    std::size_t length = 0;
    while (length < text.size() && text[length] != separator) ++length;
    const std::string_view part = text.substr(0, length);
    text.remove_prefix(length < text.size() ? length + 1 : length);
    return part;
}

/// Takes the next word, between blanks, off `text`; empty when there is none left.
constexpr std::string_view take_word(std::string_view& text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    std::size_t length = 0;
    while (length < text.size() && !is_blank(text[length])) ++length;
    const std::string_view word = text.substr(0, length);
    text.remove_prefix(length);
    return word;
}

/// The value of `key` among words like key=value in a command line; a value runs to the next blank.
constexpr std::optional<std::string_view> find_option(std::string_view line, std::string_view key) {
    for (std::string_view word = take_word(line); !word.empty(); word = take_word(line)) {
        if (word.starts_with(key) && word.substr(key.size()).starts_with('=')) {
            return word.substr(key.size() + 1);
        }
    }
    return std::nullopt;
}

/// Whether `word` stands alone in a command line.
constexpr bool has_word(std::string_view line, std::string_view word) {
    for (std::string_view next = take_word(line); !next.empty(); next = take_word(line)) {
        if (next == word) return true;
    }
    return false;
}

} // namespace lib
