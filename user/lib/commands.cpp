// SPDX-License-Identifier: MIT
// The table of commands.
#include "user/lib/commands.hpp"

#include "user/lib/print.hpp"

namespace user {

namespace {

constexpr Command table[] = {
#define BUILT_IN(name, arguments, what) {name, arguments, what, true},
#define COMMAND(name, arguments, what) {name, arguments, what, false},
#include "user/lib/commands.def"
#undef COMMAND
#undef BUILT_IN
};

} // namespace

std::span<const Command> commands() { return table; }

const Command* find_command(std::string_view name) {
    for (const Command& command : table) {
        if (command.name == name) return &command;
    }
    return nullptr;
}

void print_usage(std::string_view name) {
    const Command* command = find_command(name);
    print("usage: {} {}\n", name, command != nullptr ? command->arguments : "");
}

void print_help(const Command& command) {
    print_usage(command.name);
    print("{} {}.\n", command.name, command.what);
}

std::optional<int> check_usage(Arguments arguments, std::size_t least, std::size_t most) {
    const std::string_view path = arguments.empty() ? "?" : arguments[0];
    const std::string_view name = path.substr(path.rfind('/') + 1);
    if (arguments.size() == 2 && arguments[1] == "--help") {
        if (const Command* command = find_command(name)) print_help(*command);
        return status_success;
    }
    const std::size_t words = arguments.empty() ? 0 : arguments.size() - 1;
    if (words >= least && words <= most) return std::nullopt;
    print("{}: {}\n", name, words < least ? "a word is missing" : "too many words");
    print_usage(name);
    return status_usage;
}

} // namespace user
