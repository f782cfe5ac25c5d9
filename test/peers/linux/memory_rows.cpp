// SPDX-License-Identifier: MIT
// Rows about the null call, faults, mapping and unmapping, protection: user/bench/memory_rows.cpp.
#include "peer.hpp"

#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

namespace peer {

namespace {

/// Memory whose pages stay of 4 KiB.
long map_small(std::size_t bytes) {
    const long address = must(map(bytes), "mmap");
    must(call(SYS_madvise, address, static_cast<long>(bytes), MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
    return address;
}

/// A touched page above where the next mappings will go, in the same 2 MiB, so that their
/// page-table page exists and stays. Nothing that is mapped later can be merged with it.
void keep_table() {
    const long fence = must(map(page_size, PROT_READ | PROT_EXEC), "fence");
    (void)*at(fence);
    if (fence % static_cast<long>(2 * mebibyte) != 0) return;
    (void)*at(must(map(page_size, PROT_READ), "fence"));
}

} // namespace

long touched(long mebibytes) {
    const std::size_t bytes = static_cast<std::size_t>(mebibytes) * mebibyte;
    const long address = map_small(bytes);
    touch(address, bytes);
    return address;
}

long mappings() {
    static char text[64 * kibibyte];
    const int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    long lines = 0;
    for (long got = 0; (got = read(file, text, sizeof text)) > 0;) {
        for (long i = 0; i < got; ++i) lines += text[i] == '\n';
    }
    close(file);
    return lines;
}

void measure_null(long) {
    for (int i = -warm_rounds; i < rounds; ++i) {
        const std::uint64_t begun = time_stamp();
        call(SYS_getppid);
        const std::uint64_t ended = time_stamp();
        if (i >= 0) first.add(begun, ended);
    }
    first.print(1, "null_getppid");
}

void measure_faults(long) {
    constexpr std::size_t bytes = 64 * mebibyte;
    constexpr double pages = bytes / page_size;
    for (int i = 0; i < 8; ++i) {
        const long address = map_small(bytes);
        const std::uint64_t begun = time_stamp();
        touch(address, bytes);
        const std::uint64_t full = time_stamp();
        unmap(address, bytes);
        const std::uint64_t ended = time_stamp();
        if (i == 0) continue;
        first.add(begun, full);
        second.add(full, ended);
    }
    first.print(pages, "anon_fault_4k_per_page");
    second.print(pages, "munmap_64M_touched_per_page");
    const long each = map_small(bytes);
    for (std::size_t offset = 0; offset < bytes; offset += page_size) {
        const std::uint64_t begun = time_stamp();
        *at(each + static_cast<long>(offset)) = 1;
        first.add(begun, time_stamp());
    }
    first.print(1, "anon_fault_4k_each");
    unmap(each, bytes);
    for (int i = 0; i < 6; ++i) {
        const long zeros = map_small(bytes);
        const std::uint64_t begun = time_stamp();
        read_all(zeros, bytes);
        const std::uint64_t ended = time_stamp();
        unmap(zeros, bytes);
        if (i != 0) first.add(begun, ended);
    }
    first.print(pages, "anon_readfault_zeropage_per_page");
}

void measure_huge(long) {
    constexpr std::size_t bytes = 64 * mebibyte;
    constexpr std::size_t large = 2 * mebibyte;
    constexpr const char* made = "thp_fault_alloc ";
    const long before = number_behind("/proc/vmstat", made);
    for (int i = 0; i < 6; ++i) {
        const long whole = must(map(bytes + large), "mmap");
        const long address = (whole + static_cast<long>(large) - 1) & -static_cast<long>(large);
        must(call(SYS_madvise, whole, bytes + large, MADV_HUGEPAGE), "MADV_HUGEPAGE");
        const std::uint64_t begun = time_stamp();
        touch(address, bytes, large);
        const std::uint64_t full = time_stamp();
        unmap(whole, bytes + large);
        const std::uint64_t ended = time_stamp();
        if (i == 0) continue;
        first.add(begun, full);
        second.add(full, ended);
    }
    const long pages = number_behind("/proc/vmstat", made) - before;
    if (pages != 6 * bytes / large) fail("thp_fault_per_2M: not in pages of 2 MiB", pages);
    first.print(bytes / large, "thp_fault_per_2M");
    second.print(bytes / large, "thp_munmap_per_2M");
}

namespace {

void measure_map_unmap(const char* row, std::size_t bytes, int flags = 0) {
    for (int i = -warm_rounds; i < rounds; ++i) {
        const std::uint64_t begun = time_stamp();
        const long address = map(bytes, read_write, anonymous | flags);
        unmap(address, bytes);
        const std::uint64_t ended = time_stamp();
        if (i >= 0) first.add(begun, ended);
        must(address, row);
    }
    first.print(1, "%s", row);
}

/// Mappings of a page each, no two neighbours alike, so that none can be merged.
void fill(long count) {
    for (long i = 0; i < count; ++i)
        must(map(page_size, i % 2 != 0 ? PROT_READ : read_write), "filler");
}

} // namespace

void measure_map_sizes(long) {
    keep_table();
    measure_map_unmap("mmap_munmap_4K", page_size);
    measure_map_unmap("mmap_munmap_1G", gibibyte);
    measure_map_unmap("mmap_munmap_64G_noreserve", 64 * gibibyte, MAP_NORESERVE);
}

void measure_map_counts(long count) {
    fill(count);
    keep_table();
    char row[64];
    snprintf(row, sizeof row, "mmap_munmap_4K_n%ld", count);
    if (count != 0) {
        say("# %s: %ld mappings in all\n", row, mappings());
        return measure_map_unmap(row, page_size);
    }
    for (int i = -warm_rounds; i < rounds; ++i) {
        const std::uint64_t begun = time_stamp();
        const long address = map(page_size);
        *at(address) = 1;
        unmap(address, page_size);
        const std::uint64_t ended = time_stamp();
        if (i >= 0) first.add(begun, ended);
    }
    first.print(1, "mmap_touch_munmap_4K_n0");
}

void measure_fragmented(long holes) {
    char row[64];
    snprintf(row, sizeof row, "frag%ld_mmap_munmap_2p_skip_all", holes);
    constexpr auto page = static_cast<long>(page_size);
    const long region =
        must(map(static_cast<std::size_t>(2 * holes) * page_size, PROT_NONE), "region");
    for (long i = 1; i < 2 * holes; i += 2) must(unmap(region + i * page, page_size), "punch");
    // Linux places from above: the first room for two pages lies below all holes.
    const long probe = must(map(2 * page_size), row);
    must(unmap(probe, 2 * page_size), row);
    if (probe >= region) fail("frag: two pages went above the holes", probe);
    measure_map_unmap(row, 2 * page_size);
}

namespace {

void measure_protect_of(std::size_t bytes, int count, const char* to_read_only,
                        const char* to_read_write) {
    const long address = map_small(bytes);
    touch(address, bytes);
    for (int i = -(count / 100 + 2); i < count; ++i) {
        const std::uint64_t begun = time_stamp();
        const long down = protect(address, bytes, PROT_READ);
        const std::uint64_t half = time_stamp();
        const long up = protect(address, bytes, read_write);
        const std::uint64_t ended = time_stamp();
        if (down != 0 || up != 0) fail(to_read_only, down | up);
        if (i < 0) continue;
        first.add(begun, half);
        second.add(half, ended);
    }
    first.print(1, "%s", to_read_only);
    second.print(1, "%s", to_read_write);
    must(unmap(address, bytes), "munmap");
}

/// Bytes in use of the slab caches that hold what Linux knows of mappings.
double slab_bytes() {
    static char text[256 * kibibyte];
    if (read_text("/proc/slabinfo", text, sizeof text) < 0) fail("/proc/slabinfo", -1);
    constexpr const char* caches[] = {"\nvm_area_struct ", "\nvma_lock ", "\nmaple_node ",
                                      "\nanon_vma ", "\nanon_vma_chain "};
    double bytes = 0;
    for (const char* cache : caches) {
        const char* line = __builtin_strstr(text, cache);
        long active = 0;
        long size = 0;
        if (line == nullptr || sscanf(line, "%*s %ld %*d %ld", &active, &size) != 2) fail(cache, 0);
        bytes += static_cast<double>(active * size);
    }
    return bytes;
}

} // namespace

void measure_protect(long) {
    must(map(page_size, PROT_READ | PROT_EXEC), "fence");
    measure_protect_of(page_size, rounds, "mprotect_4K_to_ro", "mprotect_4K_to_rw");
    measure_protect_of(64 * mebibyte, 20, "mprotect_64M_to_ro", "mprotect_64M_to_rw");
}

void measure_memory_per_mapping(long count) {
    sleep_milliseconds(1000); // what is freed later is freed now
    const double before = slab_bytes();
    fill(count);
    sleep_milliseconds(1000);
    first.add_figure(static_cast<std::uint64_t>(slab_bytes() - before));
    first.print(static_cast<double>(count), "mem_B_per_mapping");
}

} // namespace peer
