// SPDX-License-Identifier: MIT
// The shell's line parser: quoting, separators, comments, limits.
#include "lib/shell_words.hpp"

#include <doctest/doctest.h>

#include <array>
#include <random>
#include <string>

using lib::ShellError;

namespace {

/// Words in [ ], commands ended by ; or &.
std::string parsed(std::string_view line, std::size_t characters = 100, std::size_t words = 10,
                   std::size_t commands = 4) {
    std::array<char, 100> text;
    std::array<std::string_view, 10> word_storage;
    std::array<lib::ShellCommand, 4> command_storage;
    const lib::ShellLine result = lib::parse_shell_line(
        line, {std::span(text).first(characters), std::span(word_storage).first(words),
               std::span(command_storage).first(commands)});
    if (result.error != ShellError::none) {
        return std::string(lib::describe(result.error)) + " @" +
               std::to_string(result.error_offset);
    }
    std::string out;
    for (const auto& command : result.commands) {
        REQUIRE(!command.words.empty());
        for (const auto word : command.words) out += "[" + std::string(word) + "]";
        out += command.background ? "&" : ";";
    }
    return out;
}

} // namespace

TEST_CASE("words and commands") {
    CHECK(parsed("") == "");
    CHECK(parsed("  \t ") == "");
    CHECK(parsed("ls") == "[ls];");
    CHECK(parsed("  cat  a\tb ") == "[cat][a][b];");
    CHECK(parsed("a;b c;") == "[a];[b][c];");
    CHECK(parsed("a & b&") == "[a]&[b]&");
    CHECK(parsed("a ; b & c") == "[a];[b]&[c];");
}

TEST_CASE("quoting") {
    CHECK(parsed("echo 'a  b;&#\\\"'") == "[echo][a  b;&#\\\"];");
    CHECK(parsed("echo \"a  b;&#'\"") == "[echo][a  b;&#'];");
    CHECK(parsed(R"(echo "\"\\\$\`\n\a")") == R"([echo]["\$`\n\a];)");
    CHECK(parsed(R"(echo a\ b \; \# \' \\)") == R"([echo][a b][;][#]['][\];)");
    CHECK(parsed("echo '' \"\" ''\"\"") == "[echo][][][];");
    CHECK(parsed("a'b'\"c\"d") == "[abcd];");
    CHECK(parsed("''") == "[];");
    CHECK(parsed("echo 'ä€'") == "[echo][ä€];");
}

TEST_CASE("comments begin where a word may begin") {
    CHECK(parsed("# all") == "");
    CHECK(parsed("a # b; c") == "[a];");
    CHECK(parsed("a#b") == "[a#b];");
    CHECK(parsed("a;#b") == "[a];");
    CHECK(parsed("a '#' b") == "[a][#][b];");
}

TEST_CASE("errors and where") {
    CHECK(parsed("echo 'a") == "a quote is not closed @5");
    CHECK(parsed("echo \"a") == "a quote is not closed @5");
    CHECK(parsed("echo \"a\\\"") == "a quote is not closed @5");
    CHECK(parsed("'") == "a quote is not closed @0");
    CHECK(parsed("a \\") == "nothing follows the backslash @2");
    CHECK(parsed(";") == "a command is missing before ; or & @0");
    CHECK(parsed("a;;b") == "a command is missing before ; or & @2");
    CHECK(parsed("a & ; b") == "a command is missing before ; or & @4");
}

TEST_CASE("limits") {
    CHECK(parsed("abc", 3) == "[abc];");
    CHECK(parsed("abcd", 3) == "the line is too long @3");
    CHECK(parsed("'abcd'", 3) == "the line is too long @4");
    CHECK(parsed("\"abcd\"", 3) == "the line is too long @4");
    CHECK(parsed("a b c", 100, 3) == "[a][b][c];");
    CHECK(parsed("a b c d", 100, 3) == "too many words @6");
    CHECK(parsed("a;b", 100, 10, 2) == "[a];[b];");
    CHECK(parsed("a;b;c", 100, 10, 2) == "too many commands @5");
    CHECK(parsed("a", 0, 0, 0) == "the line is too long @0");
}

TEST_CASE("random lines: never out of bounds, and quoting what came out gives it again") {
    std::mt19937 random(7);
    static constexpr std::string_view alphabet = "ab  '\"\\;&#$";
    for (unsigned round = 0; round < 20000; ++round) {
        std::string line;
        for (auto n = random() % 12; n > 0; --n) line += alphabet[random() % alphabet.size()];
        std::array<char, 100> text;
        std::array<std::string_view, 10> words;
        std::array<lib::ShellCommand, 10> commands;
        const auto result = lib::parse_shell_line(line, {text, words, commands});
        if (result.error != ShellError::none) continue;
        std::string quoted;
        for (const auto& command : result.commands) {
            for (const auto word : command.words) {
                quoted += "\"";
                for (const char c : word) {
                    if (c == '"' || c == '\\' || c == '$') quoted += '\\';
                    quoted += c;
                }
                quoted += "\" ";
            }
            quoted += command.background ? "& " : "; ";
        }
        REQUIRE(parsed(quoted, 100, 10, 4) == parsed(line, 100, 10, 4));
    }
}
