// SPDX-License-Identifier: MIT
// bench: measures what operations cost. Prints remarks that begin with #, then a line for each row:
//
//   name <TAB> ops <TAB> median <TAB> min <TAB> mean
//
// Figures are time-stamp counts an operation, less the cost of the stamps: with QEMU's
// -icount shift=0 they are guest instructions, and the same in every run.
#include "user/bench/rows.hpp"
#include "user/bench/samples.hpp"
#include "user/lib/print.hpp"
#include "user/lib/program.hpp"
#include "user/lib/spawn.hpp"

#include <algorithm>

namespace bench {

namespace {

constexpr std::string_view boot_rows[] = {"boot_tsc_at_init"};
constexpr std::string_view null_rows[] = {"null_getppid"};
constexpr std::string_view fault_rows[] = {"anon_fault_4k_per_page", "munmap_64M_touched_per_page",
                                           "anon_fault_4k_each",
                                           "anon_readfault_zeropage_per_page"};
constexpr std::string_view huge_rows[] = {"thp_fault_per_2M", "thp_munmap_per_2M"};
constexpr std::string_view map_rows[] = {"mmap_munmap_4K", "mmap_munmap_1G",
                                         "mmap_munmap_64G_noreserve"};
constexpr std::string_view count_0_rows[] = {"mmap_touch_munmap_4K_n0"};
constexpr std::string_view count_10_rows[] = {"mmap_munmap_4K_n10"};
constexpr std::string_view count_100_rows[] = {"mmap_munmap_4K_n100"};
constexpr std::string_view count_662_rows[] = {"mmap_munmap_4K_n662"};
constexpr std::string_view count_2000_rows[] = {"mmap_munmap_4K_n2000"};
constexpr std::string_view count_20000_rows[] = {"mmap_munmap_4K_n20000"};
constexpr std::string_view count_60000_rows[] = {"mmap_munmap_4K_n60000"};
constexpr std::string_view fragmented_20_rows[] = {"frag20_mmap_munmap_2p_skip_all"};
constexpr std::string_view fragmented_200_rows[] = {"frag200_mmap_munmap_2p_skip_all"};
constexpr std::string_view fragmented_2000_rows[] = {"frag2000_mmap_munmap_2p_skip_all"};
constexpr std::string_view fragmented_20000_rows[] = {"frag20000_mmap_munmap_2p_skip_all"};
constexpr std::string_view protect_rows[] = {"mprotect_4K_to_ro", "mprotect_4K_to_rw",
                                             "mprotect_64M_to_ro", "mprotect_64M_to_rw"};
constexpr std::string_view file_rows[] = {
    "file_shared_readfault_grafted_per_page", "file_shared_readfault_around64K_per_page",
    "file_shared_readfault_around4K_per_page", "file_private_writefault_around64K_per_page"};
constexpr std::string_view upcall_rows[] = {"sigsegv_handler_skips", "sigsegv_handler_mprotects"};
constexpr std::string_view spawn_0_rows[] = {"posix_spawn_exit_wait_0M"};
constexpr std::string_view spawn_1024_rows[] = {"posix_spawn_exit_wait_1024M"};
constexpr std::string_view fork_0_rows[] = {"fork_call_only_0M", "fork_exit_wait_0M"};
constexpr std::string_view fork_4_rows[] = {"fork_call_only_4M"};
constexpr std::string_view fork_16_rows[] = {"fork_call_only_16M"};
constexpr std::string_view fork_64_rows[] = {"fork_call_only_64M"};
constexpr std::string_view fork_256_rows[] = {"fork_call_only_256M"};
constexpr std::string_view fork_1024_rows[] = {"fork_call_only_1024M"};
constexpr std::string_view cow_rows[] = {"cow_fault_copy_per_page", "cow_fault_reuse_per_page"};
constexpr std::string_view cow_first_rows[] = {"cow_first_in_table"};
constexpr std::string_view thread_rows[] = {"thread_pthread_create_join"};
constexpr std::string_view yield_rows[] = {"switch_by_sched_yield"};
constexpr std::string_view ipc_rows[] = {"ipc_call_0w", "ipc_call_8B"};
constexpr std::string_view notification_rows[] = {"notify_pingpong"};
constexpr std::string_view memory_rows[] = {"mem_B_per_mapping"};
constexpr std::string_view firefox_rows[] = {"replay_firefox"};
constexpr std::string_view mpv_rows[] = {"replay_mpv"};
constexpr std::string_view cc1plus_rows[] = {"replay_cc1plus"};
constexpr std::string_view python_rows[] = {"replay_python"};

constexpr Group table[] = {
    {"boot", measure_boot, boot_rows},
    {"null", measure_null, null_rows},
    {"faults", measure_faults, fault_rows},
    {"huge", measure_huge, huge_rows},
    {"map", measure_map_sizes, map_rows},
    {"map-0", measure_map_counts_0, count_0_rows},
    {"map-10", [] { measure_map_counts(10, count_10_rows[0]); }, count_10_rows},
    {"map-100", [] { measure_map_counts(100, count_100_rows[0]); }, count_100_rows},
    {"map-662", [] { measure_map_counts(662, count_662_rows[0]); }, count_662_rows},
    {"map-2000", [] { measure_map_counts(2000, count_2000_rows[0]); }, count_2000_rows},
    {"map-20000", [] { measure_map_counts(20000, count_20000_rows[0]); }, count_20000_rows},
    {"map-60000", [] { measure_map_counts(60000, count_60000_rows[0]); }, count_60000_rows},
    {"fragmented-20", [] { measure_fragmented(20, fragmented_20_rows[0]); }, fragmented_20_rows},
    {"fragmented-200", [] { measure_fragmented(200, fragmented_200_rows[0]); },
     fragmented_200_rows},
    {"fragmented-2000", [] { measure_fragmented(2000, fragmented_2000_rows[0]); },
     fragmented_2000_rows},
    {"fragmented-20000", [] { measure_fragmented(20000, fragmented_20000_rows[0]); },
     fragmented_20000_rows},
    {"protect", measure_protect, protect_rows},
    {"files", measure_files, file_rows},
    {"upcalls", measure_upcalls, upcall_rows},
    {"spawn-0", [] { measure_spawn(0, spawn_0_rows[0]); }, spawn_0_rows},
    {"spawn-1024", [] { measure_spawn(1024, spawn_1024_rows[0]); }, spawn_1024_rows},
    {"fork-0", [] { measure_fork(0, fork_0_rows[0], fork_0_rows[1]); }, fork_0_rows},
    {"fork-4", [] { measure_fork(4, fork_4_rows[0]); }, fork_4_rows},
    {"fork-16", [] { measure_fork(16, fork_16_rows[0]); }, fork_16_rows},
    {"fork-64", [] { measure_fork(64, fork_64_rows[0]); }, fork_64_rows},
    {"fork-256", [] { measure_fork(256, fork_256_rows[0]); }, fork_256_rows},
    {"fork-1024", [] { measure_fork(1024, fork_1024_rows[0]); }, fork_1024_rows},
    {"cow", measure_cow, cow_rows},
    {"cow-first", measure_cow_first, cow_first_rows},
    {"thread", measure_thread, thread_rows},
    {"yield", measure_yield, yield_rows},
    {"ipc", measure_ipc, ipc_rows},
    {"notification", measure_notification, notification_rows},
    {"memory", measure_memory_per_mapping, memory_rows},
    {"firefox", [] { measure_replay(firefox_rows[0], "traces/firefox.calls"); }, firefox_rows},
    {"mpv", [] { measure_replay(mpv_rows[0], "traces/mpv.calls"); }, mpv_rows},
    {"cc1plus", [] { measure_replay(cc1plus_rows[0], "traces/cc1plus.calls"); }, cc1plus_rows},
    {"python", [] { measure_replay(python_rows[0], "traces/python.calls"); }, python_rows},
};

const Group* find_group(std::string_view row) {
    for (const Group& group : table) {
        if (group.name == row || std::ranges::find(group.rows, row) != group.rows.end()) {
            return &group;
        }
    }
    return nullptr;
}

/// Measures a group in a process of its own.
void run_group(const Group& group) {
    const std::string_view words[] = {"bench", "--group", group.name};
    const auto status = user::run(words);
    if (!status) {
        fail(group.name, describe(status.error()));
    } else if (*status != 0) {
        fail(group.name, "its process failed");
    }
}

int complain(std::string_view row) {
    user::print("bench: {}: no such row; there are:\n", row);
    for (const Group& group : table) {
        for (const auto name : group.rows) user::print("  {}\n", name);
    }
    return user::status_usage;
}

int measure_here(std::string_view name) {
    const Group* group = find_group(name);
    if (group == nullptr) return user::status_usage;
    group->measure();
    return has_failed() ? user::status_failure : user::status_success;
}

} // namespace

std::span<const Group> groups() { return table; }

} // namespace bench

int user::main(Arguments arguments) {
    const Arguments words = arguments.subspan(1);
    if (words.size() == 2 && words[0] == "--group") return bench::measure_here(words[1]);
    if (words.size() == 1 && words[0] == "--echo") return bench::serve_echo();
    if (words.size() == 1 && words[0] == "--pong") return bench::serve_pong();
    if (words.size() == 1 && words[0] == "--help") {
        (void)bench::complain("usage: bench [ROW]...");
        return status_success;
    }
    for (const auto word : words) {
        if (bench::find_group(word) == nullptr) return bench::complain(word);
    }
    print(
        "# name\tops\tmedian\tmin\tmean (time-stamp counts an operation, less {} for the stamp)\n",
        bench::time_stamp_cost());
    const bench::Group* last = nullptr;
    if (words.empty()) {
        for (const bench::Group& group : bench::groups()) bench::run_group(group);
    }
    for (const auto word : words) {
        const bench::Group* group = bench::find_group(word);
        if (group != last) bench::run_group(*group);
        last = group;
    }
    print("# end\n");
    return bench::has_failed() ? status_failure : status_success;
}
