// SPDX-License-Identifier: MIT
// Memory maps: order, overlaps, alignment, limits; against a page-by-page model.
#include "lib/boot_info/memory_map.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <random>
#include <vector>

using namespace lib::boot_info;

namespace {

MemoryRange range(std::uint64_t start, std::uint64_t end, MemoryType type) {
    return {{{start}, {end}}, type};
}

std::vector<MemoryRange> ordered(const std::vector<MemoryRange>& raw) {
    const MemoryMap map{raw};
    return {map.ranges().begin(), map.ranges().end()};
}

} // namespace

TEST_CASE("memory map: nothing gives nothing") {
    CHECK(ordered({}).empty());
    CHECK(MemoryMap{}.ram_end() == PhysAddr{0});
}

TEST_CASE("memory map: sorted, joined, and the stronger type wins") {
    using enum MemoryType;
    CHECK(ordered({range(0x5000, 0x9000, usable), range(0x1000, 0x5000, usable)}) ==
          std::vector{range(0x1000, 0x9000, usable)});
    CHECK(ordered({range(0x1000, 0x9000, usable), range(0x3000, 0x4000, reserved)}) ==
          std::vector{range(0x1000, 0x3000, usable), range(0x3000, 0x4000, reserved),
                      range(0x4000, 0x9000, usable)});
    CHECK(ordered({range(0x3000, 0x4000, boot_data), range(0x1000, 0x9000, reserved)}) ==
          std::vector{range(0x1000, 0x9000, reserved)});
    CHECK(ordered({range(0x1000, 0x2000, usable), range(0x1000, 0x2000, usable)}) ==
          std::vector{range(0x1000, 0x2000, usable)});
}

TEST_CASE("memory map: usable ranges shrink to pages, others grow") {
    using enum MemoryType;
    CHECK(ordered({range(0x1001, 0x3fff, usable)}) == std::vector{range(0x2000, 0x3000, usable)});
    CHECK(ordered({range(0x1001, 0x1fff, usable)}).empty());
    CHECK(ordered({range(0x1fff, 0x2001, acpi_nvs)}) ==
          std::vector{range(0x1000, 0x3000, acpi_nvs)});
    CHECK(ordered({range(0x1000, 0x5000, usable), range(0x2800, 0x2801, boot_data)}) ==
          std::vector{range(0x1000, 0x2000, usable), range(0x2000, 0x3000, boot_data),
                      range(0x3000, 0x5000, usable)});
}

TEST_CASE("memory map: adding cuts what wraps and drops what is empty") {
    RawMemoryMap raw;
    CHECK(raw.add(0x1000, 0, MemoryType::usable).ok());
    CHECK(raw.add(physical_limit, 0x1000, MemoryType::usable).ok());
    CHECK(raw.add(~0ULL, ~0ULL, MemoryType::reserved).ok());
    CHECK(raw.ranges().empty());
    CHECK(raw.add(0x1000, ~0ULL, MemoryType::usable).ok());
    REQUIRE(raw.ranges().size() == 1);
    CHECK(raw.ranges()[0] == range(0x1000, physical_limit, MemoryType::usable));
}

TEST_CASE("memory map: a full table forgets usable memory, and refuses the rest") {
    RawMemoryMap raw;
    for (std::uint64_t i = 0; i < RawMemoryMap::capacity; ++i) {
        CHECK(raw.add(i * 0x2000, 0x1000, MemoryType::usable).ok());
    }
    CHECK(raw.add(0x1000, 0x1000, MemoryType::usable).ok());
    CHECK(raw.add(0x1000, 0x1000, MemoryType::reserved).error() == Error::limit_reached);
    CHECK(MemoryMap{raw.ranges()}.ranges().size() == RawMemoryMap::capacity);
}

TEST_CASE("memory map: unknown types are reserved, sums and end") {
    CHECK(memory_type(1) == MemoryType::usable);
    CHECK(memory_type(5) == MemoryType::bad);
    for (const std::uint32_t type : {0U, 2U, 6U, 7U, 12U, 14U, 0xffff'ffffU}) {
        CHECK(memory_type(type) == MemoryType::reserved);
    }
    const MemoryMap map{std::vector{range(0, 0x1000, MemoryType::usable),
                                    range(0x4000, 0x6000, MemoryType::usable),
                                    range(0x8000, 0x9000, MemoryType::reserved)}};
    CHECK(map.bytes(MemoryType::usable) == 0x3000);
    CHECK(map.ram_end() == PhysAddr{0x6000});
}

TEST_CASE("memory map: random ranges equal a page-by-page model") {
    constexpr std::uint64_t pages = 64;
    std::mt19937_64 random(1);
    for (int round = 0; round < 1000; ++round) {
        std::vector<MemoryRange> raw;
        std::optional<MemoryType> model[pages];
        for (std::uint64_t count = random() % 12; count > 0; --count) {
            const std::uint64_t start = random() % (pages * page_size);
            const std::uint64_t end = start + random() % (pages * page_size - start) + 1;
            const auto type = static_cast<MemoryType>(random() % 7);
            raw.push_back(range(start, end, type));
            for (std::uint64_t page = 0; page < pages; ++page) {
                const std::uint64_t first = page * page_size;
                const bool inside = first >= start && first + page_size <= end;
                const bool touched = first < end && first + page_size > start;
                if (!(type == MemoryType::usable ? inside : touched)) continue;
                if (!model[page] || *model[page] < type) model[page] = type;
            }
        }
        std::optional<MemoryType> found[pages];
        std::uint64_t last = 0;
        for (const MemoryRange& piece : ordered(raw)) {
            CHECK(piece.range.start.value >= last);
            CHECK(piece.range.start < piece.range.end);
            last = piece.range.end.value;
            for (std::uint64_t at = piece.range.start.value; at < last; at += page_size) {
                found[at / page_size] = piece.type;
            }
        }
        for (std::uint64_t page = 0; page < pages; ++page) REQUIRE(found[page] == model[page]);
    }
}
