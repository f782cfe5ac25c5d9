// SPDX-License-Identifier: MIT
// ACPI: the fixed hardware (FADT), the event timer (HPET), the way to soft-off (\_S5).
#include "lib/acpi_tables.hpp"

#include <algorithm>

namespace lib {
namespace {

// Offsets in the FADT (§5.2.9, table 5.9).
constexpr std::uint64_t fadt_dsdt = 40;
constexpr std::uint64_t fadt_sci_interrupt = 46;
constexpr std::uint64_t fadt_smi_command = 48;
constexpr std::uint64_t fadt_acpi_enable = 52;
constexpr std::uint64_t fadt_pm1a_event = 56;
constexpr std::uint64_t fadt_pm1b_event = 60;
constexpr std::uint64_t fadt_pm1a_control = 64;
constexpr std::uint64_t fadt_pm1b_control = 68;
constexpr std::uint64_t fadt_timer = 76;
constexpr std::uint64_t fadt_boot_flags = 109;
constexpr std::uint64_t fadt_flags = 112;
constexpr std::uint64_t fadt_reset = 116;
constexpr std::uint64_t fadt_reset_value = 128;
constexpr std::uint64_t fadt_x_dsdt = 140;
constexpr std::uint64_t fadt_x_pm1a_event = 148;
constexpr std::uint64_t fadt_x_pm1b_event = 160;
constexpr std::uint64_t fadt_x_pm1a_control = 172;
constexpr std::uint64_t fadt_x_pm1b_control = 184;
constexpr std::uint64_t fadt_x_timer = 208;
constexpr std::uint64_t fadt_sleep_control = 244;
constexpr std::uint64_t fadt_sleep_status = 256;

constexpr std::uint32_t flag_timer_32_bit = 1U << 8;
constexpr std::uint32_t flag_reset = 1U << 10;
constexpr std::uint32_t flag_hardware_reduced = 1U << 20;
constexpr std::uint16_t boot_flag_8042 = 1U << 1;

/// The extended register where the table is long enough and it is there, else the old port.
Result<AcpiRegister> either(Bytes fadt, std::uint64_t extended, std::uint64_t port,
                            std::uint8_t bits) {
    const Result<AcpiRegister> wide = read_acpi_register(fadt, extended);
    if (wide.ok() && wide->present()) return *wide;
    const std::uint32_t number = TRY(read_record<std::uint32_t>(fadt, port));
    if (number > 0xFFFF) return AcpiRegister{}; // no such port
    return AcpiRegister{AcpiRegister::Space::port, bits, number};
}

/// A package element: a constant of AML (§20.2.3). Takes it off `code`.
Result<std::uint64_t> take_integer(Bytes& code) {
    if (code.empty()) return Error::bad_format;
    std::size_t bytes = 0;
    std::uint64_t value = 0;
    switch (std::to_integer<std::uint8_t>(code[0])) {
    case 0x00: break;            // ZeroOp
    case 0x01: value = 1; break; // OneOp
    case 0x0A: bytes = 1; break; // BytePrefix
    case 0x0B: bytes = 2; break; // WordPrefix
    case 0x0C: bytes = 4; break; // DWordPrefix
    case 0x0E: bytes = 8; break; // QWordPrefix
    default: return Error::bad_format;
    }
    const Bytes digits = TRY(sub_bytes(code, 1, bytes));
    for (std::size_t i = 0; i < bytes; ++i)
        value |= std::to_integer<std::uint64_t>(digits[i]) << 8 * i;
    code = code.subspan(1 + bytes);
    return value;
}

/// A package's length (§20.2.4): as many further bytes as the two top bits of the first say; with
/// them, that one has only four bits of it. Takes it off `code`.
Result<std::size_t> take_length(Bytes& code) {
    if (code.empty()) return Error::bad_format;
    const auto lead = std::to_integer<std::size_t>(code[0]);
    const std::size_t more = lead >> 6;
    const Bytes digits = TRY(sub_bytes(code, 1, more));
    std::size_t length = more == 0 ? lead & 0x3F : lead & 0x0F;
    for (std::size_t i = 0; i < more; ++i)
        length |= std::to_integer<std::size_t>(digits[i]) << (4 + 8 * i);
    code = code.subspan(1 + more);
    if (length < 1 + more) return Error::bad_format; // it counts itself
    return length - (1 + more);
}

/// A package of at least one integer: PackageOp, its length, the count of elements, elements.
Result<AcpiSoftOff> read_package(Bytes code) {
    if (code.empty() || code[0] != std::byte{0x12}) return Error::bad_format;
    code = code.subspan(1);
    const std::size_t length = TRY(take_length(code));
    Bytes values = TRY(sub_bytes(code, 0, length));
    if (values.empty()) return Error::bad_format;
    const auto elements = std::to_integer<unsigned>(values[0]);
    if (elements == 0) return Error::bad_format;
    values = values.subspan(1);
    std::uint64_t type_a = TRY(take_integer(values));
    std::uint64_t type_b = 0;
    if (elements > 1) {
        type_b = TRY(take_integer(values));
    } else {
        type_b = type_a >> 8;
        type_a &= 0xFF;
    }
    if (type_a > 7 || type_b > 7) return Error::bad_format; // SLP_TYP has three bits
    return AcpiSoftOff{static_cast<std::uint8_t>(type_a), static_cast<std::uint8_t>(type_b)};
}

} // namespace

Result<AcpiRegister> read_acpi_register(Bytes table, std::uint64_t offset) {
    const Bytes bytes = TRY(sub_bytes(table, offset, 12));
    const auto space = std::to_integer<std::uint8_t>(bytes[0]);
    AcpiRegister result;
    if (space < 3) result.space = static_cast<AcpiRegister::Space>(space);
    result.bits = std::to_integer<std::uint8_t>(bytes[1]);
    result.address = TRY(read_record<std::uint64_t>(bytes, 4));
    if (result.space == AcpiRegister::Space::port && result.address > 0xFFFF) result.address = 0;
    return result;
}

Result<AcpiHpet> read_acpi_hpet(Bytes hpet) {
    if (!as_text(hpet).starts_with("HPET")) return Error::invalid_argument;
    const AcpiRegister base = TRY(read_acpi_register(hpet, 40));
    if (base.space != AcpiRegister::Space::memory || base.address == 0) return Error::bad_format;
    return AcpiHpet{{base.address},
                    TRY(read_record<std::uint8_t>(hpet, 52)),
                    TRY(read_record<std::uint16_t>(hpet, 53))};
}

Result<AcpiFixed> read_acpi_fixed(Bytes fadt) {
    if (!as_text(fadt).starts_with("FACP")) return Error::invalid_argument;
    AcpiFixed fixed;
    const std::uint32_t flags = TRY(read_record<std::uint32_t>(fadt, fadt_flags));
    const AcpiHeader header = TRY(read_record<AcpiHeader>(fadt, 0));

    fixed.dsdt = {TRY(read_record<std::uint32_t>(fadt, fadt_dsdt))};
    const auto wide_dsdt = read_record<std::uint64_t>(fadt, fadt_x_dsdt);
    if (wide_dsdt.ok() && *wide_dsdt != 0) fixed.dsdt = {*wide_dsdt};

    fixed.timer = TRY(either(fadt, fadt_x_timer, fadt_timer, 32));
    fixed.timer_is_32_bit = (flags & flag_timer_32_bit) != 0;
    fixed.pm1a_event = TRY(either(fadt, fadt_x_pm1a_event, fadt_pm1a_event, 32));
    fixed.pm1b_event = TRY(either(fadt, fadt_x_pm1b_event, fadt_pm1b_event, 32));
    fixed.pm1a_control = TRY(either(fadt, fadt_x_pm1a_control, fadt_pm1a_control, 16));
    fixed.pm1b_control = TRY(either(fadt, fadt_x_pm1b_control, fadt_pm1b_control, 16));
    const auto reset = read_acpi_register(fadt, fadt_reset);
    const auto reset_value = read_record<std::uint8_t>(fadt, fadt_reset_value);
    if ((flags & flag_reset) != 0 && reset.ok() && reset_value.ok()) {
        fixed.reset = *reset;
        fixed.reset_value = *reset_value;
    }
    // Tables before ACPI 5.0 end earlier.
    fixed.sleep_control = read_acpi_register(fadt, fadt_sleep_control).value_or({});
    fixed.sleep_status = read_acpi_register(fadt, fadt_sleep_status).value_or({});
    fixed.sci_interrupt = TRY(read_record<std::uint16_t>(fadt, fadt_sci_interrupt));
    const auto smi_command = TRY(read_record<std::uint32_t>(fadt, fadt_smi_command));
    fixed.smi_command_port = static_cast<std::uint16_t>(smi_command <= 0xFFFF ? smi_command : 0);
    fixed.acpi_enable = TRY(read_record<std::uint8_t>(fadt, fadt_acpi_enable));
    fixed.hardware_reduced = (flags & flag_hardware_reduced) != 0;
    // ACPI 1.0 has no such flags: those boards have the controller.
    const std::uint16_t boot_flags = TRY(read_record<std::uint16_t>(fadt, fadt_boot_flags));
    fixed.has_8042 = header.revision < 3 || (boot_flags & boot_flag_8042) != 0;
    return fixed;
}

Result<AcpiSoftOff> find_acpi_soft_off(Bytes definition_block) {
    const std::string_view text = as_text(definition_block);
    constexpr std::string_view name = "_S5_";
    for (std::size_t at = sizeof(AcpiHeader); at + name.size() < text.size(); ++at) {
        // A definition: NameOp, perhaps a root prefix, the name, and a package.
        if (text[at] != '_' || as_text(definition_block.subspan(at, name.size())) != name) continue;
        const bool rooted = text[at - 1] == '\\';
        if (text[at - (rooted ? 2 : 1)] != '\x08') continue;
        const auto found = read_package(definition_block.subspan(at + name.size()));
        if (found.ok()) return *found;
    }
    return Error::not_found;
}

} // namespace lib
