// SPDX-License-Identifier: MIT
// kill: ends processes. The directory turns a number into a handle; the handle is the power.
#include "user/lib/calls.hpp"
#include "user/lib/commands.hpp"
#include "user/lib/directory.hpp"
#include "user/lib/numbers.hpp"
#include "user/lib/print.hpp"

namespace {

Result<void> kill_process(std::string_view word) {
    const auto id = TRY(user::parse_number(word));
    const auto process = TRY(user::directory::find(id));
    TRY(user::process_kill(process.get(), abi::status_killed));
    return {};
}

} // namespace

int user::main(Arguments arguments) {
    if (const auto status = check_usage(arguments, 1, any_number)) return *status;
    int status = status_success;
    for (const auto word : arguments.subspan(1)) {
        if (const auto killed = kill_process(word); !killed) {
            const bool unknown = killed.error() == Error::not_found;
            print("kill: {}: {}\n", word, unknown ? "no such process" : describe(killed.error()));
            status = status_failure;
        }
    }
    return status;
}
