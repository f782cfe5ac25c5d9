// SPDX-License-Identifier: MIT
// ACPI tables (ACPI 6.5 §5.2), read through an accessor to physical memory. Firmware is not
// trusted: signatures, checksums and lengths are verified before anything is believed.
#pragma once

#include "lib/address.hpp"
#include "lib/bytes.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace lib {

/// How the tables are reached: a function and its context.
struct PhysicalReader {
    /// The bytes [address, address + length), readable until the reader's owner says otherwise;
    /// an error where there is no such memory. Not aligned.
    using Read = Result<Bytes> (*)(void* context, PhysAddr address, std::uint64_t length);

    Read read = nullptr;
    void* context = nullptr;

    Result<Bytes> operator()(PhysAddr address, std::uint64_t length) const {
        return read(context, address, length);
    }
};

/// What every table but the FACS begins with (§5.2.6).
struct AcpiHeader {
    std::array<char, 4> signature;
    std::uint32_t length; // of the whole table
    std::uint8_t revision;
    std::uint8_t checksum;
    std::array<char, 6> oem;
    std::array<char, 8> oem_table;
    std::array<char, 4> oem_revision;
    std::array<char, 4> creator;
    std::array<char, 4> creator_revision;
    constexpr std::string_view name() const { return {signature.data(), signature.size()}; }
};
static_assert(sizeof(AcpiHeader) == 36 && alignof(AcpiHeader) == 4);

/// The root: the RSDP, and the list of tables that it names.
class AcpiTables {
public:
    /// A longer table is taken for a lie.
    static constexpr std::uint32_t max_table_bytes = 16U << 20;

    /// Reads the RSDP at an address, or a copy of it as boot loaders hand it over (§5.2.5). The
    /// XSDT is preferred; a damaged one falls back to the RSDT. bad_format: damaged.
    static Result<AcpiTables> open(PhysicalReader reader, PhysAddr rsdp);
    static Result<AcpiTables> open(PhysicalReader reader, Bytes rsdp);

    /// The number of tables the root lists; some may be damaged.
    std::size_t count() const { return entries_.size() / entry_bytes_; }
    /// The table with that number, header included, its checksum verified.
    Result<Bytes> table(std::size_t index) const;
    /// The first sound table with that signature, like "APIC"; damaged ones are passed over.
    /// not_found when there is none.
    Result<Bytes> find(std::string_view signature) const;
    /// The table at an address that some other table gave.
    Result<Bytes> table_at(PhysAddr address) const;

private:
    AcpiTables(PhysicalReader reader, Bytes entries, std::size_t entry_bytes)
        : reader_(reader), entries_(entries), entry_bytes_(entry_bytes) {}
    static Result<AcpiTables> open_root(PhysicalReader reader, PhysAddr address, bool extended);
    Result<PhysAddr> address(std::size_t index) const;

    PhysicalReader reader_;
    Bytes entries_;
    std::size_t entry_bytes_;
};

/// Whether the bytes add up to 0.
bool acpi_checksum_ok(Bytes bytes);

/// A register as tables describe it (§5.2.3.2).
struct AcpiRegister {
    enum class Space : std::uint8_t { memory = 0, port = 1, configuration = 2, other = 3 };
    Space space = Space::other;
    std::uint8_t bits = 0;
    std::uint64_t address = 0; // 0: there is no such register
    /// There is one, in memory or among the ports.
    constexpr bool present() const {
        return address != 0 && (space == Space::memory || space == Space::port);
    }
    constexpr bool operator==(const AcpiRegister&) const = default;
};

/// Reads the 12 bytes of a Generic Address Structure.
Result<AcpiRegister> read_acpi_register(Bytes table, std::uint64_t offset);

/// The event timer (HPET specification 1.0a §3.2.4).
struct AcpiHpet {
    PhysAddr address;
    std::uint8_t number = 0;
    std::uint16_t minimum_tick = 0;
};
Result<AcpiHpet> read_acpi_hpet(Bytes hpet);

/// What the kernel needs of the FADT (§5.2.9).
struct AcpiFixed {
    PhysAddr dsdt;
    AcpiRegister timer; // the power-management timer, 3.579545 MHz
    bool timer_is_32_bit = false;
    AcpiRegister pm1a_event; // status, in the first half of it
    AcpiRegister pm1b_event;
    AcpiRegister pm1a_control;
    AcpiRegister pm1b_control;
    AcpiRegister sleep_control; // in place of the others, where the hardware is reduced
    AcpiRegister sleep_status;
    AcpiRegister reset; // given only when the firmware supports it; also in configuration space
    std::uint8_t reset_value = 0;
    std::uint16_t sci_interrupt = 0;
    std::uint16_t smi_command_port = 0; // 0: none, ACPI mode is always on
    std::uint8_t acpi_enable = 0;       // written there to switch to ACPI mode
    bool hardware_reduced = false;
    bool has_8042 = true; // unless the table says that there is none
};
Result<AcpiFixed> read_acpi_fixed(Bytes fadt);

/// SLP_TYP for PM1a and PM1b control of the soft-off state, from \_S5 in the DSDT or an SSDT. The
/// first is also that of the sleep control register.
struct AcpiSoftOff {
    std::uint8_t type_a = 0;
    std::uint8_t type_b = 0;
};
/// Looks for the name _S5 followed by a package of small integers (§20.2); no AML is run. A package
/// of one integer has both types in it, in the two low bytes. not_found: no such definition.
Result<AcpiSoftOff> find_acpi_soft_off(Bytes definition_block);

} // namespace lib
