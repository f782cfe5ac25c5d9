// SPDX-License-Identifier: MIT
// One pass over the MADT. The list is short, so duplicates are found by looking through it.
#include "lib/processor_list.hpp"

#include <algorithm>

namespace lib {

namespace {

/// Reached by every local APIC at once (SDM vol. 3A, 10.6.2.1 and 10.12.9): nobody's number.
constexpr std::uint32_t broadcast_8 = 0xff;
constexpr std::uint32_t broadcast_32 = 0xffff'ffff;

bool reachable(std::uint32_t apic_id, bool x2apic) {
    return x2apic ? apic_id != broadcast_32 : apic_id < broadcast_8;
}

/// Files one entry that is not the boot CPU's.
void file(const MadtEntry& entry, bool x2apic, std::span<ListedProcessor> list,
          ProcessorCounts& counts) {
    if (!entry.enabled) {
        ++(entry.online_capable ? counts.for_later : counts.disabled);
        return;
    }
    if (!reachable(entry.apic_id, x2apic)) {
        ++counts.unreachable;
        return;
    }
    const auto listed = list.first(counts.listed);
    if (std::ranges::find(listed, entry.apic_id, &ListedProcessor::apic_id) != listed.end()) {
        ++counts.duplicates;
    } else if (counts.listed == list.size()) {
        ++counts.beyond_list;
    } else {
        list[counts.listed++] = {entry.apic_id, entry.processor_id};
    }
}

} // namespace

ProcessorCounts list_processors(MadtReader madt, std::uint32_t boot_apic_id, bool x2apic,
                                std::span<ListedProcessor> list) {
    ProcessorCounts counts;
    list[0] = {.apic_id = boot_apic_id};
    counts.listed = 1;
    bool boot_seen = false;
    madt.rewind();
    while (const std::optional<MadtEntry> entry = madt.next()) {
        if (entry->kind != MadtEntry::Kind::processor) continue;
        if (entry->enabled && entry->apic_id == boot_apic_id && !boot_seen) {
            boot_seen = true;
            list[0].acpi_id = entry->processor_id;
        } else {
            file(*entry, x2apic, list, counts);
        }
    }
    return counts;
}

} // namespace lib
