// SPDX-License-Identifier: MIT
// Message-signalled interrupts (Intel SDM vol. 3A, 10.11; PCI 3.0, 6.8).
#include "arch/cpu/area.hpp"
#include "arch/memory/device_window.hpp"
#include "arch/pci/pci.hpp"

namespace arch::pci {
namespace {

using lib::pci::Function;
using lib::pci::Message;
using lib::pci::MessageTable;

constexpr std::uint64_t message_base = 0xfee0'0000;
/// Further processors are out of reach without interrupt remapping.
constexpr std::uint32_t destination_limit = 0xfe;

// An entry of the table, in 32-bit words.
constexpr std::size_t entry_address = 0;
constexpr std::size_t entry_address_high = 1;
constexpr std::size_t entry_data = 2;
constexpr std::size_t entry_control = 3; // bit 0: masked
constexpr std::uint64_t entry_bytes = 16;

Result<void> connect_table(Function function, const MessageTable& table, const Message& message) {
    const auto bar = TRY(lib::pci::read_memory_bar(space(), function, table.bar));
    if (table.offset > bar.bytes - entry_bytes) return Error::bad_format;
    auto* const entry = static_cast<volatile std::uint32_t*>(
        TRY(map_device(bar.address + table.offset, entry_bytes)));
    entry[entry_control] = 1;
    entry[entry_address] = static_cast<std::uint32_t>(message.address);
    entry[entry_address_high] = static_cast<std::uint32_t>(message.address >> 32);
    entry[entry_data] = message.data;
    entry[entry_control] = 0;
    lib::pci::enable_message_table(space(), function, table);
    return {};
}

} // namespace

Result<void> connect_message(Function function, unsigned vector) {
    const std::uint32_t destination = cpu_areas[0]->apic_id;
    if (destination > destination_limit) return Error::unsupported;
    const Message message{message_base | destination << 12, vector}; // fixed, edge
    if (const auto table = lib::pci::find_message_table(space(), function)) {
        if (connect_table(function, *table, message)) return {};
    }
    if (lib::pci::enable_message(space(), function, message)) return {};
    return Error::unsupported;
}

} // namespace arch::pci
