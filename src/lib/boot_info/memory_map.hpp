// SPDX-License-Identifier: MIT
// What the firmware and the loader say about physical memory, put in order.
#pragma once

#include "lib/address.hpp"
#include "lib/result.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace lib::boot_info {

/// Kinds of memory. Where ranges overlap, the later kind of this list wins.
enum class MemoryType : std::uint8_t {
    usable,           ///< free RAM
    boot_data,        ///< RAM with what the loader left: boot information, modules
    kernel,           ///< RAM with the kernel image; what the kernel took before frames existed
    acpi_reclaimable, ///< RAM with ACPI tables
    acpi_nvs,         ///< the firmware's own; read and written by ACPI code
    reserved,         ///< devices, firmware, and every type that is not known
    bad,              ///< RAM that failed
};

constexpr const char* describe(MemoryType type) {
    switch (type) {
    case MemoryType::usable: return "usable";
    case MemoryType::boot_data: return "boot data";
    case MemoryType::kernel: return "kernel";
    case MemoryType::acpi_reclaimable: return "ACPI tables";
    case MemoryType::acpi_nvs: return "ACPI NVS";
    case MemoryType::reserved: return "reserved";
    case MemoryType::bad: return "bad";
    }
    return "?";
}

/// RAM that holds bytes like any other, whoever owns it.
constexpr bool is_ram(MemoryType type) { return type <= MemoryType::acpi_nvs; }

struct MemoryRange {
    PhysRange range;
    MemoryType type = MemoryType::reserved;
    constexpr bool operator==(const MemoryRange&) const = default;
};

/// The type for a number of the "e820" family (Multiboot2, PVH): 1 usable, 3 and 4 ACPI, 5 bad;
/// all others are reserved.
constexpr MemoryType memory_type(std::uint32_t number) {
    switch (number) {
    case 1: return MemoryType::usable;
    case 3: return MemoryType::acpi_reclaimable;
    case 4: return MemoryType::acpi_nvs;
    case 5: return MemoryType::bad;
    default: return MemoryType::reserved;
    }
}

/// Physical addresses end here on every x86-64 processor.
inline constexpr std::uint64_t physical_limit = 1ULL << 52;

/// Ranges as they were told: any order, overlapping, not aligned.
class RawMemoryMap {
public:
    static constexpr std::size_t capacity = 256;

    /// Adds `bytes` from `start`; empty ranges are dropped, what lies beyond the physical address
    /// space is cut off. Without room a usable range is forgotten, which only wastes it; any other
    /// gives the error limit_reached.
    Result<void> add(std::uint64_t start, std::uint64_t bytes, MemoryType type);

    std::span<const MemoryRange> ranges() const { return {ranges_.data(), count_}; }

private:
    std::array<MemoryRange, capacity> ranges_{};
    std::size_t count_ = 0;
};

/// Ranges in order: sorted, disjoint, page-aligned, neighbours of different type. Usable ranges
/// shrink to whole pages, all others grow to them.
class MemoryMap {
public:
    static constexpr std::size_t capacity = 2 * RawMemoryMap::capacity;

    /// Puts `raw` in order.
    explicit MemoryMap(std::span<const MemoryRange> raw);
    constexpr MemoryMap() = default;

    std::span<const MemoryRange> ranges() const { return {ranges_.data(), count_}; }
    /// Bytes of a type.
    std::uint64_t bytes(MemoryType type) const;
    /// End of the last range of RAM; 0 without any.
    PhysAddr ram_end() const;

private:
    void append(std::uint64_t start, std::uint64_t end, MemoryType type);

    std::array<MemoryRange, capacity> ranges_{};
    std::size_t count_ = 0;
};

} // namespace lib::boot_info
