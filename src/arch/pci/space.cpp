// SPDX-License-Identifier: MIT
// Configuration space through memory, a window for each bus that is looked at, or through two ports
// (PCI 3.0, 3.2.2.3.2).
#include "arch/acpi.hpp"
#include "arch/log.hpp"
#include "arch/memory/device_window.hpp"
#include "arch/pci/pci.hpp"
#include "arch/port_io.hpp"
#include "lib/pci/mcfg.hpp"

#include <array>
#include <cstddef>

namespace arch::pci {
namespace {

using lib::pci::Function;
using lib::pci::MemorySegment;

constexpr std::uint16_t address_port = 0xcf8;
constexpr std::uint16_t data_port = 0xcfc;
constexpr std::uint32_t address_enable = 1U << 31;
constexpr std::uint32_t nothing = ~0U; // what a read gives where nobody answers

constinit std::array<MemorySegment, 8> segments{};
constinit std::size_t segment_count = 0;

struct BusWindow {
    std::uint16_t segment = 0;
    std::uint8_t bus = 0;
    std::byte* bytes = nullptr;
};
/// Functions on more buses are not seen.
constinit std::array<BusWindow, 64> windows{};
constinit std::size_t window_count = 0;

bool is_memory_segment(std::uint16_t segment) {
    for (std::size_t i = 0; i < segment_count; ++i) {
        if (segments[i].segment == segment) return true;
    }
    return false;
}

/// The window of a bus, mapped now if it was not; null where there is none.
std::byte* bus_window(std::uint16_t segment, std::uint8_t bus) {
    for (std::size_t i = 0; i < window_count; ++i) {
        if (windows[i].segment == segment && windows[i].bus == bus) return windows[i].bytes;
    }
    if (window_count == windows.size()) return nullptr;
    for (std::size_t i = 0; i < segment_count; ++i) {
        if (!segments[i].contains(segment, bus)) continue;
        const auto window = map_device(segments[i].bus_start(bus), MemorySegment::bytes_per_bus);
        if (!window) return nullptr;
        windows[window_count++] = {segment, bus, static_cast<std::byte*>(*window)};
        return windows[window_count - 1].bytes;
    }
    return nullptr;
}

volatile std::uint32_t* memory_register(Function function, std::uint8_t offset) {
    std::byte* const window = bus_window(function.segment, function.bus);
    if (window == nullptr) return nullptr;
    const unsigned at = unsigned{function.device} << 15 | unsigned{function.function} << 12;
    return reinterpret_cast<volatile std::uint32_t*>(window + at + offset);
}

bool select_by_ports(Function function, std::uint8_t offset) {
    if (function.segment != 0) return false;
    out32(address_port, address_enable | unsigned{function.bus} << 16 |
                            unsigned{function.device} << 11 | unsigned{function.function} << 8 |
                            offset);
    return true;
}

std::uint32_t read_by_ports(Function function, std::uint8_t offset) {
    return select_by_ports(function, offset) ? in32(data_port) : nothing;
}

std::uint32_t read(void*, Function function, std::uint8_t offset) {
    if (!is_memory_segment(function.segment)) return read_by_ports(function, offset);
    volatile std::uint32_t* const place = memory_register(function, offset);
    return place == nullptr ? nothing : *place;
}

void write(void*, Function function, std::uint8_t offset, std::uint32_t value) {
    if (!is_memory_segment(function.segment)) {
        if (select_by_ports(function, offset)) out32(data_port, value);
    } else if (volatile std::uint32_t* const place = memory_register(function, offset)) {
        *place = value;
    }
}

constexpr lib::pci::ConfigSpace config_space{read, write, nullptr};

void read_segments() {
    const auto tables = open_acpi_tables();
    if (!tables) return;
    const auto mcfg = tables->find("MCFG");
    if (!mcfg) return;
    for (std::size_t i = 0; segment_count < segments.size(); ++i) {
        const auto segment = lib::pci::read_memory_segment(*mcfg, i);
        if (segment) {
            segments[segment_count++] = *segment;
        } else if (segment.error() != Error::bad_format) {
            return;
        }
    }
}

/// Some firmware names a place where there is no configuration space. The host bridge shows it.
bool memory_agrees_with_ports() {
    constexpr Function host_bridge{};
    const std::uint32_t by_ports = read_by_ports(host_bridge, 0);
    return by_ports == nothing || read(nullptr, host_bridge, 0) == by_ports;
}

} // namespace

void initialise() {
    read_segments();
    if (is_memory_segment(0) && !memory_agrees_with_ports()) {
        log("PCI: no configuration space where ACPI says; ports are used");
        segment_count = 0;
    }
}

const lib::pci::ConfigSpace& space() { return config_space; }

void for_each_function(void (*visit)(Function)) {
    if (segment_count == 0) return lib::pci::for_each_function(config_space, 0, 0, visit);
    for (std::size_t i = 0; i < segment_count; ++i)
        lib::pci::for_each_function(config_space, segments[i].segment, segments[i].first_bus,
                                    visit);
}

} // namespace arch::pci
