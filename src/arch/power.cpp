// SPDX-License-Identifier: MIT
// Power by ACPI and by the older ways. Interrupts are off.
#include "arch/power.hpp"

#include "arch/acpi.hpp"
#include "arch/debug_exit.hpp"
#include "arch/hypervisor.hpp"
#include "arch/keyboard_controller.hpp"
#include "arch/layout.hpp"
#include "arch/log.hpp"
#include "arch/port_io.hpp"
#include "arch/table_walk.hpp"
#include "lib/acpi_tables.hpp"
#include "proc/port.hpp"

#include <array>
#include <string_view>

namespace arch {
namespace {

using lib::AcpiFixed;
using lib::AcpiRegister;

// PM1 control registers (ACPI 6.5, 4.8.3.2).
constexpr std::uint16_t pm1_acpi_mode = 1U << 0;
constexpr unsigned pm1_sleep_type_shift = 10;
constexpr std::uint16_t pm1_sleep_type_mask = 7U << pm1_sleep_type_shift;
constexpr std::uint16_t pm1_sleep_enable = 1U << 13;

constexpr std::uint16_t bochs_shutdown_port = 0x8900;
constexpr std::uint16_t chipset_reset_port = 0xcf9;

/// A port read takes about a microsecond on real machines.
void wait(unsigned reads) {
    for (unsigned i = 0; i < reads; ++i) in8(0x80);
}

bool is_port(const AcpiRegister& reg) {
    return reg.present() && reg.space == AcpiRegister::Space::port && reg.address < 0x10000;
}

std::uint16_t port_of(const AcpiRegister& reg) { return static_cast<std::uint16_t>(reg.address); }

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

/// Takes the power-management registers over from the firmware, where it still has them.
void enter_acpi_mode(const AcpiFixed& fixed) {
    const std::uint16_t control = port_of(fixed.pm1a_control);
    if (fixed.smi_command_port == 0 || (in16(control) & pm1_acpi_mode) != 0) return;
    out8(fixed.smi_command_port, fixed.acpi_enable);
    for (unsigned i = 0; i < 300'000 && (in16(control) & pm1_acpi_mode) == 0; ++i) wait(1);
}

void write_sleep(const AcpiRegister& reg, std::uint8_t type, std::uint16_t enable) {
    if (!is_port(reg)) return;
    const std::uint16_t port = port_of(reg);
    const unsigned kept = in16(port) & ~unsigned{pm1_sleep_type_mask | pm1_sleep_enable};
    const unsigned wanted = (unsigned{type} << pm1_sleep_type_shift) & pm1_sleep_type_mask;
    out16(port, static_cast<std::uint16_t>(kept | wanted | enable));
}

Result<void> acpi_soft_off() {
    const lib::AcpiTables tables = TRY(open_acpi_tables());
    const AcpiFixed fixed = TRY(fixed_table(tables));
    if (!is_port(fixed.pm1a_control)) return Error::unsupported;
    const lib::AcpiSoftOff values = TRY(soft_off_values(tables, fixed));
    enter_acpi_mode(fixed);
    // The types first, then the order to go: both registers must have their type by then.
    write_sleep(fixed.pm1a_control, values.type_a, 0);
    write_sleep(fixed.pm1b_control, values.type_b, 0);
    write_sleep(fixed.pm1a_control, values.type_a, pm1_sleep_enable);
    write_sleep(fixed.pm1b_control, values.type_b, pm1_sleep_enable);
    wait(500'000);
    return Error::unsupported; // still here
}

Result<void> acpi_reset() {
    const lib::AcpiTables tables = TRY(open_acpi_tables());
    const AcpiFixed fixed = TRY(fixed_table(tables));
    if (is_port(fixed.reset)) {
        out8(port_of(fixed.reset), fixed.reset_value);
    } else if (fixed.reset.present() && fixed.reset.address < layout::direct_map_bytes) {
        const VirtAddr address = layout::direct_map + fixed.reset.address;
        if (!TableWalk{address}.kernel_readable()) return Error::unsupported;
        *reinterpret_cast<volatile std::uint8_t*>(address.value) = fixed.reset_value;
    }
    wait(100'000);
    return Error::unsupported;
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
    if (const Result<void> tried = acpi_soft_off(); !tried)
        log("power: ACPI did not switch off: {}", tried.error());
    // Bochs announces no hypervisor. On a machine where the port is nobody's, this does nothing.
    for (const char letter : std::string_view{"Shutdown"})
        out8(bochs_shutdown_port, static_cast<std::uint8_t>(letter));
}

void reboot() {
    static_cast<void>(acpi_reset());
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
