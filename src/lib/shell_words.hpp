// SPDX-License-Identifier: MIT
// The shell's line parser: quoting, separators, comments, into storage that the caller gives.
//
//   'as it is'   "as it is, but \" \\ \$ \`"   \x: x itself   # comment, where a word may begin
//   ;  runs the command before it and waits     &  runs it without waiting
#pragma once

#include "abi/error.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace lib {

/// Why a line is refused.
#define TABULA_SHELL_ERRORS(X)                                                                     \
    X(none, "no error")                                                                            \
    X(unterminated_quote, "a quote is not closed")                                                 \
    X(nothing_after_backslash, "nothing follows the backslash")                                    \
    X(empty_command, "a command is missing before ; or &")                                         \
    X(too_many_words, "too many words")                                                            \
    X(too_many_commands, "too many commands")                                                      \
    X(line_too_long, "the line is too long")

enum class ShellError : std::uint8_t {
#define TABULA_SHELL_ENUMERATOR(name, words) name,
    TABULA_SHELL_ERRORS(TABULA_SHELL_ENUMERATOR)
#undef TABULA_SHELL_ENUMERATOR
};

/// The reason in words.
const char* describe(ShellError error);

struct ShellCommand {
    std::span<const std::string_view> words; // at least one; words may be empty, as '' is
    bool background = false;                 // ended by &
};

/// What a line is taken apart into. Characters: never more than the line has; words: each one.
struct ShellStorage {
    std::span<char> characters;
    std::span<std::string_view> words;
    std::span<ShellCommand> commands;
};

struct ShellLine {
    std::span<const ShellCommand> commands; // valid when error is none
    ShellError error = ShellError::none;
    std::size_t error_offset = 0; // where in the line, in bytes
};

/// Takes a line apart. The result lies in `storage`, not in `line`.
[[nodiscard]] ShellLine parse_shell_line(std::string_view line, const ShellStorage& storage);

} // namespace lib
