// SPDX-License-Identifier: MIT
// Rows about the pages of a cached file: a memory object that is resident.
#include "user/bench/rows.hpp"
#include "user/bench/samples.hpp"
#include "user/lib/handle.hpp"

namespace bench {

namespace {

constexpr std::uint64_t bytes = 16 * mebibyte;
constexpr std::uint64_t pages = bytes / page_size;
constexpr std::uint32_t read_write = abi::access_read | abi::access_write;

/// How neighbouring pages are mapped.
enum class Neighbours : std::uint8_t {
    differ, ///< in rights, so that there is a fault for each
    alike,  ///< a fault may map them with the page that it is about
    tables, ///< the same, and so that they fill page tables of the file's
};

void measure_file(std::string_view row, abi::Handle file, Neighbours neighbours, bool writes) {
    Samples samples(8);
    for (int i = 0; i < 8; ++i) {
        const std::uint32_t access = writes ? read_write : std::uint32_t{abi::access_read};
        // Where page tables of the space and of the file don't fit, there is one page more.
        const std::uint64_t offset = neighbours == Neighbours::tables ? 0 : page_size;
        const std::uint64_t address =
            must(user::map_object(file, 0, bytes, access, writes ? abi::map_private : 0U, offset),
                 "map");
        for (std::uint64_t at = 0; neighbours == Neighbours::differ && at < bytes;
             at += 2 * page_size)
            must(user::protect(address + at, page_size, abi::access_read | abi::access_execute),
                 "protect");
        const std::uint64_t begun = time_stamp();
        if (writes)
            touch(address, bytes);
        else
            read_all(address, bytes);
        const std::uint64_t ended = time_stamp();
        must(user::unmap(address, bytes), "unmap");
        if (i != 0) samples.add(begun, ended);
    }
    samples.print(row, pages);
}

} // namespace

void measure_files() {
    constexpr std::uint64_t length = bytes + page_size;
    const user::OwnedHandle file(must(user::memory_create(length), "memory"));
    const std::uint64_t all = must(user::map_object(file.get(), 0, length, read_write), "map");
    touch(all, length);
    must(user::unmap(all, length), "unmap");
    measure_file("file_shared_readfault_grafted_per_page", file.get(), Neighbours::tables, false);
    measure_file("file_shared_readfault_around64K_per_page", file.get(), Neighbours::alike, false);
    measure_file("file_shared_readfault_around4K_per_page", file.get(), Neighbours::differ, false);
    measure_file("file_private_writefault_around64K_per_page", file.get(), Neighbours::alike, true);
}

} // namespace bench
