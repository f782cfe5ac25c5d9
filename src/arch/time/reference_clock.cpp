// SPDX-License-Identifier: MIT
// HPET (IA-PC HPET specification 1.0a), the ACPI power-management timer (ACPI 6.5, 4.8.3.3), and
// the 8254 PIT.
#include "arch/time/reference_clock.hpp"

#include "arch/acpi.hpp"
#include "arch/memory/device_window.hpp"
#include "arch/port_io.hpp"

#include <array>
#include <cstddef>

namespace arch {

namespace {

constinit std::array<ReferenceClock, 2> clocks{};
constinit volatile std::uint32_t* hpet = nullptr;
constinit std::uint16_t timer_port = 0;
constinit volatile const std::uint32_t* timer_memory = nullptr;

constexpr std::size_t hpet_period = 0x04 / 4; // femtoseconds per tick
constexpr std::size_t hpet_configuration = 0x10 / 4;
constexpr std::size_t hpet_counter = 0xf0 / 4;
constexpr std::uint64_t femtoseconds_per_second = 1'000'000'000'000'000;
constexpr std::uint32_t hpet_period_max = 100'000'000; // the specification's: 100 ns

Result<ReferenceClock> find_hpet() {
    const lib::AcpiTables tables = TRY(open_acpi_tables());
    const lib::AcpiHpet description = TRY(lib::read_acpi_hpet(TRY(tables.find("HPET"))));
    if (description.address.value == 0) return Error::not_found;
    hpet = static_cast<volatile std::uint32_t*>(TRY(map_device(description.address, 0x400)));
    const std::uint32_t period = hpet[hpet_period];
    if (period == 0 || period > hpet_period_max) return Error::unsupported;
    hpet[hpet_configuration] = hpet[hpet_configuration] | 1;
    // The low half alone: always read at once, and wraps after 40 seconds or more.
    return ReferenceClock{"HPET", femtoseconds_per_second / period, 0xffff'ffff,
                          [] { return std::uint64_t{hpet[hpet_counter]}; }};
}

Result<ReferenceClock> find_acpi_timer() {
    const lib::AcpiTables tables = TRY(open_acpi_tables());
    const lib::AcpiFixed fixed = TRY(lib::read_acpi_fixed(TRY(tables.find("FACP"))));
    if (!fixed.timer.present()) return Error::not_found;
    ReferenceClock clock{"ACPI timer", 3'579'545, fixed.timer_is_32_bit ? 0xffff'ffffU : 0xff'ffffU,
                         nullptr};
    if (fixed.timer.space == lib::AcpiRegister::Space::port) {
        timer_port = static_cast<std::uint16_t>(fixed.timer.address);
        clock.read = [] { return std::uint64_t{in32(timer_port)}; };
    } else {
        timer_memory =
            static_cast<volatile const std::uint32_t*>(TRY(map_device({fixed.timer.address}, 4)));
        clock.read = [] { return std::uint64_t{*timer_memory}; };
    }
    return clock;
}

/// Channel 2, whose gate software controls (port 0x61), counts down from 65536 again and again.
ReferenceClock start_pit() {
    constexpr std::uint16_t control = 0x43;
    constexpr std::uint16_t channel = 0x42;
    constexpr std::uint16_t gate = 0x61;
    out8(gate, static_cast<std::uint8_t>((in8(gate) & ~2U) | 1U)); // speaker off, counter on
    out8(control, 0xb4);                                           // channel 2, mode 2
    out8(channel, 0);
    out8(channel, 0);
    return {"PIT", 1'193'182, 0xffff, [] {
                out8(control, 0x80); // latch
                const std::uint32_t low = in8(channel);
                const std::uint32_t high = in8(channel);
                return std::uint64_t{0x1'0000 - (high << 8 | low)} & 0xffff;
            }};
}

} // namespace

std::span<const ReferenceClock> find_reference_clocks() {
    std::size_t count = 0;
    if (const auto clock = find_hpet()) clocks[count++] = *clock;
    if (const auto clock = find_acpi_timer()) clocks[count++] = *clock;
    if (count == 0) clocks[count++] = start_pit();
    return std::span(clocks).first(count);
}

} // namespace arch
