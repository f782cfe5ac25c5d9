// SPDX-License-Identifier: MIT
// Upcalls: the stack with its guard, and the way from the kernel to a C++ function and back.
//
//   +--------------------+ stack_ + region_bytes, a multiple of it
//   | handler            | found by the entry from RSP, at any depth
//   +--------------------+
//   | frame              | what the kernel writes ┐
//   | vector state       | FXSAVE                 ├ for each fault in a handler once more
//   | the handler's own  |                        ┘
//   +--------------------+
//   | guard              | part of what the kernel is told, so that a handler that overruns its
//   +--------------------+ stack is still seen to be on it
#include "user/lib/upcall.hpp"

#include "lib/format.hpp"
#include "user/lib/calls.hpp"
#include "user/lib/print.hpp"

extern "C" {
extern const char __ehdr_start[];
extern const char etext[];
/// upcall_entry.S
extern const char user_upcall_entry[];
/// Called by it for a fault that the handler gave back.
void user_upcall_decline(user::UpcallFrame* frame);
/// Called by it when the kernel doesn't take the registers that the handler left.
[[noreturn]] void user_upcall_refused(const user::UpcallFrame* frame);
}

namespace user {

namespace {

constexpr std::uint64_t region_bytes = upcall_stack_bytes + page_size;
static_assert(region_bytes == 0x10000, "upcall_entry.S");

/// What stands at a stack's end.
struct alignas(16) Top {
    UpcallHandler handler;
};

Result<std::uint64_t> make_stack() {
    const std::uint64_t region = TRY(map(region_bytes, {.alignment = region_bytes}));
    const auto guard = map(page_size, {.address = region,
                                       .access = abi::access_none,
                                       .flags = abi::map_replace | abi::map_guard});
    if (guard) return region;
    (void)unmap(region, region_bytes);
    return guard.error();
}

Result<void> set_handler(const void* entry, std::uint64_t stack, VirtRange runtime) {
    return thread_upcalls(reinterpret_cast<std::uintptr_t>(entry), stack,
                          region_bytes - sizeof(Top), runtime);
}

} // namespace

VirtRange own_code() {
    return {VirtAddr{reinterpret_cast<std::uintptr_t>(__ehdr_start)},
            VirtAddr{reinterpret_cast<std::uintptr_t>(etext)}};
}

Result<Upcalls> Upcalls::install(UpcallHandler handler, VirtRange runtime) {
    Upcalls made(TRY(make_stack()));
    reinterpret_cast<Top*>(made.stack_ + region_bytes - sizeof(Top))->handler = handler;
    TRY(set_handler(user_upcall_entry, made.stack_, runtime));
    return made;
}

Result<Upcalls> Upcalls::install_raw(const void* entry, VirtRange runtime) {
    Upcalls made(TRY(make_stack()));
    TRY(set_handler(entry, made.stack_, runtime));
    return made;
}

Upcalls::~Upcalls() {
    if (stack_ == 0) return;
    (void)thread_upcalls(0, 0, 0, {});
    (void)unmap(stack_, region_bytes);
}

} // namespace user

/// Without a handler the instruction faults again, and the kernel reports it. What comes behind its
/// instruction is put back before it; a foreign system call would reach the kernel then, so it ends
/// here.
void user_upcall_decline(user::UpcallFrame* frame) {
    (void)user::thread_upcalls(0, 0, 0, {});
    if (frame->cause == abi::UpcallCause::foreign_call) user::die("a foreign system call");
    if (frame->cause == abi::UpcallCause::breakpoint) frame->rip -= 1; // INT3's one byte
}

void user_upcall_refused(const user::UpcallFrame* frame) {
    lib::FixedText<96> text;
    text.format("upcall: no thread can go on at {:x} with flags {:x}", frame->rip, frame->rflags);
    user::die(text.view());
}
