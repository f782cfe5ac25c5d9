// SPDX-License-Identifier: MIT
// reboot: restarts the machine, by way of init, which holds the power.
#include "user/lib/commands.hpp"
#include "user/lib/directory.hpp"
#include "user/lib/print.hpp"

int user::main(Arguments arguments) {
    if (const auto status = check_usage(arguments, 0, 0)) return *status;
    if (const auto done = directory::power(abi::Power::reboot); !done) {
        print("reboot: {}\n", done.error());
    }
    return status_failure; // the machine is still on
}
