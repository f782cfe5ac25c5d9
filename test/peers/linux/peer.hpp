// SPDX-License-Identifier: MIT
// Linux beside Tabula: the first process of a Linux guest, which does the work of user/bench by
// Linux's own calls and prints the same lines:
//
//   name <TAB> ops <TAB> median <TAB> min <TAB> mean
//
// Lines that begin with # are remarks, with "# FAIL" failures. The measured calls are bare: the
// library is used to start, to print, for pthread_… and posix_spawn only. Each group runs in a
// fresh child, so that none inherits mappings, page tables or heap state from another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <sys/mman.h>
#include <sys/syscall.h>

namespace peer {

inline constexpr std::size_t page_size = 4096;
inline constexpr std::size_t kibibyte = 1024;
inline constexpr std::size_t mebibyte = 1024 * kibibyte;
inline constexpr std::size_t gibibyte = 1024 * mebibyte;
/// Rounds that warm up, and rounds that are measured, for small operations.
inline constexpr int warm_rounds = 100;
inline constexpr int rounds = 20'000;

// ---- time, and bare system calls
// -----------------------------------------------------------------

inline std::uint64_t time_stamp() {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    asm volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
    return std::uint64_t{high} << 32 | low;
}

inline long call(long number) {
    long result = 0;
    asm volatile("syscall" : "=a"(result) : "a"(number) : "rcx", "r11", "memory");
    return result;
}
inline long call(long number, long a, long b = 0, long c = 0) {
    long result = 0;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(a), "S"(b), "d"(c)
                 : "rcx", "r11", "memory");
    return result;
}
inline long call(long number, long a, long b, long c, long d, long e = 0, long f = 0) {
    register long r10 asm("r10") = d;
    register long r8 asm("r8") = e;
    register long r9 asm("r9") = f;
    long result = 0;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
}

inline constexpr int read_write = PROT_READ | PROT_WRITE;
inline constexpr int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;

/// An address, or a negated error number.
inline long map(std::size_t bytes, int access = read_write, int flags = anonymous) {
    return call(SYS_mmap, 0, static_cast<long>(bytes), access, flags, -1, 0);
}
inline long unmap(long address, std::size_t bytes) {
    return call(SYS_munmap, address, static_cast<long>(bytes));
}
inline long protect(long address, std::size_t bytes, int access) {
    return call(SYS_mprotect, address, static_cast<long>(bytes), access);
}

inline volatile char* at(long address) { return reinterpret_cast<volatile char*>(address); }
inline void touch(long address, std::size_t bytes, std::size_t step = page_size) {
    for (std::size_t offset = 0; offset < bytes; offset += step)
        *at(address + static_cast<long>(offset)) = 1;
}
inline void read_all(long address, std::size_t bytes) {
    for (std::size_t offset = 0; offset < bytes; offset += page_size)
        (void)*at(address + static_cast<long>(offset));
}

// ---- words -------------------------------------------------------------------------------------

[[gnu::format(printf, 1, 2)]] void say(const char* format, ...);
/// Says what failed, and ends this process.
[[noreturn]] void fail(const char* what, long value);
/// Fails where a call gave a negated error number.
inline long must(long value, const char* what) {
    if (value < 0) fail(what, value);
    return value;
}
/// Reads a file's beginning as a string; gives its length, or -1.
long read_text(const char* path, char* text, std::size_t capacity);
void write_text(const char* path, const char* text);
/// The number behind a word in a file, or -1.
long number_behind(const char* path, const char* word);
void sleep_milliseconds(long milliseconds);

// ---- samples -----------------------------------------------------------------------------------

/// What two adjacent stamps read apart.
extern std::uint64_t stamp_cost;

/// Samples of one row. There are a few for a group, whose memory is touched before it begins.
class Samples {
public:
    static constexpr std::size_t capacity = 32768;
    /// Adds the time between two stamps.
    void add(std::uint64_t begun, std::uint64_t ended) {
        const std::uint64_t time = ended - begun;
        add_figure(time > stamp_cost ? time - stamp_cost : 0);
    }
    void add_figure(std::uint64_t figure) {
        if (count_ < capacity) times_[count_++] = figure;
    }
    /// Prints the row, a sample being `operations` operations, and forgets the samples.
    [[gnu::format(printf, 3, 4)]] void print(double operations, const char* format, ...);
    /// Makes the memory for so many samples this process's own.
    void prepare(std::size_t count);

private:
    std::size_t count_ = 0;
    std::uint64_t times_[capacity];
};

extern Samples first;
extern Samples second;

// ---- groups, by file ---------------------------------------------------------------------------

using Group = void (*)(long);

/// How many mappings this process has: lines of /proc/self/maps.
long mappings();
/// Touched memory of so many MiB, in pages of 4 KiB.
long touched(long mebibytes);

void measure_null(long);
void measure_faults(long);
void measure_huge(long);
void measure_map_sizes(long);
void measure_protect(long);
void measure_map_counts(long count);
void measure_fragmented(long holes);
void measure_memory_per_mapping(long count);
void measure_fork(long mebibytes);
void measure_cow(long);
void measure_cow_first(long);
void measure_spawn(long mebibytes);
void measure_thread(long);
void measure_pipe(long);
void measure_packets(long bytes);
void measure_futex(long);
void measure_yield(long);
void make_file();
void measure_file(long around);
void remove_file();
void measure_signals(long);
/// The trace with this number in `traces`.
void measure_replay(long number);
inline constexpr const char* traces[] = {"firefox", "mpv", "cc1plus", "python"};

} // namespace peer
