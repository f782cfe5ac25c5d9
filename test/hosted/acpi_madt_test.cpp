// SPDX-License-Identifier: MIT
// The MADT: every kind of entry, 256 processors with holes, damage.
#include "lib/acpi_madt.hpp"

#include "acpi_memory.hpp"

#include <doctest/doctest.h>

#include <initializer_list>

using lib::MadtEntry;
using lib::MadtReader;

namespace {

TestTable madt() {
    TestTable table("APIC", 4);
    table.add(std::uint32_t{0xFEE00000}).add(std::uint32_t{1});
    return table;
}

void entry(TestTable& table, std::initializer_list<unsigned> bytes) {
    for (const unsigned byte : bytes) table.add(static_cast<std::uint8_t>(byte));
}

} // namespace

TEST_CASE("every kind of entry") {
    TestTable table = madt();
    entry(table, {0, 8, 3, 7, 1, 0, 0, 0});
    entry(table, {9, 16, 0, 0, 0x44, 0x33, 0, 0, 1, 0, 0, 0, 0x22, 0x11, 0, 0});
    entry(table, {1, 12, 2, 0, 0, 0, 0xC0, 0xFE, 24, 0, 0, 0});
    entry(table, {2, 10, 0, 9, 20, 0, 0, 0, 0x0D, 0});
    entry(table, {3, 8, 0x0F, 0, 5, 0, 0, 0});
    entry(table, {4, 6, 0xFF, 5, 0, 1});
    entry(table, {10, 12, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0});
    entry(table, {0x80, 3, 0xAA});
    auto reader = MadtReader::open(table.finish());
    REQUIRE(reader.ok());
    CHECK(reader->local_apic() == PhysAddr{0xFEE00000});
    CHECK(reader->has_8259());

    auto cpu = reader->next();
    REQUIRE(cpu);
    CHECK(cpu->kind == MadtEntry::Kind::processor);
    CHECK(cpu->processor_id == 3);
    CHECK(cpu->apic_id == 7);
    CHECK(cpu->enabled);
    cpu = reader->next();
    CHECK(cpu->kind == MadtEntry::Kind::processor);
    CHECK(cpu->apic_id == 0x3344);
    CHECK(cpu->processor_id == 0x1122);
    CHECK(cpu->enabled);
    auto controller = reader->next();
    CHECK(controller->kind == MadtEntry::Kind::io_apic);
    CHECK(controller->io_apic_id == 2);
    CHECK(controller->address == PhysAddr{0xFEC00000});
    CHECK(controller->interrupt_base == 24);
    auto over = reader->next();
    CHECK(over->kind == MadtEntry::Kind::interrupt_override);
    CHECK(over->isa_interrupt == 9);
    CHECK(over->global_interrupt == 20);
    CHECK(over->polarity == lib::Polarity::active_high);
    CHECK(over->trigger == lib::Trigger::level);
    auto nmi = reader->next();
    CHECK(nmi->kind == MadtEntry::Kind::nmi_source);
    CHECK(nmi->global_interrupt == 5);
    CHECK(nmi->polarity == lib::Polarity::active_low);
    nmi = reader->next();
    CHECK(nmi->kind == MadtEntry::Kind::local_nmi);
    CHECK(nmi->all_processors);
    CHECK(nmi->pin == 1);
    CHECK(nmi->polarity == lib::Polarity::active_high);
    CHECK(nmi->trigger == lib::Trigger::edge);
    nmi = reader->next();
    CHECK(nmi->kind == MadtEntry::Kind::local_nmi);
    CHECK(nmi->all_processors);
    CHECK(nmi->pin == 1);
    CHECK(nmi->polarity == lib::Polarity::bus_default);
    auto other = reader->next();
    CHECK(other->kind == MadtEntry::Kind::other);
    CHECK(other->type == 0x80);
    CHECK_FALSE(reader->next());
    CHECK_FALSE(reader->next());
    reader->rewind();
    CHECK(reader->next()->apic_id == 7);
}

TEST_CASE("256 processors, some disabled, some for later") {
    TestTable table = madt();
    for (unsigned id = 0; id < 256; ++id) {
        const unsigned flags = id % 3 == 0 ? 1U : id % 3 == 1 ? 0U : 2U;
        if (id < 255) {
            entry(table, {0, 8, id, id, flags, 0, 0, 0});
        } else {
            entry(table, {9, 16, 0, 0, id, 0, 0, 0, flags | 2U, 0, 0, 0, id, 0, 0, 0});
        }
    }
    auto reader = MadtReader::open(table.finish());
    REQUIRE(reader.ok());
    unsigned count = 0, enabled = 0, later = 0;
    while (const auto cpu = reader->next()) {
        CHECK(cpu->apic_id == count);
        ++count;
        enabled += cpu->enabled;
        later += cpu->online_capable;
        CHECK_FALSE((cpu->enabled && cpu->online_capable));
    }
    CHECK(count == 256);
    CHECK(enabled == 86);
    CHECK(later == 85);
}

TEST_CASE("the 64-bit address of the local APICs") {
    TestTable table = madt();
    entry(table, {5, 12, 0, 0, 0, 0, 0xE0, 0xFE, 1, 0, 0, 0});
    CHECK(MadtReader::open(table.finish())->local_apic() == PhysAddr{0x1'FEE0'0000});
}

TEST_CASE("a damaged entry costs itself alone") {
    const std::pair<unsigned, unsigned> least[] = {{0, 8}, {1, 12}, {2, 10}, {3, 8},
                                                   {4, 6}, {5, 12}, {9, 16}, {10, 12}};
    for (const auto& [type, length] : least) {
        TestTable table = madt();
        entry(table, {type, length - 1});
        table.bytes.resize(table.bytes.size() + length - 3);
        entry(table, {0, 8, 3, 7, 1, 0, 0, 0});
        auto reader = MadtReader::open(table.finish());
        REQUIRE(reader.ok());
        CHECK(reader->skipped() == 1);
        CHECK(reader->unread() == 0);
        CHECK(reader->local_apic() == PhysAddr{0xFEE00000});
        CHECK(reader->next()->apic_id == 7);
        CHECK_FALSE(reader->next());
    }
}

TEST_CASE("behind a length that can't be, nothing is believed") {
    for (const unsigned length : {0U, 1U, 17U, 255U}) {
        TestTable table = madt();
        entry(table, {0, 8, 3, 7, 1, 0, 0, 0});
        entry(table, {0, length, 0, 0, 1, 0, 0, 0});
        entry(table, {0, 8, 4, 9, 1, 0, 0, 0});
        auto reader = MadtReader::open(table.finish());
        REQUIRE(reader.ok());
        CHECK(reader->skipped() == 0);
        CHECK(reader->unread() == 16);
        CHECK(reader->next()->apic_id == 7);
        CHECK_FALSE(reader->next());
        reader->rewind();
        CHECK(reader->next()->apic_id == 7);
    }
}

TEST_CASE("a table cut anywhere") {
    TestTable table = madt();
    entry(table, {0, 8, 0, 0, 1, 0, 0, 0});
    const auto whole = table.finish();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const std::vector<std::byte> cut(whole.begin(),
                                         whole.begin() + static_cast<std::ptrdiff_t>(size));
        auto reader = MadtReader::open(cut);
        CHECK(reader.ok() == (size >= 44));
        if (!reader.ok()) continue;
        CHECK(reader->unread() == size - 44);
        CHECK_FALSE(reader->next());
    }
    CHECK(MadtReader::open(TestTable("FACP", 1).finish()).error() == Error::invalid_argument);
}
