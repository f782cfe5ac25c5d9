// SPDX-License-Identifier: MIT
// cat: prints files.
#include "user/lib/commands.hpp"
#include "user/lib/files.hpp"
#include "user/lib/print.hpp"

namespace {

bool print_file(std::string_view path) {
    const auto file = user::open_file(path);
    if (!file) {
        user::print("cat: {}: {}\n", path, file.error());
        return false;
    }
    if (file->kind != user::FileKind::file) {
        user::print("cat: {}: not a file\n", path);
        return false;
    }
    user::output().write(lib::as_text(file->content));
    return true;
}

} // namespace

int user::main(Arguments arguments) {
    if (const auto status = check_usage(arguments, 1, any_number)) return *status;
    int status = status_success;
    for (const auto path : arguments.subspan(1)) {
        if (!print_file(path)) status = status_failure;
    }
    return status;
}
