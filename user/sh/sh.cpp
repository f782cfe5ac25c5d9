// SPDX-License-Identifier: MIT
// sh: the shell. `sh` talks to a person; `sh -c LINE` runs a line and ends with the status of its
// last command; `sh --run LINE` with that of the first command that failed.
#include "user/lib/calls.hpp"
#include "user/lib/commands.hpp"
#include "user/lib/limits.hpp"
#include "user/lib/print.hpp"
#include "user/sh/prompt.hpp"
#include "user/sh/shell.hpp"

namespace {

sh::Foreground foreground;
sh::Input input(foreground);

/// The programs that it starts may write to the console, but what is typed comes here.
void keep_input_from_programs() {
    const auto write_only =
        user::handle_duplicate(user::handles.console, abi::right_send | abi::right_duplicate);
    if (write_only) user::handles.console = *write_only;
}

int run_given_line(sh::Shell& shell, std::string_view option, std::string_view line,
                   abi::Handle console) {
    // Ctrl-C works here too, where this shell may read at all.
    if (input.start(console)) shell.set_input(input);
    const int last = shell.run_line(line);
    if (shell.exit_status()) return *shell.exit_status();
    return option == "--run" ? shell.first_failure() : last;
}

} // namespace

int user::main(Arguments arguments) {
    sh::Shell shell(foreground, {.memory = memory_limit_within(shell_reserve)});
    const abi::Handle console = handles.console;
    keep_input_from_programs();
    if (arguments.size() == 3 && (arguments[1] == "-c" || arguments[1] == "--run")) {
        return run_given_line(shell, arguments[1], arguments[2], console);
    }
    if (const auto status = check_usage(arguments, 0, 0)) return *status;
    if (const auto started = input.start(console); !started) {
        print("sh: cannot read from the console: {}\n", started.error());
        return status_failure;
    }
    shell.set_input(input);
    return sh::run_prompt(shell, input);
}
