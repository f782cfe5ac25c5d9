// SPDX-License-Identifier: MIT
// Which of the MADT's processors can be started, in which order.
#pragma once

#include "lib/acpi_madt.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace lib {

/// A processor: its local APIC's number, and ACPI's number for it.
struct ListedProcessor {
    std::uint32_t apic_id = 0;
    std::uint32_t acpi_id = 0;
    constexpr bool operator==(const ListedProcessor&) const = default;
};

/// What became of the MADT's processor entries: each is counted once.
struct ProcessorCounts {
    std::size_t listed = 0;      ///< written to the list, the boot CPU included
    std::size_t disabled = 0;    ///< not there, or broken
    std::size_t for_later = 0;   ///< not there yet, may be added to the running machine
    std::size_t duplicates = 0;  ///< an APIC's number for the second time
    std::size_t unreachable = 0; ///< the number is a broadcast's, or beyond xAPIC's 8 bits
    std::size_t beyond_list = 0; ///< the list has no room for it
};

/// Writes the processors that are enabled and can be reached to `list`, the boot CPU first (even
/// where the table forgets it), the others as the table orders them. `x2apic`: APIC numbers have
/// 32 bits, else 8. Precondition: room for one.
ProcessorCounts list_processors(MadtReader madt, std::uint32_t boot_apic_id, bool x2apic,
                                std::span<ListedProcessor> list);

} // namespace lib
