// SPDX-License-Identifier: MIT
// Schedules: in which order CPUs take their steps. As text: "0@17 1 0" means that CPU 0 runs until
// it is about to take its step 17, then CPU 1 until it waits or ends, then CPU 0 likewise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace explorer {

struct Turn {
    unsigned cpu;
    std::uint32_t before; ///< of its own steps, counted from 1; 0: until it waits or ends
    bool operator==(const Turn&) const = default;
};
using Schedule = std::vector<Turn>;

std::string to_text(const Schedule& schedule);
/// None if the text is no schedule.
std::optional<Schedule> parse_schedule(std::string_view text);

/// An access to shared memory.
struct MemoryAccess {
    std::uintptr_t address;
    std::size_t bytes;
    bool writes;

    bool conflicts_with(const MemoryAccess& other) const {
        return (writes || other.writes) && address < other.address + other.bytes &&
               other.address < address + bytes;
    }
    bool operator==(const MemoryAccess&) const = default;
};

} // namespace explorer
