// SPDX-License-Identifier: MIT
// Rows about fork, copy on write, new programs and threads: user/bench/fork_rows.cpp and
// process_rows.cpp.
#include "peer.hpp"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace peer {

namespace {

[[noreturn]] void end_at_once() {
    for (;;) call(SYS_exit_group, 0);
}
void reap(long child) {
    int status = -1;
    call(SYS_wait4, child, reinterpret_cast<long>(&status), 0, 0);
    if (status != 0) fail("a child", status);
}

} // namespace

void measure_fork(long mebibytes) {
    if (mebibytes != 0) touched(mebibytes);
    const int count = mebibytes >= 256 ? 5 : mebibytes != 0 ? 20 : 1000;
    const int warm = mebibytes >= 256 ? 1 : mebibytes != 0 ? 2 : 50;
    for (int i = -warm; i < count; ++i) {
        const std::uint64_t begun = time_stamp();
        const long child = call(SYS_fork);
        if (child == 0) end_at_once();
        const std::uint64_t forked = time_stamp();
        must(child, "fork");
        reap(child);
        const std::uint64_t ended = time_stamp();
        if (i < 0) continue;
        first.add(begun, forked);
        second.add(begun, ended);
    }
    first.print(1, "fork_call_only_%ldM", mebibytes);
    second.print(1, "fork_exit_wait_%ldM", mebibytes);
}

namespace {

/// A copy that stays until `release` is called.
class StayingCopy {
public:
    StayingCopy() {
        if (pipe(ends_) != 0) fail("pipe", 0);
        child_ = must(call(SYS_fork), "fork");
        if (child_ == 0) {
            char byte = 0;
            close(ends_[1]);
            call(SYS_read, ends_[0], reinterpret_cast<long>(&byte), 1);
            end_at_once();
        }
        close(ends_[0]);
        sched_yield();
    }
    void release() {
        close(ends_[1]);
        reap(child_);
    }

private:
    int ends_[2];
    long child_;
};

} // namespace

void measure_cow(long) {
    constexpr std::size_t bytes = 64 * mebibyte;
    constexpr double pages = bytes / page_size;
    const long address = touched(64);
    for (int i = -1; i < 3; ++i) {
        StayingCopy copy;
        const std::uint64_t begun = time_stamp();
        touch(address, bytes);
        const std::uint64_t ended = time_stamp();
        copy.release();
        if (i >= 0) first.add(begun, ended);
        const long gone = must(call(SYS_fork), "fork");
        if (gone == 0) end_at_once();
        reap(gone);
        const std::uint64_t begun_again = time_stamp();
        touch(address, bytes);
        const std::uint64_t ended_again = time_stamp();
        if (i >= 0) second.add(begun_again, ended_again);
    }
    first.print(pages, "cow_fault_copy_per_page");
    second.print(pages, "cow_fault_reuse_per_page");
}

void measure_cow_first(long) {
    constexpr std::size_t bytes = 64 * mebibyte;
    constexpr std::size_t table = 2 * mebibyte;
    const long address = touched(64);
    for (int i = -1; i < 4; ++i) {
        StayingCopy copy;
        for (std::size_t offset = 0; offset < bytes; offset += table) {
            const std::uint64_t begun = time_stamp();
            *at(address + static_cast<long>(offset)) = 1;
            const std::uint64_t ended = time_stamp();
            if (i >= 0) first.add(begun, ended);
        }
        copy.release();
        touch(address, bytes); // alone again
    }
    first.print(1, "cow_first_in_table");
}

namespace {

constexpr const char* program = "/tiny";
char program_name[] = "tiny";
char* const words[] = {program_name, nullptr};
char* const no_environment[] = {nullptr};

} // namespace

void measure_spawn(long mebibytes) {
    if (mebibytes != 0) touched(mebibytes);
    const int count = mebibytes != 0 ? 50 : 500;
    for (int i = -20; i < count; ++i) {
        const std::uint64_t begun = time_stamp();
        volatile pid_t child = vfork();
        if (child == 0) {
            call(SYS_execve, reinterpret_cast<long>(program), reinterpret_cast<long>(words),
                 reinterpret_cast<long>(no_environment));
            _exit(99);
        }
        reap(child);
        const std::uint64_t ended = time_stamp();
        if (i >= 0) first.add(begun, ended);
    }
    first.print(1, "vfork_exec_exit_wait_%ldM", mebibytes);
    for (int i = -20; i < count; ++i) {
        pid_t child = 0;
        const std::uint64_t begun = time_stamp();
        const int error = posix_spawn(&child, program, nullptr, nullptr, words, no_environment);
        if (error != 0) fail("posix_spawn", error);
        reap(child);
        const std::uint64_t ended = time_stamp();
        if (i >= 0) first.add(begun, ended);
    }
    first.print(1, "posix_spawn_exit_wait_%ldM", mebibytes);
}

namespace {

alignas(page_size) char thread_stack[4 * page_size];
int thread_id;

/// A thread that ends at once: no library, no stack or descriptor of its own to make. Its number
/// is cleared, and waited for there, when it ends.
long start_bare_thread() {
    constexpr long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                           CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    register long r10 asm("r10") = reinterpret_cast<long>(&thread_id);
    register long r8 asm("r8") = 0;
    long result = 0;
    asm volatile("syscall\n\t"
                 "test %%eax, %%eax\n\t"
                 "jnz 1f\n\t"
                 "xorl %%edi, %%edi\n\t"
                 "movl $60, %%eax\n\t" // exit
                 "syscall\n"
                 "1:"
                 : "=a"(result)
                 : "a"(SYS_clone), "D"(flags), "S"(thread_stack + sizeof thread_stack - 64),
                   "d"(&thread_id), "r"(r10), "r"(r8)
                 : "rcx", "r11", "memory");
    return result;
}

void* nothing(void* argument) { return argument; }

} // namespace

void measure_thread(long) {
    constexpr int count = 2'000;
    touch(reinterpret_cast<long>(thread_stack), sizeof thread_stack);
    for (int i = -warm_rounds; i < count; ++i) {
        const std::uint64_t begun = time_stamp();
        must(start_bare_thread(), "clone");
        while (const int running = __atomic_load_n(&thread_id, __ATOMIC_RELAXED))
            call(SYS_futex, reinterpret_cast<long>(&thread_id), FUTEX_WAIT, running, 0);
        const std::uint64_t ended = time_stamp();
        if (i >= 0) first.add(begun, ended);
    }
    first.print(1, "thread_raw_clone_join");
    for (int i = -warm_rounds; i < count; ++i) {
        pthread_t thread{};
        const std::uint64_t begun = time_stamp();
        if (pthread_create(&thread, nullptr, nothing, nullptr) != 0) fail("pthread_create", 0);
        pthread_join(thread, nullptr);
        const std::uint64_t ended = time_stamp();
        if (i >= 0) first.add(begun, ended);
    }
    first.print(1, "thread_pthread_create_join");
}

} // namespace peer
