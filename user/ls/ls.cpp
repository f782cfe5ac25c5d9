// SPDX-License-Identifier: MIT
// ls: lists files, a line each; a directory's name ends in `/`.
#include "user/lib/commands.hpp"
#include "user/lib/files.hpp"
#include "user/lib/print.hpp"

namespace {

void print_name(const user::FileName& file) {
    user::print("{:>9} {}{}\n", file.bytes, file.name,
                file.kind == user::FileKind::directory ? "/" : "");
}

bool list(std::string_view path, bool with_title) {
    const auto file = user::open_file(path);
    if (!file) {
        user::print("ls: {}: {}\n", path, file.error());
        return false;
    }
    if (file->kind != user::FileKind::directory) {
        print_name({path, file->kind, file->content.size()});
        return true;
    }
    if (with_title) user::print("{}:\n", path);
    if (const auto listed = user::list_files(path, print_name); !listed) {
        user::print("ls: {}: {}\n", path, listed.error());
        return false;
    }
    return true;
}

} // namespace

int user::main(Arguments arguments) {
    if (const auto status = check_usage(arguments, 0, any_number)) return *status;
    const Arguments paths = arguments.subspan(1);
    if (paths.empty()) return list("/", false) ? status_success : status_failure;
    int status = status_success;
    for (const auto path : paths) {
        if (!list(path, paths.size() > 1)) status = status_failure;
    }
    return status;
}
