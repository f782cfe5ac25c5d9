// SPDX-License-Identifier: MIT
// repair: faults of three kinds that this program handles itself, each told as it comes, and what
// became of the interrupted work. See doc/upcalls.md.
#include "user/lib/calls.hpp"
#include "user/lib/commands.hpp"
#include "user/lib/print.hpp"
#include "user/lib/upcall.hpp"

namespace {

constexpr std::uint32_t read_write = abi::access_read | abi::access_write;
constexpr std::uint64_t skipped_bytes = 2; // of UD2

/// What the handler saw: printed once the interrupted code, which may be printing, is done.
struct Seen {
    user::UpcallFrame frame;
    bool repaired;
};
Seen seen;

/// Maps what is a hole, allows what is forbidden, skips what is no instruction.
bool handle(user::UpcallFrame& frame) {
    seen = {frame, false};
    const std::uint64_t page = align_down(frame.address, page_size);
    switch (frame.cause) {
    case abi::UpcallCause::hole:
        seen.repaired =
            user::map(page_size, {.address = page, .access = read_write, .flags = abi::map_fixed})
                .ok();
        break;
    case abi::UpcallCause::forbidden:
        seen.repaired = user::protect(page, page_size, read_write).ok();
        break;
    case abi::UpcallCause::illegal:
        frame.rip += skipped_bytes;
        seen.repaired = true;
        break;
    default: break;
    }
    return seen.repaired; // false: the process ends, with the kernel's report
}

void tell(std::string_view done) {
    user::print("repair: {}", abi::upcall_cause_names[static_cast<unsigned>(seen.frame.cause)]);
    if (seen.frame.address != 0) user::print(" at {:x}", seen.frame.address);
    user::print(" by {:x}: {}\n", seen.frame.rip, done);
}

/// Stores where the handler must make a store possible, and reads it back.
bool store(std::uint64_t address, unsigned char value) {
    auto* const byte = reinterpret_cast<volatile unsigned char*>(address);
    *byte = value;
    return *byte == value;
}

Result<bool> run() {
    const std::uint64_t page = TRY(user::map(page_size));
    const auto upcalls = TRY(user::Upcalls::install(handle));
    TRY(user::unmap(page, page_size));
    if (!store(page, 1)) return false;
    tell("mapped, and stored again");
    TRY(user::protect(page, page_size, abi::access_read));
    if (!store(page, 2)) return false;
    tell("made writable, and stored again");
    asm volatile("ud2");
    tell("skipped");
    TRY(user::unmap(page, page_size));
    return true;
}

} // namespace

int user::main(Arguments arguments) {
    if (const auto status = check_usage(arguments, 0, 0)) return *status;
    const auto good = run();
    if (!good) print("repair: {}\n", good.error());
    if (good && !*good) print("repair: a store was lost\n");
    return good && *good ? status_success : status_failure;
}
