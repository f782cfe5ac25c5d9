// SPDX-License-Identifier: MIT
// Numbers and words out of text, at their limits.
#include "lib/strings.hpp"

#include <doctest/doctest.h>

TEST_CASE("unsigned numbers") {
    CHECK(*lib::parse_unsigned("0") == 0);
    CHECK(*lib::parse_unsigned("007") == 7);
    CHECK(*lib::parse_unsigned("18446744073709551615") == ~std::uint64_t{0});
    CHECK(*lib::parse_unsigned("0xFFFFFFFFffffffff") == ~std::uint64_t{0});
    CHECK(*lib::parse_unsigned("0000000000000000000000001") == 1);
    CHECK(*lib::parse_hexadecimal("ffff800000000000") == 0xffff800000000000);
    for (const char* text :
         {"18446744073709551616", "99999999999999999999999999999999", "0x10000000000000000"}) {
        CAPTURE(text);
        CHECK(lib::parse_unsigned(text).error() == Error::too_large);
    }
    for (const char* text :
         {"", "0x", "x", "12a", " 1", "1 ", "-1", "+1", "0xg", "1.5", "99999999999999999999999z"}) {
        CAPTURE(text);
        CHECK(lib::parse_unsigned(text).error() == Error::invalid_argument);
    }
    CHECK(*lib::parse_unsigned_as<std::uint8_t>("255") == 255);
    CHECK(lib::parse_unsigned_as<std::uint8_t>("256").error() == Error::too_large);
}

TEST_CASE("signed numbers") {
    CHECK(*lib::parse_signed("-9223372036854775808") == std::numeric_limits<std::int64_t>::min());
    CHECK(*lib::parse_signed("9223372036854775807") == std::numeric_limits<std::int64_t>::max());
    CHECK(*lib::parse_signed("+0x10") == 16);
    CHECK(*lib::parse_signed("-0") == 0);
    CHECK(lib::parse_signed("9223372036854775808").error() == Error::too_large);
    CHECK(lib::parse_signed("-9223372036854775809").error() == Error::too_large);
    for (const char* text : {"", "-", "+", "--1", "-+1"}) {
        CAPTURE(text);
        CHECK(lib::parse_signed(text).error() == Error::invalid_argument);
    }
}

TEST_CASE("pieces") {
    std::string_view text = "a=b=c";
    CHECK(lib::take_until(text, '=') == "a");
    CHECK(lib::take_until(text, '=') == "b");
    CHECK(lib::take_until(text, '=') == "c");
    CHECK(lib::take_until(text, '=').empty());
    text = "  one\ttwo ";
    CHECK(lib::take_word(text) == "one");
    CHECK(lib::take_word(text) == "two");
    CHECK(lib::take_word(text).empty());
    CHECK(lib::trim_blanks(" \r\n a b \t") == "a b");
    CHECK(lib::trim_blanks("  ").empty());
}

TEST_CASE("a command line's options") {
    const std::string_view line = "quiet ktest run=a run2=b empty= run=second";
    CHECK(lib::has_word(line, "ktest"));
    CHECK_FALSE(lib::has_word(line, "test"));
    CHECK_FALSE(lib::has_word(line, "run"));
    CHECK(lib::find_option(line, "run") == "a");
    CHECK(lib::find_option(line, "run2") == "b");
    CHECK(lib::find_option(line, "empty") == "");
    CHECK_FALSE(lib::find_option(line, "quiet"));
    CHECK_FALSE(lib::find_option("", "run"));
}
