// SPDX-License-Identifier: MIT
// Rows about pages of a cached file, and about faults that a process handles itself:
// user/bench/file_rows.cpp and upcall_rows.cpp.
#include "peer.hpp"

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <initializer_list>
#include <ucontext.h>
#include <unistd.h>

namespace peer {

namespace {

constexpr const char* path = "/t/file";
constexpr std::size_t file_bytes = 16 * mebibyte;

void measure_file_as(const char* row, int file, bool writes) {
    for (int i = 0; i < 8; ++i) {
        const long address = must(call(SYS_mmap, 0, file_bytes, writes ? read_write : PROT_READ,
                                       writes ? MAP_PRIVATE : MAP_SHARED, file, 0),
                                  row);
        const std::uint64_t begun = time_stamp();
        if (writes)
            touch(address, file_bytes);
        else
            read_all(address, file_bytes);
        const std::uint64_t ended = time_stamp();
        must(unmap(address, file_bytes), row);
        if (i != 0) first.add(begun, ended);
    }
    first.print(file_bytes / page_size, "%s", row);
}

} // namespace

void make_file() {
    static char block[64 * kibibyte];
    memset(block, 7, sizeof block);
    const int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (std::size_t written = 0; written < file_bytes; written += sizeof block)
        if (write(file, block, sizeof block) != static_cast<long>(sizeof block))
            say("# FAIL writing %s\n", path);
    close(file);
}
void remove_file() { unlink(path); }

void measure_file(long around) {
    constexpr const char* bytes_around = "/sys/kernel/debug/fault_around_bytes";
    write_text(bytes_around, around == 4096 ? "4096" : "65536");
    const int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) fail(path, file);
    if (around == 4096) {
        measure_file_as("file_shared_readfault_around4K_per_page", file, false);
    } else {
        measure_file_as("file_shared_readfault_around64K_per_page", file, false);
        measure_file_as("file_private_writefault_around64K_per_page", file, true);
    }
    write_text(bytes_around, "65536");
}

namespace {

long trap_page;
volatile bool skips;

void on_fault(int, siginfo_t*, void* context) {
    if (skips)
        static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP] += 3; // the store below
    else
        protect(trap_page, page_size, read_write);
}

} // namespace

void measure_signals(long) {
    struct sigaction action{};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, nullptr);
    must(map(page_size, PROT_READ | PROT_EXEC), "fence");
    trap_page = must(map(page_size), "page");
    *at(trap_page) = 1;
    must(protect(trap_page, page_size, PROT_NONE), "mprotect");
    for (const bool skipping : {true, false}) {
        skips = skipping;
        for (int i = -warm_rounds; i < 5'000; ++i) {
            const std::uint64_t begun = time_stamp();
            asm volatile("movb $1, (%%rax)" : : "a"(trap_page) : "memory");
            const std::uint64_t ended = time_stamp();
            if (!skipping) must(protect(trap_page, page_size, PROT_NONE), "mprotect");
            if (i >= 0) first.add(begun, ended);
        }
        first.print(1, skipping ? "sigsegv_handler_skips" : "sigsegv_handler_mprotects");
    }
}

} // namespace peer
