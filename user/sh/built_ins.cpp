// SPDX-License-Identifier: MIT
// Commands that the shell itself understands.
#include "user/lib/calls.hpp"
#include "user/lib/commands.hpp"
#include "user/lib/files.hpp"
#include "user/lib/numbers.hpp"
#include "user/lib/print.hpp"
#include "user/sh/shell.hpp"

namespace sh {

namespace {

constexpr std::uint64_t poll_nanoseconds = 20'000'000;

/// Programs in bin that the table of commands does not know.
void list_other_programs() {
    const auto print_unknown = [](const user::FileName& file) {
        if (file.name == "init" || user::find_command(file.name) != nullptr) return;
        user::print("{}\n", file.name);
    };
    (void)user::list_files("/bin", print_unknown);
}

} // namespace

std::optional<int> Shell::run_built_in(Words words, bool background) {
    const user::Command* command = user::find_command(words[0]);
    if (command == nullptr || !command->built_in) return std::nullopt;
    const std::string_view name = words[0];
    const bool takes_command = name == "time" || name == "limit";
    const std::size_t most = takes_command ? user::any_number : command->arguments.empty() ? 0 : 1;
    const std::size_t least = name == "time" ? 1 : 0;
    if (const auto status = user::check_usage(words, least, most)) return status;
    if (name == "help") return built_in_help(words);
    if (name == "time") return built_in_time(words);
    if (name == "limit") return built_in_limit(words, background);
    if (name == "wait") return built_in_wait();
    if (name == "exit") return built_in_exit(words);
    if (name == "jobs") jobs_.list();
    if (name == "history" && list_history_ != nullptr) list_history_(history_context_);
    return user::status_success;
}

int Shell::built_in_help(Words words) {
    if (words.size() > 1) {
        const user::Command* command = user::find_command(words[1]);
        if (command == nullptr) {
            user::print("help: {}: no such command\n", words[1]);
            return user::status_failure;
        }
        user::print_help(*command);
        return user::status_success;
    }
    for (const user::Command& command : user::commands()) {
        lib::FixedText<64> usage;
        usage.format("{} {}", command.name, command.arguments);
        user::print("{:<28} {}\n", usage.view(), command.what);
    }
    list_other_programs();
    user::print("COMMAND ; COMMAND runs one after the other, COMMAND & in the background; $? is "
                "the last status.\n");
    return user::status_success;
}

int Shell::built_in_time(Words words) {
    processor_time_ = 0;
    const std::uint64_t begun = user::clock();
    const int status = run_command(words.subspan(1), false);
    const std::uint64_t real = (user::clock() - begun) / 1'000;
    const std::uint64_t processor = processor_time_ / 1'000;
    constexpr std::uint64_t second = 1'000'000;
    user::print("real {}.{:06} s, processor {}.{:06} s\n", real / second, real % second,
                processor / second, processor % second);
    return status;
}

int Shell::built_in_wait() {
    for (;;) {
        jobs_.report_ended();
        if (jobs_.empty()) return user::status_success;
        if (input_ != nullptr && input_->take_interrupt()) {
            interrupted_ = true;
            return user::status_interrupted;
        }
        (void)user::sleep(poll_nanoseconds);
    }
}

int Shell::built_in_exit(Words words) {
    int status = status_;
    if (words.size() > 1) {
        const auto number = user::parse_number(words[1]);
        if (!number || *number > 0x7fff'ffff) {
            user::print("exit: {}: not a status\n", words[1]);
            return user::status_usage;
        }
        status = static_cast<int>(*number);
    }
    exit_status_ = status;
    return status;
}

} // namespace sh
