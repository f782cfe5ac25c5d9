// SPDX-License-Identifier: MIT
// The shell: lines and programs. Built-in commands are in built_ins.cpp.
#include "user/sh/shell.hpp"

#include "lib/format.hpp"
#include "user/lib/calls.hpp"
#include "user/lib/directory.hpp"
#include "user/lib/print.hpp"
#include "user/lib/spawn.hpp"
#include "user/lib/vector.hpp"

#include <array>

namespace sh {

namespace {

constexpr std::size_t most_words = 256;
constexpr std::size_t most_commands = 64;

/// Stands for an unquoted `$?` between taking a line apart and running its commands: the status is
/// known only then. Cannot be typed.
constexpr char status_mark = '\x01';

/// Replaces `$?` outside single quotes by the mark.
void mark_status(std::string_view line, user::Text& marked) {
    bool single_quoted = false;
    bool double_quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (c == '\'' && !double_quoted) single_quoted = !single_quoted;
        if (c == '"' && !single_quoted) double_quoted = !double_quoted;
        if (c == '\\' && !single_quoted && i + 1 < line.size()) {
            marked.push(c);
            marked.push(line[++i]);
        } else if (c == '$' && !single_quoted && line.substr(i + 1).starts_with('?')) {
            marked.push(status_mark);
            ++i;
        } else {
            marked.push(c);
        }
    }
}

/// The word with the marks replaced by the status; `storage` keeps it.
std::string_view insert_status(std::string_view word, int status, user::Text& storage) {
    if (word.find(status_mark) == std::string_view::npos) return word;
    lib::FixedText<16> digits;
    digits.format("{}", status);
    for (const char c : word) {
        if (c == status_mark) {
            storage.append(digits.view());
        } else {
            storage.push(c);
        }
    }
    return storage.view();
}

} // namespace

int Shell::run_line(std::string_view line) {
    user::Text marked;
    mark_status(line, marked);
    user::Vector<char> characters;
    for (const char c : marked.view()) characters.push(c);
    std::array<std::string_view, most_words> words;
    std::array<lib::ShellCommand, most_commands> commands;
    const auto parsed = lib::parse_shell_line(
        marked.view(), {.characters = characters.span(), .words = words, .commands = commands});
    if (parsed.error != lib::ShellError::none) {
        user::print("sh: {} (at character {})\n", parsed.error, parsed.error_offset + 1);
        finish(user::status_usage);
        return status_;
    }
    interrupted_ = false;
    run_commands(parsed.commands);
    return status_;
}

void Shell::finish(int status) {
    status_ = status;
    if (first_failure_ == 0) first_failure_ = status;
}

void Shell::run_commands(std::span<const lib::ShellCommand> commands) {
    for (const lib::ShellCommand& command : commands) {
        std::array<std::string_view, most_words> words;
        std::array<user::Text, 8> storage;
        std::size_t stored = 0;
        for (std::size_t i = 0; i < command.words.size(); ++i) {
            words[i] = command.words[i];
            if (stored == storage.size()) continue;
            words[i] = insert_status(command.words[i], status_, storage[stored]);
            if (!storage[stored].view().empty()) ++stored;
        }
        finish(run_command(std::span(words).first(command.words.size()), command.background));
        if (interrupted_ || exit_status_) return;
    }
}

int Shell::run_command(Words words, bool background) {
    if (!background || words[0] == "limit") {
        if (const auto status = run_built_in(words, background)) return *status;
    }
    return run_program(words, background);
}

int Shell::run_program(Words words, bool background) {
    auto process = user::spawn(
        words, {.enrolled = true, .memory_limit = limits_.memory, .handle_limit = limits_.handles});
    if (!process) {
        if (process.error() == Error::not_found) {
            user::print("sh: {}: not found\n", words[0]);
            return user::status_not_found;
        }
        const bool no_program = process.error() == Error::bad_format;
        user::print("sh: {}: {}\n", words[0],
                    no_program ? "not a program" : describe(process.error()));
        return user::status_not_runnable;
    }
    const auto info = user::process_info(process->get());
    const std::uint64_t id = info ? info->id : 0;
    if (background) {
        jobs_.add(std::move(*process), id, words[0]);
        return user::status_success;
    }
    return wait_for(words[0], *process, id);
}

int Shell::wait_for(std::string_view name, const user::OwnedHandle& process, std::uint64_t id) {
    foreground_.set(process.get());
    // Ctrl-C may have come while the program was being started.
    if (input_ != nullptr && input_->interrupt_pending()) foreground_.interrupt();
    const auto status = user::process_wait(process.get());
    foreground_.clear();
    if (const auto info = user::process_info(process.get())) processor_time_ = info->time;
    (void)user::directory::remove(id);
    if (!status) {
        user::print("sh: {}: {}\n", name, status.error());
        return user::status_failure;
    }
    if (input_ != nullptr && input_->take_interrupt()) interrupted_ = true;
    if (*status == abi::status_fault) {
        user::print("sh: {}[{}]: ended by a fault (status {})\n", name, id, *status);
    } else if (*status == abi::status_killed) {
        user::print("sh: {}[{}]: killed (status {})\n", name, id, *status);
    }
    return *status;
}

} // namespace sh
