// SPDX-License-Identifier: MIT
// Threads of a program.
#include "user/lib/thread.hpp"

#include "user/lib/locks.hpp"

#include <array>

namespace user {

namespace {

constexpr std::uint64_t region_bytes = thread_stack_bytes + page_size;

/// What a new thread finds at the top of its stack.
struct Start {
    Thread::Function function;
    void* argument;
};

/// Stacks of ended threads, kept for the next ones.
constinit std::array<std::uint64_t, 8> kept_stacks{};
constinit std::size_t kept_count = 0;

Result<std::uint64_t> take_stack() {
    {
        MutexLock lock(runtime_locks.stacks);
        if (kept_count != 0) return kept_stacks[--kept_count];
    }
    // Room for both first; then the lowest page becomes a guard, which never gives access.
    const std::uint64_t region = TRY(map(region_bytes));
    const auto guard = map(page_size, {.address = region,
                                       .access = abi::access_none,
                                       .flags = abi::map_replace | abi::map_guard});
    if (!guard) {
        (void)unmap(region, region_bytes);
        return guard.error();
    }
    return region;
}

void give_back_stack(std::uint64_t stack) {
    {
        MutexLock lock(runtime_locks.stacks);
        if (kept_count < kept_stacks.size()) {
            kept_stacks[kept_count++] = stack;
            return;
        }
    }
    (void)unmap(stack, region_bytes);
}

/// First function of a thread. Entered by the kernel, not called: the stack is aligned here.
extern "C" [[noreturn]] void user_thread_body(const Start* start) {
    start->function(start->argument);
    thread_exit(0);
}
extern "C" void user_thread_entry();
asm(".pushsection .text.user_thread_entry, \"ax\", @progbits\n"
    "    .globl user_thread_entry\n"
    "    .hidden user_thread_entry\n"
    "user_thread_entry:\n"
    "    xorl %ebp, %ebp\n"
    "    andq $-16, %rsp\n"
    "    call user_thread_body\n"
    "    ud2\n"
    ".popsection\n");

} // namespace

Result<Thread> Thread::start(Function function, void* argument, unsigned priority) {
    const std::uint64_t stack = TRY(take_stack());
    const std::uint64_t top = stack + region_bytes - sizeof(Start);
    *reinterpret_cast<Start*>(top) = {function, argument};
    const auto handle =
        thread_create(reinterpret_cast<std::uintptr_t>(&user_thread_entry), top, top, priority);
    if (!handle) {
        give_back_stack(stack);
        return handle.error();
    }
    return Thread(*handle, stack);
}

Result<std::uint64_t> Thread::join() {
    if (handle_ == abi::no_handle) return Error::bad_handle;
    const auto code = thread_join(handle_);
    (void)handle_close(handle_);
    handle_ = abi::no_handle;
    give_back_stack(stack_);
    return code ? Result<std::uint64_t>(*code) : Result<std::uint64_t>(code.error());
}

} // namespace user
