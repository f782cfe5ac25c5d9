// SPDX-License-Identifier: MIT
// Type-safe text formatting into a sink: no heap, no floating point, checked when compiled.
//
//   "{" [":"] ["<" | ">"] ["0"] [width] ["x"] "}"       "{{" and "}}" are the braces themselves
//
// `<` aligns left, `>` right (numbers do so unless told otherwise), `0` fills with zeros after the
// sign, `x` is lower-case hexadecimal without 0x. Addresses and pointers are always hexadecimal.
#pragma once

#include "lib/address.hpp"

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace lib {

/// Where text goes, piece by piece: a function and its context. The context must outlive the sink.
class Sink {
public:
    using Write = void (*)(void* context, std::string_view text);

    constexpr Sink(Write write, void* context) : write_(write), context_(context) {}
    /// Any callable that takes a string_view; it is referred to, not copied.
    template <std::invocable<std::string_view> Callable>
        requires(!std::same_as<std::remove_const_t<Callable>, Sink>)
    constexpr Sink(Callable& callable)
        : write_([](void* context, std::string_view text) {
              (*static_cast<Callable*>(context))(text);
          }),
          context_(&callable) {}

    void operator()(std::string_view text) const { write_(context_, text); }

private:
    Write write_;
    void* context_;
};

/// What stands between the braces of a placeholder.
struct FormatSpec {
    std::size_t width = 0;
    bool zero_fill = false;
    bool hexadecimal = false;
    enum class Align : std::uint8_t { natural, left, right } align = Align::natural;
};

/// Reads a placeholder that begins after its `{`. Yields the characters taken, `}` included, or 0
/// when it is malformed.
constexpr std::size_t parse_placeholder(std::string_view text, FormatSpec& spec) {
    std::size_t at = 0;
    auto accept = [&](char c) { return at < text.size() && text[at] == c && (++at, true); };
    accept(':');
    if (accept('<')) {
        spec.align = FormatSpec::Align::left;
    } else if (accept('>')) {
        spec.align = FormatSpec::Align::right;
    }
    spec.zero_fill = accept('0');
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
        spec.width = spec.width * 10 + static_cast<std::size_t>(text[at] - '0');
        if (spec.width > 999) return 0;
    }
    spec.hexadecimal = accept('x');
    return accept('}') ? at : 0;
}

/// One argument, its type reduced to what formatting tells apart. A type of your own joins in with
/// `describe(value)`, which yields words, or `format_argument(value)`, both found beside the type.
struct FormatArgument {
    enum class Kind : std::uint8_t { natural, integer, address, text };

    constexpr FormatArgument(bool value) : text(value ? "true" : "false"), kind(Kind::text) {}
    constexpr FormatArgument(char value) : character(value), kind(Kind::text) {}
    template <std::unsigned_integral T>
    constexpr FormatArgument(T value) : number(value), kind(Kind::natural) {}
    template <std::signed_integral T>
    constexpr FormatArgument(T value)
        : number(static_cast<std::uint64_t>(static_cast<std::int64_t>(value))),
          kind(Kind::integer) {}
    constexpr FormatArgument(std::string_view value) : text(value), kind(Kind::text) {}
    constexpr FormatArgument(const char* value)
        : text(value != nullptr ? value : "(null)"), kind(Kind::text) {}
    constexpr FormatArgument(char* value) : FormatArgument(static_cast<const char*>(value)) {}
    constexpr FormatArgument(VirtAddr value) : number(value.value), kind(Kind::address) {}
    constexpr FormatArgument(PhysAddr value) : number(value.value), kind(Kind::address) {}
    constexpr FormatArgument(PageCount value) : number(value.value), kind(Kind::natural) {}
    template <typename T>
    FormatArgument(T* value)
        : number(reinterpret_cast<std::uintptr_t>(value)), kind(Kind::address) {}
    template <typename T>
        requires requires(const T& value) {
            { describe(value) } -> std::convertible_to<std::string_view>;
        }
    constexpr FormatArgument(const T& value) : text(describe(value)), kind(Kind::text) {}
    template <typename T>
        requires requires(const T& value) {
            { format_argument(value) } -> std::same_as<FormatArgument>;
        }
    constexpr FormatArgument(const T& value) : FormatArgument(format_argument(value)) {}

    std::uint64_t number = 0;
    std::string_view text;
    char character = 0; // a text of one character, when `text` has no data
    Kind kind;
};

/// Formats with a text known only at run time. A placeholder without an argument prints
/// `{missing}`, a malformed one `{bad}`, an argument without a placeholder `{extra}`.
void format_arguments(Sink sink, std::string_view text, std::span<const FormatArgument> arguments);

/// Not constant, so that reaching it stops the compiler: placeholders and arguments differ.
void format_text_does_not_fit_its_arguments();

/// A format text whose placeholders were counted against the arguments by the compiler.
template <typename... Arguments>
struct FormatText {
    template <std::convertible_to<std::string_view> T>
    consteval FormatText(const T& value) : text(value) {
        std::size_t placeholders = 0;
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (text[i] != '{' && text[i] != '}') continue;
            if (i + 1 < text.size() && text[i + 1] == text[i]) {
                ++i;
                continue;
            }
            FormatSpec spec;
            const std::size_t taken =
                text[i] == '{' ? parse_placeholder(text.substr(i + 1), spec) : 0;
            if (taken == 0) format_text_does_not_fit_its_arguments();
            i += taken;
            ++placeholders;
        }
        if (placeholders != sizeof...(Arguments)) format_text_does_not_fit_its_arguments();
    }
    std::string_view text;
};

/// Formats into `sink`; the placeholders are checked when compiled.
template <typename... Arguments>
void format(Sink sink, FormatText<std::type_identity_t<Arguments>...> text,
            const Arguments&... arguments) {
    const std::array<FormatArgument, sizeof...(Arguments)> list{FormatArgument(arguments)...};
    format_arguments(sink, text.text, list);
}

/// Writes into memory that the caller gives; what doesn't fit is cut off and remembered.
class TextWriter {
public:
    constexpr explicit TextWriter(std::span<char> storage) : storage_(storage) {}
    TextWriter(const TextWriter&) = delete;
    TextWriter& operator=(const TextWriter&) = delete;

    void append(std::string_view text);
    template <typename... Arguments>
    void format(FormatText<std::type_identity_t<Arguments>...> text,
                const Arguments&... arguments) {
        lib::format(sink(), text, arguments...);
    }
    constexpr void clear() {
        size_ = 0;
        truncated_ = false;
    }
    constexpr std::string_view view() const { return {storage_.data(), size_}; }
    constexpr bool truncated() const { return truncated_; }
    Sink sink();

private:
    std::span<char> storage_;
    std::size_t size_ = 0;
    bool truncated_ = false;
};

/// A TextWriter with N bytes of its own.
template <std::size_t N>
class FixedText : public TextWriter {
public:
    constexpr FixedText() : TextWriter(std::span<char>(bytes_, N)) {}

private:
    char bytes_[N] = {};
};

} // namespace lib
