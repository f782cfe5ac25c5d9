// SPDX-License-Identifier: MIT
// ACPI tables through the direct map. The addresses come from firmware: what is not mapped there is
// an error, not a fault.
#include "arch/acpi.hpp"

#include "arch/boot/boot_information.hpp"
#include "arch/layout.hpp"
#include "arch/table_walk.hpp"

namespace arch {
namespace {

Result<lib::Bytes> read_physical(void*, PhysAddr address, std::uint64_t length) {
    if (length > lib::AcpiTables::max_table_bytes ||
        address.value >= layout::direct_map_bytes - length)
        return Error::bad_format;
    const PhysAddr end = address + length;
    for (PhysAddr page{align_down(address.value, page_size)}; page < end; page = page + page_size) {
        if (!TableWalk{layout::direct_map + page.value}.kernel_readable()) return Error::bad_format;
    }
    return lib::Bytes{static_cast<const std::byte*>(layout::direct(address)), length};
}

} // namespace

Result<lib::AcpiTables> open_acpi_tables() {
    const auto& rsdp = boot_information().rsdp;
    if (!rsdp) return Error::not_found;
    return lib::AcpiTables::open({.read = read_physical},
                                 lib::Bytes{rsdp->bytes}.first(rsdp->size));
}

} // namespace arch
