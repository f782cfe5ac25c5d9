// SPDX-License-Identifier: MIT
// The ACPI table MCFG: where configuration space is memory (PCI Firmware Specification 3.3, 4.1.2).
#pragma once

#include "lib/address.hpp"
#include "lib/bytes.hpp"

#include <cstdint>

namespace lib::pci {

/// The buses first_bus to last_bus of a segment: 1 MiB each, from `base` + bus 0's place on.
struct MemorySegment {
    PhysAddr base;
    std::uint16_t segment = 0;
    std::uint8_t first_bus = 0;
    std::uint8_t last_bus = 0;

    static constexpr std::uint64_t bytes_per_bus = 1ULL << 20;
    constexpr bool contains(std::uint16_t number, std::uint8_t bus) const {
        return number == segment && bus >= first_bus && bus <= last_bus;
    }
    constexpr PhysAddr bus_start(std::uint8_t bus) const { return base + bus * bytes_per_bus; }
};

/// Entry `index` of the table, header included. not_found: there are no more; bad_format: it
/// makes no sense. invalid_argument: another table.
Result<MemorySegment> read_memory_segment(Bytes mcfg, std::size_t index);

} // namespace lib::pci
