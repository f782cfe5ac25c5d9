// SPDX-License-Identifier: MIT
// PCI functions by their configuration space (PCI 3.0, ch. 6; PCI Express base specification 5.0,
// ch. 7). How the space is reached is the caller's affair; what stands in it is not trusted.
#pragma once

#include "lib/address.hpp"
#include "lib/result.hpp"

#include <cstdint>
#include <optional>

namespace lib::pci {

/// Which one.
struct Function {
    std::uint16_t segment = 0;
    std::uint8_t bus = 0;
    std::uint8_t device = 0;   ///< 0 to 31
    std::uint8_t function = 0; ///< 0 to 7
    constexpr bool operator==(const Function&) const = default;
};

/// Access to configuration space: functions and their context. Where nothing answers, all ones.
struct ConfigSpace {
    /// 32 bits at a multiple of 4 below 256.
    std::uint32_t (*read32)(void* context, Function function, std::uint8_t offset) = nullptr;
    void (*write32)(void* context, Function function, std::uint8_t offset,
                    std::uint32_t value) = nullptr;
    void* context = nullptr;

    std::uint32_t read(Function function, std::uint8_t offset) const {
        return read32(context, function, offset);
    }
    void write(Function function, std::uint8_t offset, std::uint32_t value) const {
        write32(context, function, offset, value);
    }
};

/// Base class, subclass and programming interface, like 0x0C0330.
std::uint32_t class_code(const ConfigSpace& space, Function function);

/// Calls `visit(Function)` for each function of `bus` and of the buses behind its bridges, each bus
/// once. A single function takes one read where there is nothing.
template <typename Visitor>
void for_each_function(const ConfigSpace& space, std::uint16_t segment, std::uint8_t bus,
                       Visitor&& visit);

/// Offset of the capability `id`, or 0.
std::uint8_t find_capability(const ConfigSpace& space, Function function, std::uint8_t id);

/// Registers in memory, as base address register `index` (0 to 5) places them; its size is found
/// out while the function does not decode it. Errors: unsupported: it is for ports, or nobody gave
/// it an address; invalid_argument.
struct MemoryBar {
    PhysAddr address;
    std::uint64_t bytes = 0;
};
Result<MemoryBar> read_memory_bar(const ConfigSpace& space, Function function, unsigned index);

/// Awake, reads memory by itself and decodes its registers; raises no interrupt lines. Gives
/// whether it slept: then its registers may be touched after 10 ms only.
bool enable(const ConfigSpace& space, Function function);

/// A write that a function makes instead of pulling a line.
struct Message {
    std::uint64_t address = 0;
    std::uint32_t data = 0;
};

/// Where the table for MSI-X is: 16 bytes for each vector, all masked as the function starts.
struct MessageTable {
    std::uint8_t capability = 0;
    unsigned bar = 0;
    std::uint64_t offset = 0; ///< in that register's memory
};
std::optional<MessageTable> find_message_table(const ConfigSpace& space, Function function);
/// Lets the function use its table.
void enable_message_table(const ConfigSpace& space, Function function, const MessageTable& table);

/// Makes the function send `message` by MSI; false where it can't.
bool enable_message(const ConfigSpace& space, Function function, const Message& message);

namespace detail {

/// Buses that still have to be looked at, and those that were.
class BusQueue {
public:
    void add(std::uint8_t bus) {
        if ((seen_[bus / 64] >> bus % 64 & 1) != 0) return;
        seen_[bus / 64] |= std::uint64_t{1} << bus % 64;
        waiting_[bus / 64] |= std::uint64_t{1} << bus % 64;
    }
    std::optional<std::uint8_t> take();

private:
    std::uint64_t seen_[4]{};
    std::uint64_t waiting_[4]{};
};

/// Whether the function is there; adds the bus behind it when it is a bridge.
bool look(const ConfigSpace& space, Function function, BusQueue& buses, bool& more_functions);

} // namespace detail

template <typename Visitor>
void for_each_function(const ConfigSpace& space, std::uint16_t segment, std::uint8_t bus,
                       Visitor&& visit) {
    detail::BusQueue buses;
    buses.add(bus);
    while (const std::optional<std::uint8_t> next = buses.take()) {
        for (std::uint8_t device = 0; device < 32; ++device) {
            bool more_functions = true;
            for (std::uint8_t number = 0; number < 8 && more_functions; ++number) {
                const Function function{segment, *next, device, number};
                // Only function 0 tells whether there are others.
                bool multiple = true;
                const bool there = detail::look(space, function, buses, multiple);
                if (number == 0) more_functions = there && multiple;
                if (there) visit(function);
            }
        }
    }
}

} // namespace lib::pci
