// SPDX-License-Identifier: MIT
// sleep: waits.
#include "user/lib/calls.hpp"
#include "user/lib/commands.hpp"
#include "user/lib/numbers.hpp"
#include "user/lib/print.hpp"

int user::main(Arguments arguments) {
    if (const auto status = check_usage(arguments, 1, 1)) return *status;
    const auto nanoseconds = parse_seconds(arguments[1]);
    if (!nanoseconds) {
        print("sleep: {}: {}\n", arguments[1], nanoseconds.error());
        return status_usage;
    }
    if (const auto slept = sleep(*nanoseconds); !slept) {
        print("sleep: {}\n", slept.error());
        return status_failure;
    }
    return status_success;
}
