// SPDX-License-Identifier: MIT
// The shell's line parser.
#include "lib/shell_words.hpp"

#include "lib/strings.hpp"

namespace lib {
namespace {

class Parser {
public:
    Parser(std::string_view line, const ShellStorage& storage) : line_(line), storage_(storage) {}

    ShellLine parse() {
        while (error_ == ShellError::none && at_ < line_.size()) step();
        if (error_ == ShellError::none) end_command(false);
        if (error_ != ShellError::none) return {{}, error_, error_offset_};
        return {storage_.commands.first(commands_), ShellError::none, 0};
    }

private:
    void step() {
        const char c = line_[at_];
        if (is_blank(c)) {
            ++at_;
        } else if (c == '#') {
            while (at_ < line_.size() && line_[at_] != '\n') ++at_;
        } else if (c == ';' || c == '&') {
            if (words_ == first_word_) {
                fail(ShellError::empty_command, at_);
                return;
            }
            end_command(c == '&');
            ++at_;
        } else {
            word();
        }
    }

    void word() {
        const std::size_t start = characters_;
        const std::size_t begin = at_;
        while (error_ == ShellError::none && at_ < line_.size()) {
            const char c = line_[at_];
            if (is_blank(c) || c == ';' || c == '&') break;
            if (c == '\'') {
                single_quoted();
            } else if (c == '"') {
                double_quoted();
            } else if (c == '\\') {
                if (at_ + 1 == line_.size()) return fail(ShellError::nothing_after_backslash, at_);
                put(line_[at_ + 1]);
                at_ += 2;
            } else {
                put(c);
                ++at_;
            }
        }
        if (error_ != ShellError::none) return;
        if (words_ == storage_.words.size()) return fail(ShellError::too_many_words, begin);
        storage_.words[words_++] = {storage_.characters.data() + start, characters_ - start};
    }

    void single_quoted() {
        const std::size_t opening = at_++;
        for (; at_ < line_.size() && line_[at_] != '\''; ++at_) put(line_[at_]);
        close(opening);
    }

    void double_quoted() {
        const std::size_t opening = at_++;
        while (at_ < line_.size() && line_[at_] != '"') {
            const char next = at_ + 1 < line_.size() ? line_[at_ + 1] : '\0';
            const bool escaped = next == '"' || next == '\\' || next == '$' || next == '`';
            if (line_[at_] == '\\' && escaped) ++at_;
            put(line_[at_]);
            ++at_;
        }
        close(opening);
    }

    void close(std::size_t opening) {
        if (at_ == line_.size()) return fail(ShellError::unterminated_quote, opening);
        ++at_;
    }

    void put(char c) {
        if (characters_ == storage_.characters.size()) return fail(ShellError::line_too_long, at_);
        storage_.characters[characters_++] = c;
    }

    void end_command(bool background) {
        if (words_ == first_word_) return;
        if (commands_ == storage_.commands.size()) return fail(ShellError::too_many_commands, at_);
        storage_.commands[commands_++] = {storage_.words.subspan(first_word_, words_ - first_word_),
                                          background};
        first_word_ = words_;
    }

    /// The first reason counts.
    void fail(ShellError error, std::size_t offset) {
        if (error_ != ShellError::none) return;
        error_ = error;
        error_offset_ = offset;
    }

    std::string_view line_;
    ShellStorage storage_;
    std::size_t at_ = 0;
    std::size_t characters_ = 0; // used of the storage
    std::size_t words_ = 0;
    std::size_t commands_ = 0;
    std::size_t first_word_ = 0; // of the command being read
    ShellError error_ = ShellError::none;
    std::size_t error_offset_ = 0;
};

} // namespace

ShellLine parse_shell_line(std::string_view line, const ShellStorage& storage) {
    return Parser(line, storage).parse();
}

const char* describe(ShellError error) {
    switch (error) {
#define TABULA_SHELL_WORDS(name, words)                                                            \
    case ShellError::name: return words;
        TABULA_SHELL_ERRORS(TABULA_SHELL_WORDS)
#undef TABULA_SHELL_WORDS
    }
    return "unknown shell error";
}

} // namespace lib
