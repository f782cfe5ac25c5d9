// SPDX-License-Identifier: MIT
// One ACPI table: FADT, MADT, HPET, and the search for \_S5 in all others.
#include "fuzz/acpi_promises.hpp"
#include "fuzz/fuzz.hpp"
#include "lib/acpi_madt.hpp"
#include "lib/acpi_tables.hpp"
#include "lib/processor_list.hpp"

#include <cstring>
#include <iterator>
#include <vector>

namespace {

using lib::AcpiRegister;
using lib::MadtEntry;

constexpr std::size_t header_bytes = 36;
constexpr std::size_t madt_entries = 44;

void check_register(const AcpiRegister& reg) {
    PROMISE(reg.space <= AcpiRegister::Space::other);
    PROMISE(reg.space != AcpiRegister::Space::port || reg.address <= 0xFFFF);
}

void check_fixed(lib::Bytes table) {
    const auto fixed = lib::read_acpi_fixed(table);
    if (!lib::as_text(table).starts_with("FACP")) {
        PROMISE(!fixed.ok() && fixed.error() == Error::invalid_argument);
        return;
    }
    if (!fixed.ok()) {
        PROMISE(fixed.error() == Error::bad_format);
        return;
    }
    check_register(fixed->timer);
    check_register(fixed->pm1a_control);
    check_register(fixed->pm1b_control);
    check_register(fixed->reset);
}

void check_hpet(lib::Bytes table) {
    const auto timer = lib::read_acpi_hpet(table);
    if (!timer.ok()) return;
    PROMISE(lib::as_text(table).starts_with("HPET"));
    PROMISE(timer->address.value != 0);
}

/// An entry agrees with the bytes at `at`.
void check_madt_entry(const MadtEntry& entry, lib::Bytes table, std::size_t at) {
    const auto byte = [&](std::size_t offset) {
        return *lib::read_record<std::uint8_t>(table, at + offset);
    };
    const auto word = [&](std::size_t offset) {
        return *lib::read_record<std::uint32_t>(table, at + offset);
    };
    PROMISE(entry.type == byte(0));
    if (entry.kind == MadtEntry::Kind::processor) {
        PROMISE(entry.apic_id == (entry.type == 0 ? byte(3) : word(4)));
        PROMISE(!(entry.enabled && entry.online_capable));
        PROMISE(entry.enabled == ((word(entry.type == 0 ? 4 : 8) & 1) != 0));
    } else if (entry.kind == MadtEntry::Kind::io_apic) {
        PROMISE(entry.address.value == word(4) && entry.interrupt_base == word(8));
    } else if (entry.kind == MadtEntry::Kind::interrupt_override) {
        PROMISE(entry.isa_interrupt == byte(3) && entry.global_interrupt == word(4));
    }
}

/// The bytes that an entry of a known type has at least (ACPI 6.5 §5.2.12).
std::size_t whole_length(unsigned type) {
    constexpr unsigned char lengths[] = {8, 12, 10, 8, 6, 12, 2, 2, 2, 16, 12};
    return type < std::size(lengths) ? lengths[type] : 2;
}

/// Where the entries stand that are to be read; the end of what can be read comes last.
std::vector<std::size_t> places(lib::Bytes table, std::size_t& skipped) {
    std::vector<std::size_t> found;
    std::size_t at = madt_entries;
    while (table.size() - at >= 2) {
        const auto type = std::to_integer<unsigned>(table[at]);
        const auto length = std::to_integer<std::size_t>(table[at + 1]);
        if (length < 2 || length > table.size() - at) break;
        if (length >= whole_length(type)) {
            found.push_back(at);
        } else {
            ++skipped;
        }
        at += length;
    }
    found.push_back(at);
    return found;
}

/// Each processor entry is counted once; the list names no APIC twice, the boot CPU's first.
void check_processors(const lib::MadtReader& reader, std::size_t entries, std::uint32_t boot,
                      bool x2apic, std::size_t room) {
    std::vector<lib::ListedProcessor> list(room);
    const auto counts = lib::list_processors(reader, boot, x2apic, list);
    PROMISE(counts.listed >= 1 && counts.listed <= room);
    const std::size_t counted = counts.listed + counts.disabled + counts.for_later +
                                counts.duplicates + counts.unreachable + counts.beyond_list;
    PROMISE(counted == entries || counted == entries + 1); // the boot CPU may be missing
    PROMISE(counts.beyond_list == 0 || counts.listed == room);
    PROMISE(list[0].apic_id == boot);
    for (std::size_t i = 1; i < counts.listed; ++i) {
        PROMISE(list[i].apic_id < (x2apic ? 0xFFFF'FFFF : 0xFF));
        for (std::size_t j = 0; j < i; ++j) PROMISE(list[i].apic_id != list[j].apic_id);
    }
}

void check_madt(lib::Bytes table) {
    auto reader = lib::MadtReader::open(table);
    if (!reader.ok()) return;
    PROMISE(lib::as_text(table).starts_with("APIC") && table.size() >= madt_entries);
    std::size_t skipped = 0, processors = 0;
    const std::vector<std::size_t> entries = places(table, skipped);
    PROMISE(reader->skipped() == skipped);
    PROMISE(reader->unread() == table.size() - entries.back());
    std::uint32_t last_apic_id = 0;
    for (int round = 0; round < 2; ++round) {
        processors = 0;
        for (std::size_t i = 0; i + 1 < entries.size(); ++i) {
            const auto entry = reader->next();
            PROMISE(entry.has_value());
            check_madt_entry(*entry, table, entries[i]);
            if (entry->kind != MadtEntry::Kind::processor) continue;
            ++processors;
            last_apic_id = entry->apic_id;
        }
        PROMISE(!reader->next());
        reader->rewind();
    }
    for (const bool x2apic : {false, true}) {
        check_processors(*reader, processors, 0, x2apic, 3);
        check_processors(*reader, processors, last_apic_id, x2apic, 64);
    }
}

/// Whether a definition of \_S5 begins somewhere: NameOp, name, PackageOp.
bool defines_soft_off(std::string_view text) {
    using namespace std::string_view_literals;
    return text.find("\x08_S5_\x12"sv) != text.npos || text.find("\x08\\_S5_\x12"sv) != text.npos;
}

void check_soft_off(lib::Bytes table) {
    const auto found = lib::find_acpi_soft_off(table);
    if (!found.ok()) {
        PROMISE(found.error() == Error::not_found);
        return;
    }
    PROMISE(found->type_a < 8 && found->type_b < 8);
    PROMISE(defines_soft_off(lib::as_text(table)));
}

void run(lib::Bytes table) {
    fuzz::check_acpi_table(table);
    // As AcpiTables gives it out: no shorter than its header, no longer than it says.
    if (table.size() < header_bytes) return;
    const std::uint32_t length = *lib::read_record<std::uint32_t>(table, 4);
    if (length >= header_bytes && length < table.size()) {
        fuzz::check_acpi_table(table.first(length));
    }
}

} // namespace

void fuzz::check_acpi_table(lib::Bytes table) {
    check_fixed(table);
    check_hpet(table);
    check_madt(table);
    check_soft_off(table);
}

const fuzz::Target fuzz::acpi_table{run};
