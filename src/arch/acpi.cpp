// SPDX-License-Identifier: MIT
// Physical memory for the table reader: the direct map, where it maps.
#include "arch/acpi.hpp"

#include "arch/boot/boot_information.hpp"
#include "arch/layout.hpp"
#include "arch/panic_report.hpp"

namespace arch {

namespace {

Result<lib::Bytes> read_physical(void*, PhysAddr address, std::uint64_t length) {
    if (address.value >= layout::direct_map_bytes ||
        length > layout::direct_map_bytes - address.value)
        return Error::bad_format;
    const ControlRegisters control = ControlRegisters::read();
    const auto start = reinterpret_cast<std::uint64_t>(layout::direct(address));
    for (std::uint64_t page = align_down(start, page_size); page < start + length;
         page += page_size) {
        if (!peek({page}, control)) return Error::bad_format;
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
