// SPDX-License-Identifier: MIT
// Rows about faults, mapping and unmapping, and protection.
#include "user/bench/rows.hpp"
#include "user/bench/samples.hpp"

namespace bench {

void measure_faults() {
    constexpr std::uint64_t bytes = 64 * mebibyte;
    constexpr std::uint64_t pages = bytes / page_size;
    Samples faults(8);
    Samples unmaps(8);
    for (int i = 0; i < 8; ++i) {
        const std::uint64_t address = must(user::map(bytes), "map");
        const std::uint64_t begun = time_stamp();
        touch(address, bytes);
        const std::uint64_t touched = time_stamp();
        (void)user::unmap(address, bytes);
        const std::uint64_t ended = time_stamp();
        if (i == 0) continue;
        faults.add(begun, touched);
        unmaps.add(touched, ended);
    }
    faults.print("anon_fault_4k_per_page", pages);
    unmaps.print("munmap_64M_touched_per_page", pages);

    Samples each(pages);
    const std::uint64_t address = must(user::map(bytes), "map");
    for (std::uint64_t at = 0; at < bytes; at += page_size) {
        const std::uint64_t begun = time_stamp();
        *reinterpret_cast<volatile char*>(address + at) = 1;
        each.add(begun, time_stamp());
    }
    each.print("anon_fault_4k_each");
    must(user::unmap(address, bytes), "unmap");

    Samples reads(8);
    for (int i = 0; i < 6; ++i) {
        const std::uint64_t zeros = must(user::map(bytes), "map");
        const std::uint64_t begun = time_stamp();
        read_all(zeros, bytes);
        const std::uint64_t ended = time_stamp();
        if (i != 0) reads.add(begun, ended);
        must(user::unmap(zeros, bytes), "unmap");
    }
    reads.print("anon_readfault_zeropage_per_page", pages);
}

void measure_huge() {
    constexpr std::uint64_t bytes = 64 * mebibyte;
    constexpr std::uint64_t large = 2 * mebibyte;
    Samples faults(8);
    Samples unmaps(8);
    for (int i = 0; i < 6; ++i) {
        const std::uint64_t address = must(user::map(bytes, {.flags = abi::map_huge}), "map");
        const std::uint64_t begun = time_stamp();
        for (std::uint64_t at = 0; at < bytes; at += large)
            *reinterpret_cast<volatile char*>(address + at) = 1;
        const std::uint64_t touched = time_stamp();
        const auto run =
            must(user::nearest(abi::no_handle, address, abi::Direction::up), "nearest");
        const std::uint64_t looked = time_stamp();
        (void)user::unmap(address, bytes);
        const std::uint64_t ended = time_stamp();
        if (run.present != bytes / page_size || run.levels != 2)
            return fail("thp_fault_per_2M", "not in pages of 2 MiB");
        if (i == 0) continue;
        faults.add(begun, touched);
        unmaps.add(looked, ended);
    }
    faults.print("thp_fault_per_2M", bytes / large);
    unmaps.print("thp_munmap_per_2M", bytes / large);
}

namespace {

/// Maps and unmaps without a touch.
void measure_map_unmap(std::string_view row, std::uint64_t bytes, std::uint32_t flags) {
    Samples samples(rounds);
    for (int i = -warm_rounds; i < rounds; ++i) {
        const std::uint64_t begun = time_stamp();
        const auto address = user::map(bytes, {.flags = flags});
        if (!address) return fail(row, describe(address.error()));
        (void)user::unmap(*address, bytes);
        const std::uint64_t ended = time_stamp();
        if (i >= 0) samples.add(begun, ended);
    }
    samples.print(row);
}

void measure_map_touch_unmap(std::string_view row) {
    Samples samples(rounds);
    for (int i = -warm_rounds; i < rounds; ++i) {
        const std::uint64_t begun = time_stamp();
        const auto address = user::map(page_size);
        if (!address) return fail(row, describe(address.error()));
        *reinterpret_cast<volatile char*>(*address) = 1;
        (void)user::unmap(*address, page_size);
        const std::uint64_t ended = time_stamp();
        if (i >= 0) samples.add(begun, ended);
    }
    samples.print(row);
}

/// Mappings of a page each, no two neighbours alike, so that none could ever be merged.
void fill(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
        const std::uint32_t access =
            i % 2 != 0 ? abi::access_read : abi::access_read | abi::access_write;
        must(user::map(page_size, {.access = access}), "map");
    }
}

/// A touched page where the next mappings will go, so that their page-table page exists and stays.
void keep_table() {
    const std::uint64_t fence = must(user::map(page_size, {.access = abi::access_read}), "map");
    (void)*reinterpret_cast<volatile char*>(fence);
}

} // namespace

