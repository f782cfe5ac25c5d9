// SPDX-License-Identifier: MIT
// Interrupt controllers and processors as the MADT lists them.
#include "arch/apic/controllers.hpp"

#include "arch/acpi.hpp"
#include "arch/apic/io_apic.hpp"
#include "arch/apic/local_apic.hpp"
#include "arch/cpu/area.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/cpu_features.hpp"
#include "arch/log.hpp"
#include "arch/panic.hpp"
#include "lib/acpi_madt.hpp"

#include <array>
#include <optional>

namespace arch {

namespace {

constinit std::array<lib::ListedProcessor, vm::port::cpu_limit> processor_list{};
constinit lib::ProcessorCounts counts{.listed = 1};

Result<lib::MadtReader> open_madt() {
    const lib::AcpiTables tables = TRY(open_acpi_tables());
    return lib::MadtReader::open(TRY(tables.find("APIC")));
}

void take(const lib::MadtEntry& entry) {
    using Kind = lib::MadtEntry::Kind;
    switch (entry.kind) {
    case Kind::processor: break; // listed apart
    case Kind::io_apic:
        if (!io_apic::add(entry.address, entry.interrupt_base))
            log("I/O APIC {}: not usable", entry.io_apic_id);
        break;
    case Kind::interrupt_override:
        io_apic::override_isa(entry.isa_interrupt,
                              {.global = entry.global_interrupt,
                               .active_low = entry.polarity == lib::Polarity::active_low,
                               .level = entry.trigger == lib::Trigger::level});
        break;
    case Kind::nmi_source:
    case Kind::local_nmi:
    case Kind::other: break;
    }
}

} // namespace

std::span<const lib::ListedProcessor> listed_processors() {
    return std::span(processor_list).first(counts.listed);
}
const lib::ProcessorCounts& processor_counts() { return counts; }

void initialise_interrupt_controllers() {
    if (!cpu_features().apic) panic("this processor has no local APIC");
    constexpr std::uint64_t base_address = 0x000f'ffff'ffff'f000;
    PhysAddr base{read_msr(Msr::apic_base) & base_address};

    auto madt = open_madt();
    if (!madt) log("ACPI: no table of interrupt controllers: {}", madt.error());
    if (!madt || madt->has_8259()) io_apic::silence_pics();
    if (madt && madt->local_apic().value != 0) base = madt->local_apic();
    if (!local_apic::initialise(base)) panic("the local APIC can't be mapped");
    this_cpu().apic_id = processor_list[0].apic_id = local_apic::id();
    log("interrupts: boot CPU has local APIC {}{}", this_cpu().apic_id,
        local_apic::is_x2apic() ? " (x2APIC)" : "");
    if (!madt) return;
    if (madt->skipped() != 0 || madt->unread() != 0)
        log("ACPI: table of interrupt controllers: {} entries too short, {} bytes not understood",
            madt->skipped(), madt->unread());
    counts =
        lib::list_processors(*madt, this_cpu().apic_id, local_apic::is_x2apic(), processor_list);
    while (const std::optional<lib::MadtEntry> entry = madt->next()) take(*entry);
}

} // namespace arch
