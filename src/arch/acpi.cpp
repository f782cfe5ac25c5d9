// SPDX-License-Identifier: MIT
// Physical memory for the table reader: the direct map, where it maps.
#include "arch/acpi.hpp"

#include "arch/boot/boot_information.hpp"
#include "arch/layout.hpp"
#include "arch/log.hpp"
#include "arch/panic_report.hpp"

#include <optional>

namespace arch {

namespace {

constinit std::optional<lib::AcpiTables> tables{};

Result<lib::Bytes> read_physical(void*, PhysAddr address, std::uint64_t length) {
    if (address.value >= layout::direct_map_bytes ||
        length > layout::direct_map_bytes - address.value)
        return Error::bad_address;
    const ControlRegisters control = ControlRegisters::read();
    const auto start = reinterpret_cast<std::uint64_t>(layout::direct(address));
    for (std::uint64_t page = align_down(start, page_size); page < start + length;
         page += page_size) {
        if (!peek({page}, control)) return Error::bad_address;
    }
    return lib::Bytes{static_cast<const std::byte*>(layout::direct(address)), length};
}

} // namespace

void initialise_acpi() {
    const auto& rsdp = boot_information().rsdp;
    if (!rsdp) {
        log("ACPI: no root pointer");
        return;
    }
    auto opened =
        lib::AcpiTables::open({read_physical, nullptr}, lib::Bytes{rsdp->bytes.data(), rsdp->size});
    if (!opened) {
        log("ACPI: {}", describe(opened.error()));
        return;
    }
    tables.emplace(*opened);
}

const lib::AcpiTables* acpi_tables() { return tables ? &*tables : nullptr; }

} // namespace arch
