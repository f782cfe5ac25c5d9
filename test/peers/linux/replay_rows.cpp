// SPDX-License-Identifier: MIT
// Recorded traces from end to end, each time in a fresh copy of a process that has the files and
// the table of calls ready: user/bench/replay_rows.cpp.
#include "peer.hpp"
#include "user/bench/trace.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace peer {

namespace {

constexpr int runs = 5;
constexpr std::size_t most_files = 64;
int files[most_files];

/// What a copy tells.
struct Report {
    std::uint64_t time;
    std::uint64_t done; ///< calls
    long result;        ///< of the one that did not do as it had to
};

void* read_table(const char* path, std::size_t& bytes) {
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) fail(path, -errno);
    constexpr std::size_t most = mebibyte;
    void* const memory = malloc(most);
    const long got = read(file, memory, most);
    close(file);
    bytes = static_cast<std::size_t>(must(got, path));
    return memory;
}

/// All of its pages in memory.
int make_cached_file(std::size_t number, std::uint64_t bytes) {
    char path[32];
    snprintf(path, sizeof path, "/t/%zu", number);
    const int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || fallocate(file, 0, 0, static_cast<off_t>(bytes)) != 0) fail(path, -errno);
    unlink(path);
    static char block[64 * kibibyte];
    for (std::uint64_t written = 0; written < bytes;) {
        const std::uint64_t part = bytes - written < sizeof block ? bytes - written : sizeof block;
        written += static_cast<std::uint64_t>(must(write(file, block, part), path));
    }
    return file;
}

/// Nothing of this process may lie where the trace maps.
void check_own_mappings(const trace::Table& table) {
    static char text[64 * kibibyte];
    if (read_text("/proc/self/maps", text, sizeof text) < 0) fail("/proc/self/maps", -errno);
    for (const char* line = text; line != nullptr && *line != 0;) {
        std::uint64_t start = 0;
        std::uint64_t end = 0;
        if (sscanf(line, "%lx-%lx", &start, &end) != 2) fail("/proc/self/maps", 0);
        if (table.concerns(start, end))
            fail("the trace maps over this process", static_cast<long>(start));
        line = strchr(line, '\n');
        if (line != nullptr) ++line;
    }
}

long fork_and_reap() {
    const long child = call(SYS_fork);
    if (child == 0) call(SYS_exit_group, 0);
    if (child < 0) return child;
    int status = -1;
    const long reaped = call(SYS_wait4, child, reinterpret_cast<long>(&status), 0, 0);
    return reaped == child ? status : -ECHILD;
}

/// What the call gave.
long make(const trace::Call& one) {
    const auto address = static_cast<long>(one.address);
    const auto bytes = static_cast<long>(one.bytes);
    const int flags = MAP_FIXED | (one.has(trace::is_noreserve) ? MAP_NORESERVE : 0);
    switch (one.kind) {
    case trace::Kind::map:
        return call(SYS_mmap, address, bytes, one.access, flags | anonymous, -1, 0);
    case trace::Kind::map_file:
        return call(SYS_mmap, address, bytes, one.access,
                    flags | (one.has(trace::is_private) ? MAP_PRIVATE : MAP_SHARED),
                    files[one.file], static_cast<long>(one.other));
    case trace::Kind::unmap: return call(SYS_munmap, address, bytes);
    case trace::Kind::protect: return call(SYS_mprotect, address, bytes, one.access);
    case trace::Kind::discard: return call(SYS_madvise, address, bytes, MADV_DONTNEED);
    case trace::Kind::remap:
        return call(SYS_mremap, address, bytes, static_cast<long>(one.new_bytes),
                    one.other == one.address ? 0 : MREMAP_MAYMOVE | MREMAP_FIXED,
                    static_cast<long>(one.other));
    case trace::Kind::fork: return fork_and_reap();
    }
    return -EINVAL;
}

/// What the call has to give.
long wanted(const trace::Call& one) {
    if (one.has(trace::is_refused)) return one.kind == trace::Kind::remap ? -EFAULT : -ENOMEM;
    if (one.kind == trace::Kind::remap) return static_cast<long>(one.other);
    const bool gives_address = one.kind == trace::Kind::map || one.kind == trace::Kind::map_file;
    return gives_address ? static_cast<long>(one.address) : 0;
}

void replay(const trace::Table& table, Report& report) {
    std::uint64_t done = 0;
    const std::uint64_t begun = time_stamp();
    for (const trace::Call& one : table.calls) {
        const long result = make(one);
        if (result != wanted(one)) {
            report.result = result;
            break;
        }
        if (one.has(trace::is_written)) touch(static_cast<long>(one.address), one.bytes);
        if (one.has(trace::is_read)) read_all(static_cast<long>(one.address), one.bytes);
        ++done;
    }
    report.time = time_stamp() - begun;
    report.done = done;
}

} // namespace

void measure_replay(long number) {
    const char* const name = traces[number];
    char path[64];
    snprintf(path, sizeof path, "/traces/%s.calls", name);
    std::size_t bytes = 0;
    const void* const memory = read_table(path, bytes);
    const trace::Table table = trace::Table::of(memory, bytes);
    if (table.header == nullptr || table.file_bytes.size() > most_files) fail(path, -ENOEXEC);
    for (std::size_t i = 0; i < table.file_bytes.size(); ++i)
        files[i] = make_cached_file(i, table.file_bytes[i]);
    auto& report = *reinterpret_cast<Report*>(
        must(map(page_size, read_write, MAP_SHARED | MAP_ANONYMOUS), "report"));
    check_own_mappings(table);
    for (int i = -1; i < runs; ++i) {
        report = {};
        const pid_t child = fork();
        if (child == 0) {
            replay(table, report);
            _exit(0);
        }
        int status = -1;
        waitpid(child, &status, 0);
        if (status != 0) fail(name, status);
        if (report.done != table.calls.size()) {
            say("# %s: call %lu gave %ld\n", name, report.done, report.result);
            fail(name, report.result);
        }
        if (i >= 0) first.add(0, report.time);
    }
    first.print(table.header->operations, "replay_%s", name);
}

} // namespace peer
