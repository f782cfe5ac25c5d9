// SPDX-License-Identifier: MIT
// free: what memory is used for: lines `name value`, in KiB.
#include "user/lib/calls.hpp"
#include "user/lib/commands.hpp"
#include "user/lib/print.hpp"

int user::main(Arguments arguments) {
    if (const auto status = check_usage(arguments, 0, 0)) return *status;
    const auto info = memory_info();
    if (!info) {
        print("free: {}\n", info.error());
        return status_failure;
    }
#define TABULA_PRINT_FIELD(name, words) print("{} {}\n", words, info->name);
    TABULA_MEMORY_INFO(TABULA_PRINT_FIELD)
#undef TABULA_PRINT_FIELD
    return status_success;
}
