// SPDX-License-Identifier: MIT
// uptime: the time since boot.
#include "user/lib/clock.hpp"
#include "user/lib/commands.hpp"
#include "user/lib/print.hpp"

int user::main(Arguments arguments) {
    if (const auto status = check_usage(arguments, 0, 0)) return *status;
    const std::uint64_t milliseconds = now() / 1'000'000;
    const std::uint64_t seconds = milliseconds / 1'000;
    print("up {}:{:02}:{:02}.{:03}\n", seconds / 3600, seconds / 60 % 60, seconds % 60,
          milliseconds % 1'000);
    return status_success;
}
