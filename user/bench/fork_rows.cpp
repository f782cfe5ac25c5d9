// SPDX-License-Identifier: MIT
// Rows about fork and copy on write.
#include "user/bench/rows.hpp"
#include "user/bench/samples.hpp"
#include "user/lib/handle.hpp"

namespace bench {

namespace {

/// A copy of this process, or nothing in the copy. Nobody else uses the runtime here.
Result<abi::Handle> fork() { return user::fork_process(); }

/// Waits for a copy's end and forgets it.
bool reap(abi::Handle child) {
    const auto status = user::process_wait(child);
    (void)user::handle_close(child);
    return status && *status == 0;
}

/// Memory of so many bytes, touched by pages of 4 KiB.
std::uint64_t touched(std::uint64_t bytes) {
    const std::uint64_t address = must(user::map(bytes), "map");
    touch(address, bytes);
    return address;
}

} // namespace

void measure_fork(std::uint64_t mebibytes, std::string_view call, std::string_view whole) {
    if (mebibytes != 0) (void)touched(mebibytes * mebibyte);
    const int count = mebibytes >= 256 ? 20 : mebibytes != 0 ? 100 : 1'000;
    Samples calls(static_cast<std::size_t>(count));
    Samples wholes(static_cast<std::size_t>(count));
    for (int i = -20; i < count; ++i) {
        const std::uint64_t begun = time_stamp();
        const auto child = fork();
        if (child && *child == abi::no_handle) user::process_exit(0);
        const std::uint64_t forked = time_stamp();
        if (!child) return fail(call, describe(child.error()));
        const bool good = reap(*child);
        const std::uint64_t ended = time_stamp();
        if (!good) return fail(call, "the child failed");
        if (i < 0) continue;
        calls.add(begun, forked);
        wholes.add(begun, ended);
    }
    calls.print(call);
    if (!whole.empty()) wholes.print(whole);
}

namespace {

/// A copy that stays until the notification is signalled, and has come to wait for it.
Result<abi::Handle> fork_and_wait(abi::Handle end) {
    const abi::Handle child = TRY(fork());
    if (child == abi::no_handle) {
        (void)user::wait(end);
        user::process_exit(0);
    }
    user::yield();
    return child;
}

std::uint64_t time_of_touch(std::uint64_t address, std::uint64_t bytes) {
    const std::uint64_t begun = time_stamp();
    touch(address, bytes);
    return time_stamp() - begun;
}

} // namespace

/// All pages written while a copy has them too; and again when that copy, and another, have ended.
void measure_cow() {
    constexpr std::string_view row = "cow_fault_copy_per_page";
    constexpr std::uint64_t bytes = 64 * mebibyte;
    constexpr std::uint64_t pages = bytes / page_size;
    const user::OwnedHandle end(must(user::notification_create(), "notification"));
    const std::uint64_t address = touched(bytes);
    Samples copies(4);
    Samples reuses(4);
    for (int i = -1; i < 4; ++i) {
        const auto shared = must(fork_and_wait(end.get()), "fork");
        const std::uint64_t copying = time_of_touch(address, bytes);
        must(user::signal(end.get(), 1), "signal");
        if (!reap(shared)) return fail(row, "the child failed");
        const auto gone = must(fork(), "fork");
        if (gone == abi::no_handle) user::process_exit(0);
        if (!reap(gone)) return fail(row, "the child failed");
        const std::uint64_t reusing = time_of_touch(address, bytes);
        if (i < 0) continue;
        copies.add(0, copying);
        reuses.add(0, reusing);
    }
    copies.print(row, pages);
    reuses.print("cow_fault_reuse_per_page", pages);
}

/// The first write to each of 32 full tables while a copy has them too.
void measure_cow_first() {
    constexpr std::string_view row = "cow_first_in_table";
    constexpr std::uint64_t bytes = 64 * mebibyte;
    constexpr std::uint64_t table = 2 * mebibyte;
    const user::OwnedHandle end(must(user::notification_create(), "notification"));
    const std::uint64_t address = touched(bytes);
    Samples samples(4 * bytes / table);
    for (int i = -1; i < 4; ++i) {
        const auto child = must(fork_and_wait(end.get()), "fork");
        for (std::uint64_t at = address; at < address + bytes; at += table) {
            const std::uint64_t begun = time_stamp();
            *reinterpret_cast<volatile char*>(at) = 1;
            const std::uint64_t ended = time_stamp();
            if (i >= 0) samples.add(begun, ended);
        }
        must(user::signal(end.get(), 1), "signal");
        if (!reap(child)) return fail(row, "the child failed");
        touch(address, bytes); // alone again
    }
    samples.print(row);
}

} // namespace bench
