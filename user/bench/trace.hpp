// SPDX-License-Identifier: MIT
// A recorded trace (test/workloads/README.md) as a table of calls, made by tools/compile_trace.py:
// nothing is left to be decided while it is replayed and timed. Tabula's benchmark and the Linux
// peer (test/peers/linux) read the same table and make the same calls in the same order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace trace {

enum class Kind : std::uint8_t { map, map_file, unmap, protect, discard, remap, fork };

enum Flag : std::uint8_t {
    is_private = 1,   ///< map_file: what is written is the mapping's own
    is_noreserve = 2, ///< map, map_file
    is_refused = 4,   ///< has to be refused, since not all of the range is mapped
    is_read = 8,      ///< each page is read once behind the call
    is_written = 16   ///< each page is written once behind the call
};

struct Call {
    std::uint64_t address;
    std::uint64_t bytes;     ///< whole pages
    std::uint64_t other;     ///< map_file: offset in the file; remap: the new address
    std::uint64_t new_bytes; ///< remap
    std::uint32_t file;      ///< map_file
    Kind kind;
    std::uint8_t access; ///< read 1, write 2, execute 4
    std::uint8_t flags;
    std::uint8_t zero;

    bool has(Flag flag) const { return (flags & flag) != 0; }
};
static_assert(sizeof(Call) == 40);

struct Header {
    char magic[8];            ///< "tabcalls"
    std::uint32_t operations; ///< of the trace: figures are per operation
    std::uint32_t calls;
    std::uint32_t files;
    std::uint32_t zero;
};
static_assert(sizeof(Header) == 24);

/// A table in memory: the header, the size of each file in bytes, the calls.
struct Table {
    const Header* header = nullptr;
    std::span<const std::uint64_t> file_bytes;
    std::span<const Call> calls;

    /// What stands in memory, which is aligned for it, or a table without a header.
    static Table of(const void* memory, std::size_t bytes) {
        const auto* const header = static_cast<const Header*>(memory);
        if (bytes < sizeof(Header) || std::memcmp(header->magic, "tabcalls", 8) != 0) return {};
        const std::size_t files = header->files;
        const std::size_t calls = header->calls;
        if (bytes != sizeof(Header) + files * sizeof(std::uint64_t) + calls * sizeof(Call))
            return {};
        const auto* const sizes = reinterpret_cast<const std::uint64_t*>(header + 1);
        return {header, {sizes, files}, {reinterpret_cast<const Call*>(sizes + files), calls}};
    }
    /// Whether any call is about addresses of the range.
    bool concerns(std::uint64_t start, std::uint64_t end) const {
        for (const Call& call : calls) {
            if (call.address < end && start < call.address + call.bytes) return true;
            if (call.kind == Kind::remap && call.other < end && start < call.other + call.new_bytes)
                return true;
        }
        return false;
    }
};

} // namespace trace
