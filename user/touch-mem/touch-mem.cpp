// SPDX-License-Identifier: MIT
// touch-mem: maps and touches memory, and tells the faults that the kernel counted meanwhile.
#include "user/lib/calls.hpp"
#include "user/lib/commands.hpp"
#include "user/lib/numbers.hpp"
#include "user/lib/print.hpp"

namespace {

struct Touched {
    std::uint64_t pages;
    std::uint64_t faults;
};

Result<Touched> touch(std::uint64_t mebibytes) {
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(mebibytes, 1024U * 1024U, &bytes)) return Error::too_large;
    const std::uint64_t address = TRY(user::map(bytes));
    const auto before = TRY(user::process_info(abi::no_handle));
    for (std::uint64_t at = 0; at < bytes; at += page_size) {
        *reinterpret_cast<volatile char*>(address + at) = 1;
    }
    const auto after = TRY(user::process_info(abi::no_handle));
    TRY(user::unmap(address, bytes));
    return Touched{bytes / page_size, after.faults - before.faults};
}

} // namespace

int user::main(Arguments arguments) {
    if (const auto status = check_usage(arguments, 1, 1)) return *status;
    const auto mebibytes = parse_number(arguments[1]);
    if (!mebibytes || *mebibytes == 0) {
        print("touch-mem: {}: not a number of MiB above 0\n", arguments[1]);
        return status_usage;
    }
    const auto touched = touch(*mebibytes);
    if (!touched) {
        print("touch-mem: {} MiB: {}", *mebibytes, touched.error());
        if (const auto own = process_info(abi::no_handle);
            own && touched.error() == Error::limit_reached)
            print(" ({} KiB)", own->memory_limit * (page_size / 1024));
        print("\n");
        return status_failure;
    }
    print("touched {} pages, {} faults\n", touched->pages, touched->faults);
    return status_success;
}
