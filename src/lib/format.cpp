// SPDX-License-Identifier: MIT
// Type-safe text formatting: the part that knows no types.
#include "lib/format.hpp"

#include <algorithm>

namespace lib {
namespace {

constexpr std::string_view blanks = "                                ";
constexpr std::string_view zeros = "00000000000000000000000000000000";

void fill(Sink sink, std::string_view pattern, std::size_t count) {
    while (count > 0) {
        const std::size_t piece = std::min(count, pattern.size());
        sink(pattern.substr(0, piece));
        count -= piece;
    }
}

/// Prints `sign` and `body` in a field of `spec.width` columns. Width counts bytes.
void print_field(Sink sink, std::string_view sign, std::string_view body, const FormatSpec& spec,
                 bool is_number) {
    const std::size_t length = sign.size() + body.size();
    const std::size_t padding = spec.width > length ? spec.width - length : 0;
    const bool left = spec.align == FormatSpec::Align::left ||
                      (spec.align == FormatSpec::Align::natural && !is_number);
    const bool zero_fill = spec.zero_fill && is_number && !left;
    if (!left && !zero_fill) fill(sink, blanks, padding);
    if (!sign.empty()) sink(sign);
    if (zero_fill) fill(sink, zeros, padding);
    if (!body.empty()) sink(body);
    if (left) fill(sink, blanks, padding);
}

void print_number(Sink sink, std::uint64_t magnitude, bool negative, const FormatSpec& spec,
                  unsigned base) {
    std::array<char, 20> digits; // 2^64 - 1 has 20 decimal digits
    std::size_t first = digits.size();
    do {
        digits[--first] = "0123456789abcdef"[magnitude % base];
        magnitude /= base;
    } while (magnitude != 0);
    print_field(sink, negative ? "-" : "", {&digits[first], digits.size() - first}, spec, true);
}

void print(Sink sink, const FormatArgument& argument, const FormatSpec& spec) {
    const unsigned base = spec.hexadecimal ? 16 : 10;
    switch (argument.kind) {
    case FormatArgument::Kind::natural:
        print_number(sink, argument.number, false, spec, base);
        break;
    case FormatArgument::Kind::integer: {
        const bool negative = static_cast<std::int64_t>(argument.number) < 0;
        print_number(sink, negative ? 0 - argument.number : argument.number, negative, spec, base);
        break;
    }
    case FormatArgument::Kind::address: print_number(sink, argument.number, false, spec, 16); break;
    case FormatArgument::Kind::text: {
        const bool is_character = argument.text.data() == nullptr && argument.character != 0;
        print_field(sink, "",
                    is_character ? std::string_view(&argument.character, 1) : argument.text, spec,
                    false);
        break;
    }
    }
}

} // namespace

void format_arguments(Sink sink, std::string_view text, std::span<const FormatArgument> arguments) {
    std::size_t next = 0;
    while (!text.empty()) {
        const std::size_t literal = std::min(text.find_first_of("{}"), text.size());
        if (literal != 0) {
            sink(text.substr(0, literal));
            text.remove_prefix(literal);
            continue;
        }
        if (text.size() > 1 && text[1] == text[0]) {
            sink(text.substr(0, 1));
            text.remove_prefix(2);
            continue;
        }
        FormatSpec spec;
        const std::size_t taken =
            text[0] == '{' ? parse_placeholder(text.substr(1), spec) : std::size_t{0};
        text.remove_prefix(1 + taken);
        if (taken == 0) {
            sink("{bad}");
        } else if (next == arguments.size()) {
            sink("{missing}");
        } else {
            print(sink, arguments[next++], spec);
        }
    }
    for (; next < arguments.size(); ++next) sink("{extra}");
}

void format_text_does_not_fit_its_arguments() {}

void TextWriter::append(std::string_view text) {
    const std::size_t room = storage_.size() - size_;
    const std::size_t count = std::min(room, text.size());
    std::copy_n(text.begin(), count, storage_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += count;
    truncated_ = truncated_ || count < text.size();
}

Sink TextWriter::sink() {
    return {[](void* context, std::string_view text) {
                static_cast<TextWriter*>(context)->append(text);
            },
            this};
}

} // namespace lib
