// SPDX-License-Identifier: MIT
// Rows about two processes or threads that take turns: what Linux has for user/bench's calls.
#include "peer.hpp"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace peer {

namespace {

constexpr int count = 10'000;
alignas(page_size) char message[page_size];

/// Sends so many bytes to a process that sends them back.
void measure_echo(const int (&there)[2], const int (&back)[2], long bytes, const char* row) {
    const long child = must(call(SYS_fork), "fork");
    const long text = reinterpret_cast<long>(message);
    touch(text, sizeof message);
    if (child == 0) {
        close(there[1]);
        if (back[0] != there[1]) close(back[0]);
        while (call(SYS_read, there[0], text, bytes) == bytes)
            if (call(SYS_write, back[1], text, bytes) != bytes) break;
        call(SYS_exit_group, 0);
    }
    close(there[0]);
    if (back[1] != there[0]) close(back[1]);
    for (int i = -warm_rounds; i < count; ++i) {
        const std::uint64_t begun = time_stamp();
        const long written = call(SYS_write, there[1], text, bytes);
        const long got = call(SYS_read, back[0], text, bytes);
        const std::uint64_t ended = time_stamp();
        if (written != bytes || got != bytes) fail(row, got);
        if (i >= 0) first.add(begun, ended);
    }
    close(there[1]);
    call(SYS_wait4, child, 0, 0, 0);
    if (bytes == 1)
        first.print(1, "%s", row);
    else
        first.print(1, "ipc_seqpacket_%ldB_roundtrip", bytes);
}

} // namespace

void measure_pipe(long) {
    int there[2];
    int back[2];
    if (pipe(there) != 0 || pipe(back) != 0) fail("pipe", 0);
    measure_echo(there, back, 1, "ipc_pipe_1B_roundtrip");
}

void measure_packets(long bytes) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) fail("socketpair", 0);
    const int there[2] = {pair[1], pair[0]};
    const int back[2] = {pair[0], pair[1]};
    measure_echo(there, back, bytes, "ipc_seqpacket_roundtrip");
}

void measure_futex(long) {
    const long address = must(map(page_size, read_write, MAP_SHARED | MAP_ANONYMOUS), "shared");
    volatile int* const turn = reinterpret_cast<volatile int*>(address);
    *turn = 0;
    const long child = must(call(SYS_fork), "fork");
    while (child == 0) {
        int seen = 0;
        while ((seen = *turn) == 0) call(SYS_futex, address, FUTEX_WAIT, 0, 0);
        if (seen == 2) call(SYS_exit_group, 0);
        *turn = 0;
        call(SYS_futex, address, FUTEX_WAKE, 1);
    }
    for (int i = -warm_rounds; i < count; ++i) {
        const std::uint64_t begun = time_stamp();
        *turn = 1;
        call(SYS_futex, address, FUTEX_WAKE, 1);
        while (*turn == 1) call(SYS_futex, address, FUTEX_WAIT, 1, 0);
        const std::uint64_t ended = time_stamp();
        if (i >= 0) first.add(begun, ended);
    }
    *turn = 2;
    call(SYS_futex, address, FUTEX_WAKE, 1);
    call(SYS_wait4, child, 0, 0, 0);
    first.print(1, "ipc_futex_shared_roundtrip");
}

namespace {

volatile bool stop;

void* yield_until_stopped(void* argument) {
    while (!stop) call(SYS_sched_yield);
    return argument;
}

std::uint64_t switches() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::uint64_t>(usage.ru_nvcsw + usage.ru_nivcsw);
}

} // namespace

void measure_yield(long) {
    pthread_t other{};
    if (pthread_create(&other, nullptr, yield_until_stopped, nullptr) != 0)
        fail("pthread_create", 0);
    constexpr int yields = 1'000;
    for (int i = 0; i < 21; ++i) {
        const std::uint64_t before = switches();
        const std::uint64_t begun = time_stamp();
        for (int n = 0; n < yields; ++n) call(SYS_sched_yield);
        const std::uint64_t ended = time_stamp();
        const std::uint64_t made = switches() - before;
        // Each yield of either must have been a switch, or the figure would mean something else.
        if (made < 2 * yields - yields / 50)
            fail("switch_by_sched_yield: switches", static_cast<long>(made));
        if (i != 0) first.add_figure((ended - begun) / made);
    }
    stop = true;
    pthread_join(other, nullptr);
    first.print(1, "switch_by_sched_yield");
}

} // namespace peer
