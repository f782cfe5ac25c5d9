// SPDX-License-Identifier: MIT
// limit: a command within limits.
#include "user/lib/commands.hpp"
#include "user/lib/limits.hpp"
#include "user/lib/numbers.hpp"
#include "user/lib/print.hpp"
#include "user/sh/shell.hpp"

namespace sh {

namespace {

constexpr std::uint64_t page_kibibytes = page_size / 1024;

Result<std::uint64_t> parse_memory(std::string_view word, std::uint64_t most) {
    const auto bytes = user::parse_size(word);
    if (!bytes || *bytes == 0) {
        user::print("limit: {}: not a size: a number and K, M or G\n", word);
        return Error::invalid_argument;
    }
    const std::uint64_t pages = *bytes / page_size + (*bytes % page_size != 0 ? 1 : 0);
    if (pages > most) {
        user::print("limit: {} is more than the {} KiB that there are to give\n", word,
                    most * page_kibibytes);
        return Error::not_permitted;
    }
    return pages;
}

Result<std::uint64_t> parse_handles(std::string_view word, std::uint64_t most) {
    const auto count = user::parse_number(word);
    if (!count || *count == 0) {
        user::print("limit: {}: not a number of handles above 0\n", word);
        return Error::invalid_argument;
    }
    if (*count > most) {
        user::print("limit: {} is more than the {} handles that there are to give\n", word, most);
        return Error::not_permitted;
    }
    return *count;
}

/// The limits that a command can be given now.
Result<Limits> most_to_give(const Limits& set) {
    const auto own = TRY(user::process_info(abi::no_handle));
    return Limits{.memory = set.memory != 0 ? set.memory : own.memory_limit,
                  .handles = set.handles != 0 ? set.handles : own.handle_limit};
}

} // namespace

int Shell::built_in_limit(Words words, bool background) {
    const auto most = most_to_give(limits_);
    if (!most) {
        user::print("limit: {}\n", most.error());
        return user::status_failure;
    }
    if (words.size() == 1) {
        user::print("memory {}\nhandles {}\n", most->memory * page_kibibytes, most->handles);
        return user::status_success;
    }
    Limits wanted = limits_;
    Words rest = words.subspan(1);
    while (rest.size() > 1 && (rest[0] == "memory" || rest[0] == "handles")) {
        const bool memory = rest[0] == "memory";
        const auto value =
            memory ? parse_memory(rest[1], most->memory) : parse_handles(rest[1], most->handles);
        if (!value) return user::status_usage;
        (memory ? wanted.memory : wanted.handles) = *value;
        rest = rest.subspan(2);
    }
    if (rest.empty() || rest.size() + 1 == words.size()) {
        user::print("limit: {} is missing\n", rest.empty() ? "a command" : "a limit");
        user::print_usage("limit");
        return user::status_usage;
    }
    const Limits before = limits_;
    limits_ = wanted;
    const int status = run_command(rest, background);
    limits_ = before;
    return status;
}

} // namespace sh
