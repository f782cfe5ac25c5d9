// SPDX-License-Identifier: MIT
// UTF-8: every code point round-trips; every kind of mistake gives U+FFFD and loses nothing else.
#include "lib/utf8.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

std::u32string stream(std::string_view text) {
    lib::Utf8Decoder decoder;
    std::u32string out;
    for (const char c : text) {
        const auto step = decoder.push(static_cast<unsigned char>(c));
        out.append(step.code_points.data(), step.count);
    }
    if (decoder.finish()) out += lib::replacement_character;
    return out;
}

std::u32string whole(std::string_view text) {
    std::u32string out;
    while (!text.empty()) out += lib::take_code_point(text);
    return out;
}

} // namespace

TEST_CASE("every scalar value round-trips, everything else encodes U+FFFD") {
    std::size_t wrong = 0;
    for (char32_t c = 0; c <= 0x110010; ++c) {
        const bool scalar = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
        const auto bytes = lib::encode_utf8(c);
        std::string_view text = bytes.view();
        if (lib::take_code_point(text) != (scalar ? c : lib::replacement_character)) ++wrong;
        if (!text.empty()) ++wrong;
    }
    CHECK(wrong == 0);
    CHECK(lib::encode_utf8(U'€').view() == "\xE2\x82\xAC");
}

TEST_CASE("mistakes become U+FFFD and the next character is kept") {
    struct Case {
        std::string_view bytes;
        std::u32string_view expected;
    };
    const Case cases[] = {
        {"a\x80z", U"a\uFFFDz"},                 // lone continuation
        {"\xC0\xAF", U"\uFFFD\uFFFD"},           // overlong, 2 bytes
        {"\xC1\xBFx", U"\uFFFD\uFFFDx"},         //
        {"\xE0\x80\xAF", U"\uFFFD\uFFFD\uFFFD"}, // overlong, 3 bytes
        {"\xF0\x8F\xBF\xBF", U"\uFFFD\uFFFD\uFFFD\uFFFD"},
        {"\xED\xA0\x80", U"\uFFFD\uFFFD\uFFFD"},           // surrogate
        {"\xED\x9F\xBF", U"\uD7FF"},                       // the last before them
        {"\xF4\x90\x80\x80", U"\uFFFD\uFFFD\uFFFD\uFFFD"}, // beyond U+10FFFF
        {"\xF5\xFE\xFF", U"\uFFFD\uFFFD\uFFFD"},           // never valid
        {"\xE2\x82", U"\uFFFD"},                           // cut at the end
        {"\xE2\x82z", U"\uFFFDz"},                         // cut by a letter
        {"\xE2\xE2\x82\xAC", U"\uFFFD€"},                  // cut by another beginning
        {"\xF0\x9F\x98\xC3\xA9", U"\uFFFDé"},              //
        {"\xF0\x9F\x98\xFFq", U"\uFFFD\uFFFDq"},           // cut by a wrong byte
        {"", U""},
    };
    for (const Case& c : cases) {
        CAPTURE(std::string(c.bytes));
        CHECK(stream(c.bytes) == c.expected);
        CHECK(whole(c.bytes) == c.expected);
        CHECK(lib::count_code_points(c.bytes) == c.expected.size());
    }
}

TEST_CASE("every pair of bytes: stream and whole text agree, and all input is consumed") {
    std::size_t different = 0;
    for (unsigned a = 0; a < 256; ++a) {
        for (unsigned b = 0; b < 256; ++b) {
            const char bytes[] = {static_cast<char>(a), static_cast<char>(b), 'x'};
            const std::string_view text(bytes, 3);
            if (stream(text) != whole(text) || whole(text).back() != U'x') ++different;
        }
    }
    // A two- or three-byte beginning eats no letter, so the x always survives.
    CHECK(different == 0);
}
