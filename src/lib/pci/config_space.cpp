// SPDX-License-Identifier: MIT
// Headers, capabilities, base addresses and messages.
#include "lib/pci/config_space.hpp"

namespace lib::pci {
namespace {

constexpr std::uint8_t offset_command = 0x04;
constexpr std::uint8_t offset_class = 0x08;
constexpr std::uint8_t offset_header = 0x0C; // header type in bits 23:16
constexpr std::uint8_t offset_bars = 0x10;
constexpr std::uint8_t offset_buses = 0x18; // of a bridge: its own, the one behind in bits 15:8
constexpr std::uint8_t offset_capabilities = 0x34;

constexpr std::uint32_t command_memory = 1U << 1;
constexpr std::uint32_t command_master = 1U << 2;
constexpr std::uint32_t command_no_line = 1U << 10;
constexpr std::uint32_t command_bits = 0xFFFF; // above: status, whose ones would be cleared
constexpr std::uint32_t status_capabilities = 1U << 20;

constexpr std::uint8_t capability_power = 0x01;
constexpr std::uint8_t capability_message = 0x05;
constexpr std::uint8_t capability_message_table = 0x11;
/// As many as fit into 192 bytes: what ends a list that bites its tail.
constexpr unsigned capability_limit = 48;

std::uint8_t at(unsigned offset) { return static_cast<std::uint8_t>(offset); }

void write_command(const ConfigSpace& space, Function function, std::uint32_t command) {
    space.write(function, offset_command, command & command_bits);
}

} // namespace

namespace detail {

std::optional<std::uint8_t> BusQueue::take() {
    for (unsigned word = 0; word < 4; ++word) {
        if (waiting_[word] == 0) continue;
        const auto bit = static_cast<unsigned>(__builtin_ctzll(waiting_[word]));
        waiting_[word] &= waiting_[word] - 1;
        return static_cast<std::uint8_t>(word * 64 + bit);
    }
    return std::nullopt;
}

bool look(const ConfigSpace& space, Function function, BusQueue& buses, bool& more_functions) {
    const std::uint32_t identity = space.read(function, 0);
    if ((identity & 0xFFFF) == 0xFFFF || identity == 0) return false;
    const std::uint32_t header = space.read(function, offset_header) >> 16;
    more_functions = (header & 0x80) != 0;
    if ((header & 0x7F) == 1) buses.add(at(space.read(function, offset_buses) >> 8));
    return true;
}

} // namespace detail

std::uint32_t class_code(const ConfigSpace& space, Function function) {
    return space.read(function, offset_class) >> 8;
}

std::uint8_t find_capability(const ConfigSpace& space, Function function, std::uint8_t id) {
    if ((space.read(function, offset_command) & status_capabilities) == 0) return 0;
    std::uint32_t offset = space.read(function, offset_capabilities) & 0xFC;
    for (unsigned i = 0; i < capability_limit && offset >= 0x40; ++i) {
        const std::uint32_t head = space.read(function, at(offset));
        if ((head & 0xFF) == id) return at(offset);
        offset = head >> 8 & 0xFC;
    }
    return 0;
}

Result<MemoryBar> read_memory_bar(const ConfigSpace& space, Function function, unsigned index) {
    if (index > 5) return Error::invalid_argument;
    const std::uint8_t offset = at(offset_bars + 4 * index);
    const std::uint32_t low = space.read(function, offset);
    if ((low & 1) != 0) return Error::unsupported; // ports
    const bool wide = (low >> 1 & 3) == 2;
    if (wide && index == 5) return Error::unsupported;
    const std::uint8_t offset_high = at(offset + 4U);
    const std::uint32_t high = wide ? space.read(function, offset_high) : 0;

    const std::uint32_t command = space.read(function, offset_command);
    write_command(space, function, command & ~command_memory);
    space.write(function, offset, ~0U);
    std::uint64_t mask = space.read(function, offset) & ~0xFU;
    space.write(function, offset, low);
    if (wide) {
        space.write(function, offset_high, ~0U);
        mask |= std::uint64_t{space.read(function, offset_high)} << 32;
        space.write(function, offset_high, high);
    } else if (mask != 0) {
        mask |= 0xFFFF'FFFF'0000'0000;
    }
    write_command(space, function, command);

    const MemoryBar bar{{std::uint64_t{high} << 32 | (low & ~0xFU)}, 0 - mask};
    const std::uint64_t last = bar.address.value + (bar.bytes - 1);
    if (bar.address.value == 0 || !is_power_of_two(bar.bytes) || last < bar.address.value)
        return Error::unsupported;
    return bar;
}

bool enable(const ConfigSpace& space, Function function) {
    bool slept = false;
    if (const std::uint8_t power = find_capability(space, function, capability_power); power != 0) {
        const std::uint8_t control = at(power + 4U);
        const std::uint32_t state = space.read(function, control);
        slept = (state & 3) != 0;
        if (slept) space.write(function, control, state & 0xFFFF'7FFC); // 15: a cause, kept
    }
    const std::uint32_t command = space.read(function, offset_command);
    write_command(space, function, command | command_memory | command_master | command_no_line);
    return slept;
}

std::optional<MessageTable> find_message_table(const ConfigSpace& space, Function function) {
    const std::uint8_t capability = find_capability(space, function, capability_message_table);
    if (capability == 0 || capability > 0xF4) return std::nullopt;
    const std::uint32_t place = space.read(function, at(capability + 4U));
    if ((place & 7) > 5) return std::nullopt;
    return MessageTable{capability, place & 7, place & ~7U};
}

void enable_message_table(const ConfigSpace& space, Function function, const MessageTable& table) {
    constexpr std::uint32_t enabled = 1U << 31;
    constexpr std::uint32_t all_masked = 1U << 30;
    const std::uint32_t head = space.read(function, table.capability);
    space.write(function, table.capability, (head | enabled) & ~all_masked);
}

bool enable_message(const ConfigSpace& space, Function function, const Message& message) {
    constexpr std::uint32_t enabled = 1U << 16;
    constexpr std::uint32_t vectors = 7U << 20; // how many are allowed: one
    constexpr std::uint32_t wide = 1U << 23;
    const std::uint8_t capability = find_capability(space, function, capability_message);
    if (capability == 0 || capability > 0xF0) return false;
    const std::uint32_t head = space.read(function, capability);
    const bool is_wide = (head & wide) != 0;
    if (!is_wide && message.address >> 32 != 0) return false;
    space.write(function, at(capability + 4U), static_cast<std::uint32_t>(message.address));
    if (is_wide)
        space.write(function, at(capability + 8U),
                    static_cast<std::uint32_t>(message.address >> 32));
    const std::uint8_t offset_data = at(capability + (is_wide ? 12U : 8U));
    // Above the data's 16 bits there is something else or nothing.
    const std::uint32_t kept = space.read(function, offset_data) & 0xFFFF'0000;
    space.write(function, offset_data, kept | (message.data & 0xFFFF));
    space.write(function, capability, (head & ~vectors) | enabled);
    return true;
}

} // namespace lib::pci
