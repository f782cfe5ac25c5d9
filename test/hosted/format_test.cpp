// SPDX-License-Identifier: MIT
// lib::format: every kind of argument, every part of a placeholder, errors made visible.
#include "lib/format.hpp"

#include "abi/error.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

namespace {

template <typename... A>
std::string text(lib::FormatText<std::type_identity_t<A>...> format, const A&... arguments) {
    std::string out;
    auto append = [&](std::string_view piece) { out += piece; };
    lib::format(lib::Sink(append), format, arguments...);
    return out;
}

std::string run_time(std::string_view format, std::span<const lib::FormatArgument> arguments) {
    std::string out;
    auto append = [&](std::string_view piece) { out += piece; };
    lib::format_arguments(lib::Sink(append), format, arguments);
    return out;
}

enum class Colour { red, green };
constexpr std::string_view describe(Colour c) { return c == Colour::red ? "red" : "green"; }

struct Version {
    unsigned major;
};
lib::FormatArgument format_argument(Version version) { return version.major; }

} // namespace

TEST_CASE("integers print in full range, decimal and hexadecimal") {
    CHECK(text("{}", 0) == "0");
    CHECK(text("{} {}", -1, 42U) == "-1 42");
    CHECK(text("{}", std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
    CHECK(text("{}", std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
    CHECK(text("{x} {:x}", std::numeric_limits<std::uint64_t>::max(), 255) ==
          "ffffffffffffffff ff");
    CHECK(text("{x}", -255) == "-ff");
    CHECK(text("{}", std::uint8_t{65}) == "65");
    CHECK(text("{}", static_cast<signed char>(-3)) == "-3");
}

TEST_CASE("width, zero fill and alignment") {
    CHECK(text("[{5}]", 42) == "[   42]");
    CHECK(text("[{<5}]", 42) == "[42   ]");
    CHECK(text("[{05}]", 42) == "[00042]");
    CHECK(text("[{:05}]", -42) == "[-0042]");
    CHECK(text("[{016x}]", 0xabcU) == "[0000000000000abc]");
    CHECK(text("[{2}]", 12345) == "[12345]");
    CHECK(text("[{5}]", "ab") == "[ab   ]");
    CHECK(text("[{>5}]", "ab") == "[   ab]");
    CHECK(text("[{05}]", "ab") == "[ab   ]");
    CHECK(text("[{<05}]", 7) == "[7    ]");
    CHECK(text("{100}", 1) == std::string(99, ' ') + "1");
}

TEST_CASE("text, characters, truth, words and addresses") {
    const char* none = nullptr;
    char buffer[] = "buffer";
    CHECK(text("{}{}{}", std::string_view("a"), 'b', "c") == "abc");
    CHECK(text("[{3}]", 'b') == "[b  ]");
    CHECK(text("{} {} {}", std::string_view(), none, buffer) == " (null) buffer");
    CHECK(text("{} {}", true, false) == "true false");
    CHECK(text("{}", abi::Error::no_memory) == "out of memory");
    CHECK(text("{} {}", Colour::red, Colour::green) == "red green");
    CHECK(text("{}", Version{7}) == "7");
    CHECK(text("{} {016}", VirtAddr{0xffff800000000000}, PhysAddr{0x1000}) ==
          "ffff800000000000 0000000000001000");
    CHECK(text("{}", PageCount{12}) == "12");
    CHECK(text("{}", reinterpret_cast<void*>(0x1234)) == "1234");
    CHECK(text("{}", static_cast<int*>(nullptr)) == "0");
    CHECK(text("{{{}}}", 1) == "{1}");
}

TEST_CASE("mistakes in a run-time text are visible, never undefined") {
    const lib::FormatArgument two[] = {1, "b"};
    CHECK(run_time("{} {} {}", two) == "1 b {missing}");
    CHECK(run_time("{}", two) == "1{extra}");
    CHECK(run_time("{q} {} {}", two) == "{bad}q{bad} 1 b");
    CHECK(run_time("{", {}) == "{bad}");
    CHECK(run_time("}", {}) == "{bad}");
    CHECK(run_time("{:", {}) == "{bad}:");
    CHECK(run_time("{99999}", two).starts_with("{bad}"));
    CHECK(run_time("", {}).empty());
}

TEST_CASE("fixed text cuts off and remembers") {
    lib::FixedText<8> fixed;
    fixed.format("{}", 1234);
    CHECK(fixed.view() == "1234");
    CHECK_FALSE(fixed.truncated());
    fixed.append("5678");
    CHECK(fixed.view() == "12345678");
    CHECK_FALSE(fixed.truncated());
    fixed.format("{}", 9);
    CHECK(fixed.view() == "12345678");
    CHECK(fixed.truncated());
    fixed.clear();
    CHECK(fixed.view().empty());
    CHECK_FALSE(fixed.truncated());
}
