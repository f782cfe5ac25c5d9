// SPDX-License-Identifier: MIT
// UTF-8, strictly: overlong forms, surrogates and truncation become U+FFFD (Unicode §3.9, D92).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lib {

inline constexpr char32_t replacement_character = 0xFFFD;

/// Decodes a stream byte by byte. One U+FFFD stands for each maximal wrong part, so the bytes that
/// follow a mistake are read afresh (as the Unicode standard recommends).
class Utf8Decoder {
public:
    /// What one byte completed: nothing, a code point, or U+FFFD and then a code point.
    struct Step {
        std::array<char32_t, 2> code_points{};
        std::size_t count = 0;
    };

    [[nodiscard]] constexpr Step push(unsigned char byte);
    /// The stream ends: true when it ended inside a character, which then counts as U+FFFD.
    [[nodiscard]] constexpr bool finish() {
        const bool inside = missing_ != 0;
        missing_ = 0;
        return inside;
    }
    /// A character has begun and is not complete.
    constexpr bool inside() const { return missing_ != 0; }

private:
    constexpr bool begin(unsigned char byte);

    char32_t value_ = 0;
    unsigned missing_ = 0;      // continuation bytes still to come
    unsigned char lowest_ = 0;  // bounds of the next continuation byte:
    unsigned char highest_ = 0; // they exclude overlong forms, surrogates, > U+10FFFF
};

/// Takes the first character off `text`, which must not be empty.
[[nodiscard]] char32_t take_code_point(std::string_view& text);

/// A code point's bytes.
struct Utf8Bytes {
    std::array<char, 4> bytes{};
    std::size_t count = 0;
    constexpr std::string_view view() const { return {bytes.data(), count}; }
};

/// Encodes; what is no scalar value (surrogates, beyond U+10FFFF) is encoded as U+FFFD.
[[nodiscard]] constexpr Utf8Bytes encode_utf8(char32_t c) {
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) c = replacement_character;
    auto tail = [c](unsigned shift) { return static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
    if (c < 0x80) return {{static_cast<char>(c)}, 1};
    if (c < 0x800) return {{static_cast<char>(0xC0 | (c >> 6)), tail(0)}, 2};
    if (c < 0x10000) return {{static_cast<char>(0xE0 | (c >> 12)), tail(6), tail(0)}, 3};
    return {{static_cast<char>(0xF0 | (c >> 18)), tail(12), tail(6), tail(0)}, 4};
}

/// The cells of a terminal that a character takes: 1, or 0 for marks that join the one before
/// them, which are not shown. (East Asian wide characters have no glyphs here, and take 1.)
[[nodiscard]] constexpr unsigned cells_of(char32_t c) {
    const bool joins = (c >= 0x0300 && c <= 0x036F) || (c >= 0x200B && c <= 0x200F) ||
                       c == 0x2060 || (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF;
    return joins ? 0 : 1;
}

/// The number of code points in `text`, each wrong part counted as one.
[[nodiscard]] std::size_t count_code_points(std::string_view text);

constexpr bool Utf8Decoder::begin(unsigned char byte) {
    lowest_ = 0x80;
    highest_ = 0xBF;
    if (byte >= 0xC2 && byte <= 0xDF) {
        missing_ = 1;
        value_ = byte & 0x1FU;
    } else if (byte >= 0xE0 && byte <= 0xEF) {
        missing_ = 2;
        value_ = byte & 0x0FU;
        if (byte == 0xE0) lowest_ = 0xA0;  // below: overlong
        if (byte == 0xED) highest_ = 0x9F; // above: surrogates
    } else if (byte >= 0xF0 && byte <= 0xF4) {
        missing_ = 3;
        value_ = byte & 0x07U;
        if (byte == 0xF0) lowest_ = 0x90;  // below: overlong
        if (byte == 0xF4) highest_ = 0x8F; // above: beyond U+10FFFF
    } else {
        return false;
    }
    return true;
}

constexpr Utf8Decoder::Step Utf8Decoder::push(unsigned char byte) {
    Step step;
    auto emit = [&step](char32_t c) { step.code_points[step.count++] = c; };
    if (missing_ != 0) {
        if (byte >= lowest_ && byte <= highest_) {
            lowest_ = 0x80;
            highest_ = 0xBF;
            value_ = (value_ << 6) | (byte & 0x3FU);
            if (--missing_ == 0) emit(value_);
            return step;
        }
        missing_ = 0;
        emit(replacement_character);
    }
    if (byte < 0x80) {
        emit(byte);
    } else if (!begin(byte)) {
        emit(replacement_character);
    }
    return step;
}

} // namespace lib
