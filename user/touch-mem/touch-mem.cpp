// SPDX-License-Identifier: MIT
// touch-mem: maps and touches memory, and tells the faults that the kernel counted meanwhile, and
// with --huge how much of it got pages of 2 MiB.
#include "user/lib/calls.hpp"
#include "user/lib/commands.hpp"
#include "user/lib/numbers.hpp"
#include "user/lib/print.hpp"

#include <algorithm>

namespace {

struct Touched {
    std::uint64_t pages;
    std::uint64_t faults;
    std::uint64_t large; ///< pages of 2 MiB
};

/// Pages of 2 MiB that are present from `start` on.
Result<std::uint64_t> large_pages(std::uint64_t start, std::uint64_t end) {
    std::uint64_t pages = 0;
    while (start < end) {
        const auto run = TRY(user::nearest(abi::no_handle, start, abi::Direction::up));
        if (run.start >= end) break;
        if (run.state == abi::State::present && run.levels == 2)
            pages += (std::min(run.end, end) - std::max(run.start, start)) / user::large_page;
        start = run.end;
    }
    return pages;
}

Result<Touched> touch(std::uint64_t mebibytes, bool huge) {
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(mebibytes, 1024U * 1024U, &bytes)) return Error::too_large;
    const std::uint64_t address = TRY(user::map(bytes, {.flags = huge ? abi::map_huge : 0U}));
    const auto before = TRY(user::process_info(abi::no_handle));
    for (std::uint64_t at = 0; at < bytes; at += page_size) {
        *reinterpret_cast<volatile char*>(address + at) = 1;
    }
    const auto after = TRY(user::process_info(abi::no_handle));
    const std::uint64_t large = huge ? TRY(large_pages(address, address + bytes)) : 0;
    TRY(user::unmap(address, bytes));
    return Touched{bytes / page_size, after.faults - before.faults, large};
}

} // namespace

int user::main(Arguments arguments) {
    if (const auto status = check_usage(arguments, 1, 2)) return *status;
    const bool huge = arguments.size() == 3;
    if (huge && arguments[1] != "--huge") {
        print("touch-mem: {}: no such option\n", arguments[1]);
        return status_usage;
    }
    const auto mebibytes = parse_number(arguments.back());
    if (!mebibytes || *mebibytes == 0) {
        print("touch-mem: {}: not a number of MiB above 0\n", arguments.back());
        return status_usage;
    }
    const auto touched = touch(*mebibytes, huge);
    if (!touched) {
        print("touch-mem: {} MiB: {}", *mebibytes, touched.error());
        if (const auto own = process_info(abi::no_handle);
            own && touched.error() == Error::limit_reached)
            print(" ({} KiB)", own->memory_limit * (page_size / 1024));
        print("\n");
        return status_failure;
    }
    print("touched {} pages, {} faults", touched->pages, touched->faults);
    if (huge) print(", {} pages of 2 MiB", touched->large);
    print("\n");
    return status_success;
}
