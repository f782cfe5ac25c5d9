// SPDX-License-Identifier: MIT
// ACPI from the root pointer on: the input is physical memory from `base`, where the root pointer
// stands. Every read gives a copy of its own, so that a byte too many is seen.
#include "fuzz/acpi_promises.hpp"
#include "fuzz/fuzz.hpp"
#include "lib/acpi_tables.hpp"
#include "lib/address.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

namespace {

using lib::AcpiTables;

constexpr std::uint64_t base = 0xE'0000;
constexpr std::size_t header_bytes = 36;

struct Memory {
    lib::Bytes bytes;
    std::vector<std::vector<std::byte>> copies{};

    static Result<lib::Bytes> read(void* context, PhysAddr address, std::uint64_t length) {
        Memory& memory = *static_cast<Memory*>(context);
        const auto part = lib::sub_bytes(memory.bytes, address.value - base, length);
        if (!part.ok()) return Error::bad_address;
        memory.copies.emplace_back(part->begin(), part->end());
        return lib::Bytes(memory.copies.back());
    }
    lib::PhysicalReader reader() { return {read, this}; }
};

void check_table(lib::Bytes table) {
    PROMISE(table.size() >= header_bytes && table.size() <= AcpiTables::max_table_bytes);
    PROMISE(*lib::read_record<std::uint32_t>(table, 4) == table.size());
    PROMISE(lib::acpi_checksum_ok(table));
    fuzz::check_acpi_table(table);
}

/// What find() gives is the first sound table of that name.
void check_find(const AcpiTables& tables, std::string_view name, std::size_t index) {
    const auto found = tables.find(name);
    PROMISE(found.ok());
    for (std::size_t i = 0; i <= index; ++i) {
        const auto table = tables.table(i);
        if (!table.ok() || !lib::as_text(*table).starts_with(name)) continue;
        PROMISE(std::ranges::equal(*found, *table));
        return;
    }
    PROMISE(!"found, but not in the list");
}

void check_tables(const AcpiTables& tables) {
    PROMISE(tables.table(tables.count()).error() == Error::not_found);
    unsigned looked_up = 0;
    for (std::size_t i = 0; i < tables.count(); ++i) {
        const auto table = tables.table(i);
        if (!table.ok()) continue;
        check_table(*table);
        if (looked_up++ < 4) check_find(tables, lib::as_text(table->first(4)), i);
    }
}

void run(lib::Bytes input) {
    Memory memory{input};
    const auto tables = AcpiTables::open(memory.reader(), PhysAddr{base});
    if (tables.ok()) check_tables(*tables);
    // A copy of the root pointer, as boot loaders hand it over: all of it that there may be.
    const auto copied =
        AcpiTables::open(memory.reader(), input.first(std::min<std::size_t>(input.size(), 256)));
    PROMISE(tables.ok() == copied.ok());
    if (tables.ok()) PROMISE(tables->count() == copied->count());
}

/// Length (if it leads outside) and checksum of the table at an address; gives the table.
std::optional<std::span<std::byte>> repair_table(std::span<std::byte> memory,
                                                 std::uint64_t address) {
    const std::uint64_t at = address - base;
    if (at > memory.size() || memory.size() - at < header_bytes) return std::nullopt;
    const auto rest = memory.subspan(at);
    std::uint32_t length = *lib::read_record<std::uint32_t>(rest, 4);
    if (length < header_bytes || length > rest.size()) {
        length = static_cast<std::uint32_t>(rest.size());
        std::memcpy(&rest[4], &length, sizeof length);
    }
    fuzz::fix_sum(rest.first(length), 9);
    return rest.first(length);
}

void repair_list(std::span<std::byte> memory, std::uint64_t address, std::size_t entry_bytes) {
    const auto list = repair_table(memory, address);
    if (!list) return;
    for (std::size_t at = header_bytes; at + entry_bytes <= list->size(); at += entry_bytes) {
        std::uint64_t entry = 0;
        std::memcpy(&entry, &(*list)[at], entry_bytes);
        repair_table(memory, entry);
    }
    fuzz::fix_sum(*list, 9); // entries may overlap the list
}

void repair(std::span<std::byte> memory) {
    if (memory.size() < header_bytes) return;
    std::ranges::copy(std::as_bytes(std::span("RSD PTR ", 8)), memory.begin());
    repair_list(memory, *lib::read_record<std::uint32_t>(memory, 16), 4);
    repair_list(memory, *lib::read_record<std::uint64_t>(memory, 24), 8);
    fuzz::fix_sum(memory.first(20), 8);
    const std::uint32_t length = *lib::read_record<std::uint32_t>(memory, 20);
    if (length >= header_bytes && length <= memory.size()) fuzz::fix_sum(memory.first(length), 32);
}

} // namespace

const fuzz::Target fuzz::acpi_root{run, repair};
