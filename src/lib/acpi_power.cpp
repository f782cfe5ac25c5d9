// SPDX-License-Identifier: MIT
// The order of writes.
#include "lib/acpi_power.hpp"

namespace lib {
namespace {

// PM1 status and control (4.8.3.1, 4.8.3.2).
constexpr std::uint32_t pm1_wake_status = 1U << 15; // a one clears it
constexpr std::uint32_t pm1_acpi_mode = 1U << 0;
constexpr unsigned pm1_sleep_type_shift = 10;
constexpr std::uint32_t pm1_sleep_type = 7U << pm1_sleep_type_shift;
constexpr std::uint32_t pm1_sleep_enable = 1U << 13;

// Sleep control and status (4.8.3.7).
constexpr std::uint32_t reduced_wake_status = 1U << 7; // a one clears it
constexpr unsigned reduced_sleep_type_shift = 2;
constexpr std::uint32_t reduced_sleep_enable = 1U << 5;

constexpr unsigned acpi_mode_milliseconds = 3000;
constexpr unsigned off_milliseconds = 1000;
constexpr unsigned reset_milliseconds = 100;

/// Takes the registers over from the firmware, where it still has them.
void enter_acpi_mode(const AcpiFixed& fixed, const AcpiAccess& access) {
    const auto entered = [&] {
        return (access.read(access.context, fixed.pm1a_control, 16) & pm1_acpi_mode) != 0;
    };
    if (fixed.smi_command_port == 0 || fixed.acpi_enable == 0 || entered()) return;
    const AcpiRegister command{AcpiRegister::Space::port, 8, fixed.smi_command_port};
    access.write(access.context, command, 8, fixed.acpi_enable);
    for (unsigned i = 0; i < acpi_mode_milliseconds && !entered(); ++i)
        access.wait(access.context, 1);
}

void write_sleep(const AcpiAccess& access, const AcpiRegister& to, std::uint32_t type,
                 std::uint32_t enable) {
    if (!to.present()) return;
    const std::uint32_t kept =
        access.read(access.context, to, 16) & ~(pm1_sleep_type | pm1_sleep_enable);
    access.write(access.context, to, 16, kept | type << pm1_sleep_type_shift | enable);
}

Error order_reduced(const AcpiFixed& fixed, const AcpiSoftOff& types, const AcpiAccess& access) {
    if (!fixed.sleep_control.present()) return Error::unsupported;
    if (fixed.sleep_status.present())
        access.write(access.context, fixed.sleep_status, 8, reduced_wake_status);
    const std::uint32_t type = std::uint32_t{types.type_a} << reduced_sleep_type_shift;
    access.write(access.context, fixed.sleep_control, 8, type | reduced_sleep_enable);
    access.wait(access.context, off_milliseconds);
    return Error::would_block;
}

} // namespace

Error order_soft_off(const AcpiFixed& fixed, const AcpiSoftOff& types, const AcpiAccess& access) {
    if (fixed.hardware_reduced) return order_reduced(fixed, types, access);
    if (!fixed.pm1a_control.present()) return Error::unsupported;
    enter_acpi_mode(fixed, access);
    // An old cause to wake would end the state that is about to begin.
    for (const AcpiRegister& status : {fixed.pm1a_event, fixed.pm1b_event}) {
        if (status.present()) access.write(access.context, status, 16, pm1_wake_status);
    }
    // The types first, then the order to go: both registers must have their type by then.
    write_sleep(access, fixed.pm1a_control, types.type_a, 0);
    write_sleep(access, fixed.pm1b_control, types.type_b, 0);
    write_sleep(access, fixed.pm1a_control, types.type_a, pm1_sleep_enable);
    write_sleep(access, fixed.pm1b_control, types.type_b, pm1_sleep_enable);
    access.wait(access.context, off_milliseconds);
    return Error::would_block;
}

AcpiConfigurationPlace configuration_place(const AcpiRegister& place) {
    const std::uint64_t device = place.address >> 32;
    const std::uint64_t function = place.address >> 16 & 0xFFFF;
    const std::uint64_t offset = place.address & 0xFFFF;
    if (place.space != AcpiRegister::Space::configuration || device > 31 || function > 7 ||
        offset > 255)
        return {};
    return {true, static_cast<std::uint8_t>(device), static_cast<std::uint8_t>(function),
            static_cast<std::uint8_t>(offset)};
}

Error order_reset(const AcpiFixed& fixed, const AcpiAccess& access) {
    if (!fixed.reset.present() && !configuration_place(fixed.reset).valid)
        return Error::unsupported;
    access.write(access.context, fixed.reset, 8, fixed.reset_value);
    access.wait(access.context, reset_milliseconds);
    return Error::would_block;
}

} // namespace lib
