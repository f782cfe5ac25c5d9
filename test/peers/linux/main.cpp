// SPDX-License-Identifier: MIT
// The guest's first process: makes what it needs, measures group after group, and ends the machine.
#include "peer.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

namespace {

using namespace peer;

struct Entry {
    const char* name;
    Group measure;
    long argument;
    /// Few, where the process's own size is part of what is measured.
    std::size_t samples = Samples::capacity;
    bool waits = false; ///< for time to pass: not all of it is instructions
};

constexpr Entry first_groups[] = {
    {"null", measure_null, 0},
    {"faults", measure_faults, 0},
    {"huge", measure_huge, 0},
    {"map", measure_map_sizes, 0},
    {"map", measure_map_counts, 0},
    {"map", measure_map_counts, 10},
    {"map", measure_map_counts, 100},
    {"map", measure_map_counts, 662},
    {"map", measure_map_counts, 2'000},
    {"map", measure_map_counts, 20'000},
    {"map", measure_map_counts, 60'000},
    {"fragmented", measure_fragmented, 20},
    {"fragmented", measure_fragmented, 200},
    {"fragmented", measure_fragmented, 2'000},
    {"fragmented", measure_fragmented, 20'000},
    {"protect", measure_protect, 0},
    {"fork", measure_fork, 0, 2'200},
    {"fork", measure_fork, 4, 2'200},
    {"fork", measure_fork, 16, 2'200},
    {"fork", measure_fork, 64, 2'200},
    {"fork", measure_fork, 256, 2'200},
    {"fork", measure_fork, 1'024, 2'200},
    {"cow", measure_cow, 0, 2'200},
    {"cow", measure_cow_first, 0, 2'200},
    {"spawn", measure_spawn, 0, 2'200},
    {"spawn", measure_spawn, 1'024, 2'200},
    {"thread", measure_thread, 0, 2'200},
    {"pipe", measure_pipe, 0},
    {"futex", measure_futex, 0},
    {"packets", measure_packets, 8},
    {"packets", measure_packets, 4096},
    {"yield", measure_yield, 0},
};
constexpr Entry file_groups[] = {
    {"file", measure_file, 65536},
    {"file", measure_file, 4096},
};
constexpr Entry last_groups[] = {
    {"signals", measure_signals, 0},
    {"memory", measure_memory_per_mapping, 60'000, 2'200, true},
    {"replay", measure_replay, 0, 2'200},
    {"replay", measure_replay, 1, 2'200},
    {"replay", measure_replay, 2, 2'200},
    {"replay", measure_replay, 3, 2'200},
};

/// Idle seconds so far.
double idle_seconds() {
    char text[128];
    double up = 0;
    double idle = 0;
    if (read_text("/proc/uptime", text, sizeof text) > 0) sscanf(text, "%lf %lf", &up, &idle);
    return idle;
}

/// In a child, with the console idle and deferred work done.
void run(const Entry& entry) {
    tcdrain(1);
    sleep_milliseconds(200);
    const double before = idle_seconds();
    const pid_t child = fork();
    if (child == 0) {
        first.prepare(entry.samples);
        second.prepare(entry.samples);
        entry.measure(entry.argument);
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    const double idle = idle_seconds() - before;
    if (status != 0)
        say("# FAIL %s(%ld): its process ended with %#x\n", entry.name, entry.argument,
            static_cast<unsigned>(status));
    if (idle > 0 && !entry.waits)
        say("# FAIL %s(%ld): idle for %.2f s, so that counts are no instructions\n", entry.name,
            entry.argument, idle);
}

void mount_all() {
    constexpr const char* places[][3] = {{"proc", "/proc", "proc"},
                                         {"sysfs", "/sys", "sysfs"},
                                         {"debugfs", "/sys/kernel/debug", "debugfs"},
                                         {"tmpfs", "/t", "tmpfs"},
                                         {"devtmpfs", "/dev", "devtmpfs"}};
    for (const char* directory : {"/proc", "/sys", "/t"}) mkdir(directory, 0755);
    for (const auto& [source, place, kind] : places) mount(source, place, kind, 0, nullptr);
}

/// Which kernel this is, and how it was asked to be.
void tell_about_the_kernel() {
    utsname name{};
    uname(&name);
    say("# Linux %s %s\n", name.release, name.version);
    char words[900] = "";
    read_text("/proc/cmdline", words, sizeof words);
    words[strcspn(words, "\n")] = 0;
    say("# %s\n", words);
}

void measure_stamp_cost() {
    stamp_cost = ~std::uint64_t{0};
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t begun = time_stamp();
        stamp_cost = std::min(stamp_cost, time_stamp() - begun);
    }
}

[[noreturn]] void end() {
    say("# end\n");
    tcdrain(1);
    sleep_milliseconds(50);
    if (iopl(3) == 0) outl(0, 0xf4); // the exit device
    reboot(RB_POWER_OFF);
    for (;;) pause();
}

} // namespace

int main() {
    const std::uint64_t born = time_stamp();
    mount_all();
    say("boot_tsc_at_init\t1\t%lu\t%lu\t%lu\n", born, born, born);
    write_text("/proc/sys/vm/max_map_count", "400000");
    constexpr const char* huge = "/sys/kernel/mm/transparent_hugepage/";
    char name[128];
    snprintf(name, sizeof name, "%skhugepaged/scan_sleep_millisecs", huge);
    write_text(name, "4000000000");
    snprintf(name, sizeof name, "%senabled", huge);
    write_text(name, "madvise");
    tell_about_the_kernel();
    sleep_milliseconds(15'000); // late work of the boot ends; idle time costs nothing here
    measure_stamp_cost();
    for (const Entry& entry : first_groups) run(entry);
    make_file();
    for (const Entry& entry : file_groups) run(entry);
    remove_file();
    for (const Entry& entry : last_groups) run(entry);
    end();
}
