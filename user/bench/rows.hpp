// SPDX-License-Identifier: MIT
// The groups of rows. A group measures rows that share their preparation, in a process of its own,
// so that none inherits mappings, tables or heap state from another.
#pragma once

#include "lib/result.hpp"
#include "user/lib/calls.hpp"
#include "user/lib/print.hpp"
#include "user/lib/program.hpp"

#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace bench {

struct Group {
    std::string_view name; ///< what `bench --group NAME` takes
    void (*measure)();
    std::span<const std::string_view> rows; ///< what it prints, in order
};

std::span<const Group> groups();

/// Ends the group's process with words when an operation of the preparation fails.
template <typename T>
T must(Result<T> result, std::string_view what) {
    if (!result) {
        user::print("# FAIL {}: {}\n", what, result.error());
        user::exit(user::status_failure);
    }
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// Writes a byte into each page of the range.
inline void touch(std::uint64_t address, std::uint64_t bytes) {
    for (std::uint64_t at = 0; at < bytes; at += page_size) {
        *reinterpret_cast<volatile char*>(address + at) = 1;
    }
}

/// Reads a byte of each page of the range.
inline void read_all(std::uint64_t address, std::uint64_t bytes) {
    for (std::uint64_t at = 0; at < bytes; at += page_size) {
        (void)*reinterpret_cast<volatile char*>(address + at);
    }
}

inline constexpr std::uint64_t mebibyte = 1 << 20;
inline constexpr std::uint64_t gibibyte = 1 << 30;
/// Rounds that warm up, and rounds that are measured, for small operations.
inline constexpr int warm_rounds = 100;
inline constexpr int rounds = 20'000;

// Groups, by file.
void measure_boot();
void measure_null();
void measure_faults();
void measure_huge();
void measure_map_sizes();
void measure_map_counts_0();
/// With so many mappings.
void measure_map_counts(unsigned count, std::string_view row);
/// Above so many holes of one page.
void measure_fragmented(std::uint64_t holes, std::string_view row);
void measure_protect();
void measure_files();
void measure_upcalls();
/// By a process with so many MiB touched.
void measure_spawn(std::uint64_t mebibytes, std::string_view row);
/// The same. `whole`: the row until the child was reaped; none.
void measure_fork(std::uint64_t mebibytes, std::string_view call, std::string_view whole = {});
void measure_cow();
void measure_cow_first();
void measure_thread();
void measure_yield();
void measure_ipc();
void measure_notification();
void measure_memory_per_mapping();
/// The trace of which the boot archive has the table of calls at `path`.
void measure_replay(std::string_view row, std::string_view path);

/// Serves as the other side in `measure_ipc`: `bench --echo`.
int serve_echo();
/// Serves as the other side in `measure_notification`: `bench --pong`.
int serve_pong();

} // namespace bench