void measure_map_sizes() {
    keep_table();
    measure_map_unmap("mmap_munmap_4K", page_size, 0);
    measure_map_unmap("mmap_munmap_1G", gibibyte, 0);
    measure_map_unmap("mmap_munmap_64G_noreserve", 64 * gibibyte, abi::map_noreserve);
}

void measure_map_counts_0() {
    keep_table();
    measure_map_touch_unmap("mmap_touch_munmap_4K_n0");
}

void measure_map_counts(unsigned count, std::string_view row) {
    fill(count);
    keep_table();
    measure_map_unmap(row, page_size, 0);
}

void measure_fragmented(std::uint64_t holes, std::string_view row) {
    const std::uint64_t region =
        must(user::map(2 * holes * page_size, {.access = abi::access_none, .alignment = page_size}),
             "map");
    for (std::uint64_t i = 0; i < holes; ++i) {
        must(user::unmap(region + (2 * i + 1) * page_size, page_size), "unmap");
    }
    const std::uint64_t end = region + 2 * holes * page_size;
    Samples samples(rounds);
    for (int i = -warm_rounds; i < rounds; ++i) {
        const std::uint64_t begun = time_stamp();
        const auto address = user::map(2 * page_size, {.address = region});
        if (!address) return fail(row, describe(address.error()));
        (void)user::unmap(*address, 2 * page_size);
        const std::uint64_t ended = time_stamp();
        if (*address + page_size < end) return fail(row, "two pages fitted into one");
        if (i >= 0) samples.add(begun, ended);
    }
    samples.print(row);
}

namespace {

void measure_protect(std::uint64_t bytes, int count, std::string_view to_read_only,
                     std::string_view to_read_write) {
    const std::uint64_t address = must(user::map(bytes), "map");
    touch(address, bytes);
    Samples down(static_cast<std::size_t>(count));
    Samples up(static_cast<std::size_t>(count));
    const int warm = count / 100 + 2;
    for (int i = -warm; i < count; ++i) {
        const std::uint64_t begun = time_stamp();
        const auto first = user::protect(address, bytes, abi::access_read);
        const std::uint64_t half = time_stamp();
        const auto second = user::protect(address, bytes, abi::access_read | abi::access_write);
        const std::uint64_t ended = time_stamp();
        if (!first || !second) return fail(to_read_only, "protect failed");
        if (i < 0) continue;
        down.add(begun, half);
        up.add(half, ended);
    }
    down.print(to_read_only);
    up.print(to_read_write);
    must(user::unmap(address, bytes), "unmap");
}

} // namespace

void measure_protect() {
    keep_table();
    measure_protect(page_size, rounds, "mprotect_4K_to_ro", "mprotect_4K_to_rw");
    measure_protect(64 * mebibyte, 20, "mprotect_64M_to_ro", "mprotect_64M_to_rw");
}

/// Bytes that leave the free memory for each mapping, beyond the tables that hold it.
void measure_memory_per_mapping() {
    constexpr unsigned count = 60'000;
    fill(1'000); // whatever is made once is made now
    const auto before = must(user::memory_info(), "memory_info");
    fill(count);
    const auto after = must(user::memory_info(), "memory_info");
    const std::uint64_t used = before.free - after.free;
    const std::uint64_t tables = after.page_tables - before.page_tables;
    Samples samples(1);
    samples.add_figure(used > tables ? (used - tables) * 1024 : 0);
    samples.print("mem_B_per_mapping", count);
}

} // namespace bench
