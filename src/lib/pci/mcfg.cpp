// SPDX-License-Identifier: MIT
// Entries of 16 bytes behind the header and 8 reserved bytes.
#include "lib/pci/mcfg.hpp"

#include "lib/acpi_tables.hpp"

namespace lib::pci {
namespace {

constexpr std::uint64_t first_entry = sizeof(AcpiHeader) + 8;
constexpr std::uint64_t entry_bytes = 16;
constexpr std::uint64_t address_limit = 1ULL << 52;

} // namespace

Result<MemorySegment> read_memory_segment(Bytes mcfg, std::size_t index) {
    if (!as_text(mcfg).starts_with("MCFG")) return Error::invalid_argument;
    if (index >= mcfg.size() / entry_bytes) return Error::not_found;
    const Result<Bytes> entry = sub_bytes(mcfg, first_entry + index * entry_bytes, entry_bytes);
    if (!entry) return Error::not_found;
    MemorySegment segment;
    segment.base = {TRY(read_record<std::uint64_t>(*entry, 0))};
    segment.segment = TRY(read_record<std::uint16_t>(*entry, 8));
    segment.first_bus = TRY(read_record<std::uint8_t>(*entry, 10));
    segment.last_bus = TRY(read_record<std::uint8_t>(*entry, 11));
    if (segment.base.value == 0 || segment.base.value % MemorySegment::bytes_per_bus != 0 ||
        segment.base.value >= address_limit || segment.last_bus < segment.first_bus)
        return Error::bad_format;
    return segment;
}

} // namespace lib::pci
