// SPDX-License-Identifier: MIT
// The MADT: a fixed part, then entries {type, length, …}.
#include "lib/acpi_madt.hpp"

namespace lib {
namespace {

constexpr std::uint64_t entries_offset = 44;
constexpr std::uint8_t all_processors_8 = 0xFF;
constexpr std::uint32_t all_processors_32 = 0xFFFF'FFFF;

// Entry types and their lengths (§5.2.12.2 and following).
enum Type : std::uint8_t {
    type_local_apic = 0,
    type_io_apic = 1,
    type_interrupt_override = 2,
    type_nmi_source = 3,
    type_local_nmi = 4,
    type_address_override = 5,
    type_local_x2apic = 9,
    type_local_x2apic_nmi = 10,
};

constexpr std::size_t least_length(std::uint8_t type) {
    switch (type) {
    case type_local_apic:
    case type_nmi_source: return 8;
    case type_io_apic:
    case type_address_override:
    case type_local_x2apic_nmi: return 12;
    case type_interrupt_override: return 10;
    case type_local_nmi: return 6;
    case type_local_x2apic: return 16;
    default: return 2;
    }
}

/// A field of an entry whose length was checked.
template <typename T>
T at(Bytes entry, std::size_t offset) {
    T value;
    __builtin_memcpy(&value, entry.subspan(offset, sizeof(T)).data(), sizeof(T));
    return value;
}

void read_flags(MadtEntry& entry, std::uint16_t flags) {
    constexpr Polarity polarities[] = {Polarity::bus_default, Polarity::active_high,
                                       Polarity::bus_default, Polarity::active_low};
    constexpr Trigger triggers[] = {Trigger::bus_default, Trigger::edge, Trigger::bus_default,
                                    Trigger::level};
    entry.polarity = polarities[flags & 3U];
    entry.trigger = triggers[(flags >> 2U) & 3U];
}

void read_processor_flags(MadtEntry& entry, std::uint32_t flags) {
    entry.enabled = (flags & 1) != 0;
    entry.online_capable = (flags & 3) == 2;
}

/// Cuts the first entry off. Empty, with `rest` as it was, where its length can't be: shorter than
/// its own two bytes, or beyond the table's end.
Bytes take_entry(Bytes& rest) {
    if (rest.size() < 2) return {};
    const auto length = std::to_integer<std::size_t>(rest[1]);
    if (length < 2 || length > rest.size()) return {};
    const Bytes entry = rest.first(length);
    rest = rest.subspan(length);
    return entry;
}

/// Whether all fields of the entry's type are there.
bool is_whole(Bytes entry) {
    return entry.size() >= least_length(std::to_integer<std::uint8_t>(entry[0]));
}

MadtEntry decode(Bytes bytes) {
    MadtEntry entry;
    entry.type = std::to_integer<std::uint8_t>(bytes[0]);
    switch (entry.type) {
    case type_local_apic:
        entry.kind = MadtEntry::Kind::processor;
        entry.processor_id = at<std::uint8_t>(bytes, 2);
        entry.apic_id = at<std::uint8_t>(bytes, 3);
        read_processor_flags(entry, at<std::uint32_t>(bytes, 4));
        break;
    case type_local_x2apic:
        entry.kind = MadtEntry::Kind::processor;
        entry.apic_id = at<std::uint32_t>(bytes, 4);
        read_processor_flags(entry, at<std::uint32_t>(bytes, 8));
        entry.processor_id = at<std::uint32_t>(bytes, 12);
        break;
    case type_io_apic:
        entry.kind = MadtEntry::Kind::io_apic;
        entry.io_apic_id = at<std::uint8_t>(bytes, 2);
        entry.address = {at<std::uint32_t>(bytes, 4)};
        entry.interrupt_base = at<std::uint32_t>(bytes, 8);
        break;
    case type_interrupt_override:
        entry.kind = MadtEntry::Kind::interrupt_override;
        entry.isa_interrupt = at<std::uint8_t>(bytes, 3);
        entry.global_interrupt = at<std::uint32_t>(bytes, 4);
        read_flags(entry, at<std::uint16_t>(bytes, 8));
        break;
    case type_nmi_source:
        entry.kind = MadtEntry::Kind::nmi_source;
        read_flags(entry, at<std::uint16_t>(bytes, 2));
        entry.global_interrupt = at<std::uint32_t>(bytes, 4);
        break;
    case type_local_nmi:
        entry.kind = MadtEntry::Kind::local_nmi;
        entry.processor_id = at<std::uint8_t>(bytes, 2);
        entry.all_processors = entry.processor_id == all_processors_8;
        read_flags(entry, at<std::uint16_t>(bytes, 3));
        entry.pin = at<std::uint8_t>(bytes, 5);
        break;
    case type_local_x2apic_nmi:
        entry.kind = MadtEntry::Kind::local_nmi;
        read_flags(entry, at<std::uint16_t>(bytes, 2));
        entry.processor_id = at<std::uint32_t>(bytes, 4);
        entry.all_processors = entry.processor_id == all_processors_32;
        entry.pin = at<std::uint8_t>(bytes, 8);
        break;
    default: break;
    }
    return entry;
}

} // namespace

Result<MadtReader> MadtReader::open(Bytes madt) {
    if (!as_text(madt).starts_with("APIC")) return Error::invalid_argument;
    MadtReader reader;
    reader.local_apic_ = {TRY(read_record<std::uint32_t>(madt, 36))};
    reader.has_8259_ = (TRY(read_record<std::uint32_t>(madt, 40)) & 1) != 0;
    const Bytes entries = madt.subspan(entries_offset);
    Bytes rest = entries;
    for (Bytes entry = take_entry(rest); !entry.empty(); entry = take_entry(rest)) {
        if (!is_whole(entry)) {
            ++reader.skipped_;
        } else if (entry[0] == std::byte{type_address_override}) {
            reader.local_apic_ = {at<std::uint64_t>(entry, 4)};
        }
    }
    reader.unread_ = rest.size();
    reader.entries_ = entries.first(entries.size() - rest.size());
    reader.rewind();
    return reader;
}

std::optional<MadtEntry> MadtReader::next() {
    for (Bytes entry = take_entry(rest_); !entry.empty(); entry = take_entry(rest_)) {
        if (is_whole(entry)) return decode(entry);
    }
    return std::nullopt;
}

} // namespace lib
