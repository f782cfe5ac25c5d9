// SPDX-License-Identifier: MIT
// The shell: takes lines apart and runs the commands in them.
#pragma once

#include "lib/shell_words.hpp"
#include "user/lib/program.hpp"
#include "user/sh/input.hpp"
#include "user/sh/jobs.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace sh {

/// What the programs that it starts are held to: pages and handles; 0: as much as the shell itself.
struct Limits {
    std::uint64_t memory = 0;
    std::uint64_t handles = 0;
};

/// Lists the lines typed before: the prompt knows them.
using ListHistory = void (*)(void* context);

class Shell {
public:
    Shell(Foreground& foreground, const Limits& limits)
        : foreground_(foreground), limits_(limits) {}

    /// Runs a line; gives the status of its last command. `status` and `first_failure` follow.
    int run_line(std::string_view line);
    int status() const { return status_; }
    /// The status of the first command of any line that failed; 0 if none did.
    int first_failure() const { return first_failure_; }
    /// The status to end with, once `exit` was said.
    std::optional<int> exit_status() const { return exit_status_; }

    void report_ended_jobs() { jobs_.report_ended(); }
    void set_input(Input& input) { input_ = &input; }
    void set_history(ListHistory list, void* context) {
        list_history_ = list;
        history_context_ = context;
    }

private:
    using Words = std::span<const std::string_view>;

    void finish(int status);
    void run_commands(std::span<const lib::ShellCommand> commands);
    int run_command(Words words, bool background);
    std::optional<int> run_built_in(Words words, bool background);
    int run_program(Words words, bool background);
    int wait_for(std::string_view name, const user::OwnedHandle& process, std::uint64_t id);

    int built_in_help(Words words);
    int built_in_time(Words words);
    int built_in_limit(Words words, bool background);
    int built_in_wait();
    int built_in_exit(Words words);

    Foreground& foreground_;
    Limits limits_;
    Input* input_ = nullptr; ///< none: nobody types
    Jobs jobs_;
    int status_ = 0;
    int first_failure_ = 0;
    std::uint64_t processor_time_ = 0; ///< nanoseconds that the last program used
    bool interrupted_ = false;         ///< the rest of the line is dropped
    std::optional<int> exit_status_;
    ListHistory list_history_ = nullptr;
    void* history_context_ = nullptr;
};

} // namespace sh
