// SPDX-License-Identifier: MIT
// Memory for starting processors: free, below 1 MiB, nobody's.
#include "lib/boot_info/low_memory.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace lib::boot_info;

namespace {

constexpr PhysAddr mib{0x10'0000};

MemoryRange range(std::uint64_t start, std::uint64_t end, MemoryType type) {
    return {{{start}, {end}}, type};
}

} // namespace

TEST_CASE("low memory: below the firmware's data area") {
    const std::vector<MemoryRange> raw{range(0, 0x9fc00, MemoryType::usable),
                                       range(0x9fc00, 0xa0000, MemoryType::reserved),
                                       range(0x10'0000, 0x800'0000, MemoryType::usable)};
    CHECK(find_low_memory(raw, 0x1000, mib) == PhysAddr{0x9e000});
    CHECK(find_low_memory(raw, 0x5000, mib) == PhysAddr{0x9a000});
    CHECK(find_low_memory(raw, 0x1000, PhysAddr{0x9e800}) == PhysAddr{0x9d000});
}

TEST_CASE("low memory: what the loader left is gone around") {
    std::vector<MemoryRange> raw{range(0, 0xa0000, MemoryType::usable),
                                 range(0x9e500, 0x9e600, MemoryType::boot_data),
                                 range(0x9a000, 0x9b000, MemoryType::acpi_reclaimable)};
    CHECK(find_low_memory(raw, 0x1000, mib) == PhysAddr{0x9f000});
    CHECK(find_low_memory(raw, 0x3000, mib) == PhysAddr{0x9b000});
    CHECK(find_low_memory(raw, 0x4000, mib) == PhysAddr{0x96000});
    raw.push_back(range(0x2000, 0xa0000, MemoryType::acpi_nvs));
    CHECK(find_low_memory(raw, 0x1000, mib) == PhysAddr{0x1000});
    CHECK_FALSE(find_low_memory(raw, 0x2000, mib));
}

TEST_CASE("low memory: never the first page, never none") {
    CHECK_FALSE(find_low_memory({}, 0x1000, mib));
    const std::vector<MemoryRange> first{range(0, 0x1000, MemoryType::usable),
                                         range(0x10'0000, 0x800'0000, MemoryType::usable)};
    CHECK_FALSE(find_low_memory(first, 0x1000, mib));
    const std::vector<MemoryRange> all{range(0, 0x10'0000, MemoryType::usable)};
    CHECK(find_low_memory(all, 0xff000, mib) == PhysAddr{0x1000});
    CHECK_FALSE(find_low_memory(all, 0x10'0000, mib));
    CHECK_FALSE(find_low_memory(all, 0x20'0000, mib));
}
