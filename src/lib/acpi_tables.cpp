// SPDX-License-Identifier: MIT
// ACPI tables: the root pointer and the list of tables.
#include "lib/acpi_tables.hpp"

#include <algorithm>

namespace lib {
namespace {

constexpr std::uint64_t rsdp_bytes_1 = 20; // ACPI 1.0
constexpr std::uint64_t rsdp_bytes_2 = 36;
constexpr std::uint64_t max_rsdp_bytes = 256;

/// The checked RSDP's addresses (§5.2.5.3); 0: absent.
struct Roots {
    PhysAddr rsdt;
    PhysAddr xsdt;
};

Result<Roots> read_rsdp(Bytes rsdp) {
    const Bytes first = TRY(sub_bytes(rsdp, 0, rsdp_bytes_1));
    if (!as_text(first).starts_with("RSD PTR ") || !acpi_checksum_ok(first)) {
        return Error::bad_format;
    }
    Roots roots{{TRY(read_record<std::uint32_t>(rsdp, 16))}, {}};
    const auto revision = std::to_integer<std::uint8_t>(rsdp[15]);
    if (revision < 2) return roots;
    const auto length = read_record<std::uint32_t>(rsdp, 20);
    if (!length || *length < rsdp_bytes_2 || *length > max_rsdp_bytes) return roots;
    const Result<Bytes> whole = sub_bytes(rsdp, 0, *length);
    // A wrong second checksum leaves the old part, which has its own.
    if (whole && acpi_checksum_ok(*whole)) {
        roots.xsdt = {TRY(read_record<std::uint64_t>(rsdp, 24))};
    }
    return roots;
}

Result<Bytes> read_table(PhysicalReader reader, PhysAddr address) {
    const Bytes head = TRY(reader(address, sizeof(AcpiHeader)));
    const AcpiHeader header = TRY(read_record<AcpiHeader>(head, 0));
    if (header.length < sizeof(AcpiHeader) || header.length > AcpiTables::max_table_bytes) {
        return Error::bad_format;
    }
    const Bytes table = TRY(reader(address, header.length));
    if (table.size() != header.length || !acpi_checksum_ok(table)) return Error::bad_format;
    return table;
}

} // namespace

bool acpi_checksum_ok(Bytes bytes) {
    unsigned sum = 0;
    for (const std::byte byte : bytes) sum += std::to_integer<unsigned>(byte);
    return (sum & 0xFF) == 0;
}

Result<AcpiTables> AcpiTables::open_root(PhysicalReader reader, PhysAddr address, bool extended) {
    if (address.value == 0) return Error::not_found;
    const Bytes table = TRY(read_table(reader, address));
    if (!as_text(table).starts_with(extended ? "XSDT" : "RSDT")) return Error::bad_format;
    const std::size_t entry_bytes = extended ? 8 : 4;
    return AcpiTables(reader, table.subspan(sizeof(AcpiHeader)), entry_bytes);
}

Result<AcpiTables> AcpiTables::open(PhysicalReader reader, Bytes rsdp) {
    const Roots roots = TRY(read_rsdp(rsdp));
    Result<AcpiTables> extended = open_root(reader, roots.xsdt, true);
    if (extended.ok()) return extended;
    if (roots.rsdt.value == 0) return Error::bad_format;
    return open_root(reader, roots.rsdt, false);
}

Result<AcpiTables> AcpiTables::open(PhysicalReader reader, PhysAddr rsdp) {
    Bytes bytes = TRY(reader(rsdp, rsdp_bytes_1));
    if (bytes.size() < rsdp_bytes_1) return Error::bad_format;
    if (std::to_integer<std::uint8_t>(bytes[15]) >= 2) {
        Result<Bytes> more = reader(rsdp, rsdp_bytes_2);
        if (more.ok()) {
            const auto length = read_record<std::uint32_t>(*more, 20);
            const bool longer = length.ok() && *length > rsdp_bytes_2 && *length <= max_rsdp_bytes;
            bytes = *more;
            if (longer) bytes = reader(rsdp, *length).value_or(bytes);
        }
    }
    return open(reader, bytes);
}

Result<PhysAddr> AcpiTables::address(std::size_t index) const {
    if (index >= count()) return Error::not_found;
    const std::size_t offset = index * entry_bytes_;
    if (entry_bytes_ == 8) return PhysAddr{TRY(read_record<std::uint64_t>(entries_, offset))};
    return PhysAddr{TRY(read_record<std::uint32_t>(entries_, offset))};
}

Result<Bytes> AcpiTables::table(std::size_t index) const { return table_at(TRY(address(index))); }

Result<Bytes> AcpiTables::table_at(PhysAddr address) const {
    if (address.value == 0) return Error::not_found;
    return read_table(reader_, address);
}

Result<Bytes> AcpiTables::find(std::string_view signature) const {
    if (signature.size() != 4) return Error::invalid_argument;
    for (std::size_t index = 0; index < count(); ++index) {
        const Result<Bytes> found = table(index);
        if (found.ok() && as_text(*found).starts_with(signature)) return *found;
    }
    return Error::not_found;
}

} // namespace lib
