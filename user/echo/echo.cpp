// SPDX-License-Identifier: MIT
// echo: prints its words.
#include "user/lib/commands.hpp"
#include "user/lib/print.hpp"

int user::main(Arguments arguments) {
    if (const auto status = check_usage(arguments, 0, any_number)) return *status;
    Arguments words = arguments.subspan(1);
    const bool line_end = words.empty() || words[0] != "-n";
    if (!line_end) words = words.subspan(1);
    for (std::size_t i = 0; i < words.size(); ++i) print("{}{}", i == 0 ? "" : " ", words[i]);
    if (line_end) print("\n");
    return status_success;
}
