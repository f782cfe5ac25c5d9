// SPDX-License-Identifier: MIT
// The MADT ("APIC" table): processors and interrupt controllers (ACPI 6.5 §5.2.12).
#pragma once

#include "lib/address.hpp"
#include "lib/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace lib {

enum class Polarity : std::uint8_t { bus_default, active_high, active_low };
enum class Trigger : std::uint8_t { bus_default, edge, level };

/// One entry; `kind` says which members have a meaning.
struct MadtEntry {
    enum class Kind : std::uint8_t {
        processor,          // apic_id, processor_id, enabled, online_capable
        io_apic,            // io_apic_id, address, interrupt_base
        interrupt_override, // isa_interrupt, global_interrupt, polarity, trigger
        nmi_source,         // global_interrupt, polarity, trigger
        local_nmi,          // processor_id or all_processors, pin, polarity, trigger
        other,              // a type this reader has no use for
    };
    Kind kind = Kind::other;
    std::uint8_t type = 0; // as in the table

    std::uint32_t apic_id = 0;
    std::uint32_t processor_id = 0; // ACPI's number for the processor
    bool enabled = false;           // usable now
    bool online_capable = false;    // not enabled, but may be later
    bool all_processors = false;
    std::uint8_t pin = 0;
    std::uint8_t io_apic_id = 0;
    PhysAddr address;
    std::uint32_t interrupt_base = 0;
    std::uint8_t isa_interrupt = 0;
    std::uint32_t global_interrupt = 0;
    Polarity polarity = Polarity::bus_default;
    Trigger trigger = Trigger::bus_default;
};

/// Walks through a MADT whose checksum is verified (as AcpiTables::find gives it).
class MadtReader {
public:
    /// invalid_argument: not a MADT; bad_format: shorter than its fixed part. Entries that are
    /// damaged are left out and counted; the others count.
    static Result<MadtReader> open(Bytes madt);

    /// Entries too short for their type.
    std::size_t skipped() const { return skipped_; }
    /// Bytes at the end behind an entry whose length can't be: nobody knows what is there.
    std::size_t unread() const { return unread_; }

    /// Of the local APICs: the override entry's, where there is one.
    PhysAddr local_apic() const { return local_apic_; }
    /// Two 8259 controllers are there too, and must be masked.
    bool has_8259() const { return has_8259_; }

    /// The next entry; none at the end.
    std::optional<MadtEntry> next();
    void rewind() { rest_ = entries_; }

private:
    MadtReader() = default;

    Bytes entries_;
    Bytes rest_;
    std::size_t skipped_ = 0;
    std::size_t unread_ = 0;
    PhysAddr local_apic_;
    bool has_8259_ = false;
};

} // namespace lib
