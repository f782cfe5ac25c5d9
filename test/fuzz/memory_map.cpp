// SPDX-License-Identifier: MIT
// The memory map: ranges in any order, overlapping, not aligned, more than there is room for.
#include "lib/boot_info/memory_map.hpp"

#include "fuzz/fuzz.hpp"
#include "fuzz/memory_promises.hpp"

#include <algorithm>

namespace {

using namespace lib::boot_info;

/// Eight bytes of input make a range: small numbers, shifted, so that ranges meet often.
struct Record {
    std::uint8_t type;
    std::uint8_t shift;
    std::uint16_t start;
    std::uint16_t bytes;
    std::int8_t start_offset;
    std::int8_t bytes_offset;
};
static_assert(sizeof(Record) == 8);

void run(lib::Bytes input) {
    RawMemoryMap raw;
    for (std::size_t at = 0; input.size() - at >= sizeof(Record); at += sizeof(Record)) {
        const Record record = *lib::read_record<Record>(input, at);
        const unsigned shift = record.shift % 49;
        const auto number = [&](std::uint16_t value, std::int8_t offset) {
            return (std::uint64_t{value} << shift) + static_cast<std::uint64_t>(offset);
        };
        const std::uint64_t start = number(record.start, record.start_offset);
        const std::uint64_t bytes = number(record.bytes, record.bytes_offset);
        const MemoryType type = memory_type(record.type);
        const std::size_t before = raw.ranges().size();
        const auto added = raw.add(start, bytes, type);
        if (!added.ok()) {
            PROMISE(added.error() == Error::limit_reached);
            PROMISE(before == RawMemoryMap::capacity && type != MemoryType::usable);
        } else if (raw.ranges().size() == before) {
            PROMISE(bytes == 0 || start >= physical_limit || before == RawMemoryMap::capacity);
        } else {
            const MemoryRange& range = raw.ranges().back();
            PROMISE(range.type == type && range.range.start.value == start);
            PROMISE(range.range.bytes() == std::min(bytes, physical_limit - start));
        }
    }
    fuzz::check_memory_map(raw.ranges());
}

} // namespace

const fuzz::Target fuzz::memory_map{run};
