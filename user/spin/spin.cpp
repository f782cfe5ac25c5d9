// SPDX-License-Identifier: MIT
// spin: uses the processor until somebody ends it.
#include "user/lib/commands.hpp"

int user::main(Arguments arguments) {
    if (const auto status = check_usage(arguments, 0, 0)) return *status;
    for (;;) asm volatile("pause");
}
