// SPDX-License-Identifier: MIT
// Power by ACPI and by the older ways. Interrupts are off.
#include "arch/power.hpp"

#include "arch/acpi.hpp"
#include "arch/debug_exit.hpp"
#include "arch/hypervisor.hpp"
#include "arch/keyboard_controller.hpp"
#include "arch/layout.hpp"
#include "arch/log.hpp"
#include "arch/memory/device_window.hpp"
#include "arch/pci/pci.hpp"
#include "arch/port_io.hpp"
#include "arch/table_walk.hpp"
#include "lib/acpi_power.hpp"
#include "proc/port.hpp"

#include <array>
#include <string_view>

namespace arch {
namespace {

using lib::AcpiFixed;
using lib::AcpiRegister;

constexpr std::uint16_t bochs_shutdown_port = 0x8900;
constexpr std::uint16_t chipset_reset_port = 0xcf9;

/// A port read takes about a microsecond on real machines.
void wait(unsigned reads) {
    for (unsigned i = 0; i < reads; ++i) in8(0x80);
}

/// A register in memory: uncached, unless it lies in what the direct map shows as memory. Null when
/// it can't be mapped.
volatile std::byte* memory_register(const AcpiRegister& place, unsigned bytes) {
    static constinit AcpiRegister mapped{}; // one after the other, some of them often
    static constinit volatile std::byte* window_bytes = nullptr;
    if (mapped == place) return window_bytes;
    const VirtAddr direct = layout::direct_map + place.address;
    if (place.address < layout::direct_map_bytes - page_size && TableWalk{direct}.kernel_readable())
        return reinterpret_cast<volatile std::byte*>(direct.value);
    const auto window = map_device({place.address}, bytes);
    if (!window) return nullptr;
    mapped = place;
    return window_bytes = static_cast<volatile std::byte*>(*window);
}

std::uint32_t read_register(void*, const AcpiRegister& from, unsigned bits) {
    if (from.space == AcpiRegister::Space::port) {
        const auto port = static_cast<std::uint16_t>(from.address);
        return bits == 8 ? in8(port) : in16(port);
    }
    volatile std::byte* const place = memory_register(from, bits / 8);
    if (place == nullptr) return ~0U;
    if (bits == 8) return *reinterpret_cast<volatile std::uint8_t*>(place);
    return *reinterpret_cast<volatile std::uint16_t*>(place);
}

/// One byte, among four that are written together.
void write_configuration(const AcpiRegister& to, std::uint8_t value) {
    const auto place = lib::configuration_place(to);
    if (!place.valid) return;
    const lib::pci::Function function{0, 0, place.device, place.function};
    const auto offset = static_cast<std::uint8_t>(place.offset & ~3U);
    const unsigned shift = 8 * (place.offset & 3U);
    const std::uint32_t old = pci::space().read(function, offset);
    pci::space().write(function, offset, (old & ~(0xffU << shift)) | std::uint32_t{value} << shift);
}

void write_register(void*, const AcpiRegister& to, unsigned bits, std::uint32_t value) {
    const auto low = static_cast<std::uint8_t>(value);
    if (to.space == AcpiRegister::Space::configuration) return write_configuration(to, low);
    if (to.space == AcpiRegister::Space::port) {
        const auto port = static_cast<std::uint16_t>(to.address);
        if (bits == 8) return out8(port, low);
        return out16(port, static_cast<std::uint16_t>(value));
    }
    volatile std::byte* const place = memory_register(to, bits / 8);
    if (place == nullptr) return;
    if (bits == 8) {
        *reinterpret_cast<volatile std::uint8_t*>(place) = low;
    } else {
        *reinterpret_cast<volatile std::uint16_t*>(place) = static_cast<std::uint16_t>(value);
    }
}

constexpr lib::AcpiAccess registers{
    .read = read_register,
    .write = write_register,
    .wait = [](void*, unsigned milliseconds) { wait(milliseconds * 1000); },
};

Result<AcpiFixed> fixed_table(const lib::AcpiTables& tables) {
    const lib::Bytes fadt = TRY(tables.find("FACP"));
    return lib::read_acpi_fixed(fadt);
}

Result<lib::AcpiSoftOff> soft_off_values(const lib::AcpiTables& tables, const AcpiFixed& fixed) {
    if (const auto dsdt = tables.table_at(fixed.dsdt); dsdt.ok()) {
        auto values = lib::find_acpi_soft_off(*dsdt);
        if (values.ok()) return values;
    }
    for (std::size_t i = 0; i < tables.count(); ++i) {
        const auto table = tables.table(i);
        if (!table.ok() || !lib::as_text(*table).starts_with("SSDT")) continue;
        auto values = lib::find_acpi_soft_off(*table);
        if (values.ok()) return values;
    }
    return Error::not_found;
}

/// Gives why the machine is still on.
Error acpi_soft_off() {
    const auto try_it = []() -> Result<void> {
        const lib::AcpiTables tables = TRY(open_acpi_tables());
        const AcpiFixed fixed = TRY(fixed_table(tables));
        return lib::order_soft_off(fixed, TRY(soft_off_values(tables, fixed)), registers);
    };
    return try_it().error();
}

void acpi_reset() {
    const auto tables = open_acpi_tables();
    if (!tables) return;
    if (const auto fixed = fixed_table(*tables)) lib::order_reset(*fixed, registers);
}

/// An exception without a table to look it up in.
[[noreturn]] void triple_fault() {
    const struct [[gnu::packed]] {
        std::uint16_t limit = 0;
        std::uint64_t base = 0;
    } no_interrupt_table;
    asm volatile("lidt %0\n\tint3" : : "m"(no_interrupt_table));
    while (true) asm volatile("cli\n\thlt");
}

} // namespace

void power_off() {
    const Error why = acpi_soft_off();
    log("power: ACPI did not switch off: {}",
        why == Error::would_block ? "it was told to, and stays on" : describe(why));
    // Bochs announces no hypervisor. On a machine where the port is nobody's, this does nothing.
    for (const char letter : std::string_view{"Shutdown"})
        out8(bochs_shutdown_port, static_cast<std::uint8_t>(letter));
}

void reboot() {
    acpi_reset();
    keyboard_controller::pulse_reset();
    out8(chipset_reset_port, 0x02); // a hard reset is wanted
    out8(chipset_reset_port, 0x06); // now
    wait(100'000);
    triple_fault();
}

} // namespace arch

namespace proc::port {

Result<void> power(abi::Power action) {
    switch (action) {
    case abi::Power::reboot: arch::reboot();
    case abi::Power::exit_success: arch::debug_exit(arch::ExitStatus::success); break;
    case abi::Power::exit_failure: arch::debug_exit(arch::ExitStatus::failure); break;
    case abi::Power::off: break;
    }
    arch::power_off();
    return Error::unsupported;
}

} // namespace proc::port
