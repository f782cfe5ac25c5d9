// SPDX-License-Identifier: MIT
// fw_cfg through its two ports: select an item by number, read its bytes one by one.
#include "arch/fw_cfg.hpp"

#include "arch/hypervisor.hpp"
#include "arch/port_io.hpp"

#include <array>
#include <cstdint>

namespace arch::fw_cfg {
namespace {

constexpr std::uint16_t selector_port = 0x510;
constexpr std::uint16_t data_port = 0x511;
constexpr std::uint16_t item_signature = 0x0000;
constexpr std::uint16_t item_directory = 0x0019;
constexpr std::size_t name_bytes = 56;
/// More files than any machine has: what bounds the walk if the device answers nonsense.
constexpr std::uint32_t file_limit = 4096;

void select(std::uint16_t item) { out16(selector_port, item); }

std::uint8_t next_byte() { return in8(data_port); }

/// The directory's numbers are big-endian.
std::uint32_t next_number(unsigned bytes) {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < bytes; ++i) value = (value << 8) | next_byte();
    return value;
}

bool present() {
    if (!hypervisor_announced()) return false;
    select(item_signature);
    for (const char expected : {'Q', 'E', 'M', 'U'}) {
        if (next_byte() != static_cast<std::uint8_t>(expected)) return false;
    }
    return true;
}

/// One entry of the directory: 4 bytes size, 2 item number, 2 reserved, 56 name with zeros after.
struct DirectoryEntry {
    std::uint32_t size;
    std::uint16_t item;
    std::array<char, name_bytes> name;

    bool is_named(std::string_view wanted) const {
        return wanted.size() < name_bytes && name[wanted.size()] == '\0' &&
               std::string_view{name.data(), wanted.size()} == wanted;
    }
};

DirectoryEntry next_entry() {
    DirectoryEntry entry{};
    entry.size = next_number(4);
    entry.item = static_cast<std::uint16_t>(next_number(2));
    next_number(2);
    for (char& c : entry.name) c = static_cast<char>(next_byte());
    return entry;
}

} // namespace

std::optional<std::size_t> read_file(std::string_view name, std::span<char> buffer) {
    if (!present()) return std::nullopt;
    select(item_directory);
    const std::uint32_t count = next_number(4);
    for (std::uint32_t i = 0; i < count && i < file_limit; ++i) {
        const DirectoryEntry entry = next_entry();
        if (!entry.is_named(name)) continue;
        select(entry.item);
        for (std::size_t at = 0; at < entry.size && at < buffer.size(); ++at)
            buffer[at] = static_cast<char>(next_byte());
        return entry.size;
    }
    return std::nullopt;
}

} // namespace arch::fw_cfg
