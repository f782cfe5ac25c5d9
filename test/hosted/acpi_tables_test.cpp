// SPDX-License-Identifier: MIT
// ACPI: the root, fixed hardware, event timer and soft-off, on sound and on lying tables.
#include "acpi_memory.hpp"

#include <doctest/doctest.h>

using lib::AcpiRegister;
using lib::AcpiTables;

namespace {

constexpr PhysAddr root{0xE0000};

/// Both roots with three tables each; the RSDT lists only the HPET.
TestMemory sample(std::uint8_t revision) {
    TestMemory memory;
    memory.rsdp(root.value, revision, 0x1000, 0x2000);
    memory.tables[0x1000] = TestTable("RSDT", 1).add(std::uint32_t{0x5000}).finish();
    memory.tables[0x2000] = TestTable("XSDT", 1)
                                .add(std::uint64_t{0x3000})
                                .add(std::uint64_t{0x140000000})
                                .add(std::uint64_t{0x5000})
                                .finish();
    memory.tables[0x3000] = TestTable("FACP", 6).add(std::uint32_t{0}).finish();
    memory.tables[0x140000000] = TestTable("APIC", 4).add(std::uint64_t{7}).finish();
    memory.tables[0x5000] = TestTable("HPET", 1).add(std::uint32_t{0}).finish();
    return memory;
}

void add_register(TestTable& table, std::size_t offset, unsigned space, std::uint64_t address) {
    table.set(offset, static_cast<std::uint8_t>(space));
    table.set(offset + 1, std::uint8_t{32});
    table.set(offset + 4, address);
}

TestTable sample_fadt(std::size_t size, std::uint8_t revision) {
    TestTable fadt("FACP", revision);
    fadt.bytes.resize(size);
    fadt.set(40, std::uint32_t{0x7000});
    fadt.set(46, std::uint16_t{9});
    fadt.set(48, std::uint32_t{0xB2});
    fadt.set(52, std::uint8_t{0xF1});
    fadt.set(64, std::uint32_t{0x604});
    fadt.set(76, std::uint32_t{0x608});
    fadt.set(112, std::uint32_t{1U << 10 | 1U << 8});
    return fadt;
}

} // namespace

TEST_CASE("the XSDT is used from revision 2 on, the RSDT before") {
    TestMemory memory = sample(2);
    auto tables = AcpiTables::open(memory.reader(), root);
    REQUIRE(tables.ok());
    CHECK(tables->count() == 3);
    REQUIRE(tables->find("APIC").ok());
    CHECK(tables->find("APIC")->size() == 44);
    CHECK(tables->find("HPET").ok());
    CHECK(tables->find("NONE").error() == Error::not_found);
    CHECK(tables->find("APICX").error() == Error::invalid_argument);
    CHECK(tables->table(3).error() == Error::not_found);

    memory = sample(0);
    auto old = AcpiTables::open(memory.reader(), root);
    REQUIRE(old.ok());
    CHECK(old->count() == 1);
    CHECK(old->find("HPET").ok());
    CHECK(old->find("APIC").error() == Error::not_found);
}

TEST_CASE("a copy of the RSDP serves as well") {
    TestMemory memory = sample(2);
    const auto copy = memory.tables[root.value];
    memory.tables.erase(root.value);
    auto tables = AcpiTables::open(memory.reader(), lib::Bytes(copy));
    REQUIRE(tables.ok());
    CHECK(tables->find("APIC").ok());
    // A copy of the first part only, of a revision that has more.
    auto first = AcpiTables::open(memory.reader(), lib::Bytes(copy).first(20));
    REQUIRE(first.ok());
    CHECK(first->count() == 1);
}

TEST_CASE("a damaged extended part falls back to the RSDT") {
    auto fallen_back = [](auto damage) {
        TestMemory memory = sample(2);
        damage(memory);
        auto tables = AcpiTables::open(memory.reader(), root);
        return tables.ok() && tables->count() == 1 && tables->find("HPET").ok();
    };
    CHECK(fallen_back([](TestMemory& m) { m.tables[root.value][32] ^= std::byte{1}; }));
    CHECK(fallen_back([](TestMemory& m) { m.tables[root.value][20] = std::byte{35}; }));
    CHECK(fallen_back([](TestMemory& m) { m.tables[root.value][23] = std::byte{0x80}; }));
    CHECK(fallen_back([](TestMemory& m) { m.tables[root.value].resize(20); }));
    CHECK(fallen_back([](TestMemory& m) { m.tables[0x2000][40] ^= std::byte{1}; }));
    CHECK(fallen_back([](TestMemory& m) { m.tables[0x2000].resize(50); }));
    CHECK(fallen_back([](TestMemory& m) { m.tables.erase(0x2000); }));
    CHECK(fallen_back([](TestMemory& m) { m.tables[0x2000] = m.tables[0x1000]; }));
    CHECK(fallen_back([](TestMemory& m) { m.rsdp(root.value, 2, 0x1000, 0); }));
}

TEST_CASE("a damaged root is an error") {
    auto refused = [](auto damage) {
        TestMemory memory = sample(0);
        damage(memory);
        return AcpiTables::open(memory.reader(), root).error();
    };
    CHECK(refused([](TestMemory& m) { m.tables.clear(); }) == Error::bad_address);
    CHECK(refused([](TestMemory& m) { m.tables[root.value][0] = std::byte{'r'}; }) ==
          Error::bad_format);
    CHECK(refused([](TestMemory& m) { m.tables[root.value][12] ^= std::byte{1}; }) ==
          Error::bad_format);
    CHECK(refused([](TestMemory& m) { m.tables[root.value].resize(19); }) == Error::bad_address);
    CHECK(refused([](TestMemory& m) { m.tables[0x1000][38] ^= std::byte{1}; }) ==
          Error::bad_format);
    CHECK(refused([](TestMemory& m) { m.tables.erase(0x1000); }) == Error::bad_address);
    CHECK(refused([](TestMemory& m) { m.rsdp(root.value, 0, 0, 0); }) == Error::bad_format);
}

TEST_CASE("a damaged table is passed over; lengths that lie are refused") {
    for (const std::uint32_t length : {0U, 35U, 45U, 0xFFFFFFFFU, 17U << 20}) {
        TestMemory memory = sample(2);
        std::memcpy(memory.tables[0x140000000].data() + 4, &length, 4);
        auto tables = AcpiTables::open(memory.reader(), root);
        REQUIRE(tables.ok());
        CHECK(tables->find("APIC").error() == Error::not_found);
        CHECK_FALSE(tables->table(1).ok());
        CHECK(tables->find("HPET").ok()); // behind it in the list
    }
}

TEST_CASE("an odd length of the list leaves the part of an entry out") {
    TestMemory memory = sample(2);
    TestTable xsdt("XSDT", 1);
    xsdt.add(std::uint64_t{0x5000}).add(std::uint32_t{0x3000});
    memory.tables[0x2000] = xsdt.finish();
    auto tables = AcpiTables::open(memory.reader(), root);
    REQUIRE(tables.ok());
    CHECK(tables->count() == 1);
}

TEST_CASE("fixed hardware of ACPI 1.0") {
    auto fixed = lib::read_acpi_fixed(sample_fadt(116, 1).finish());
    REQUIRE(fixed.ok());
    CHECK(fixed->dsdt == PhysAddr{0x7000});
    CHECK(fixed->timer.space == AcpiRegister::Space::port);
    CHECK(fixed->timer.address == 0x608);
    CHECK(fixed->timer_is_32_bit);
    CHECK(fixed->pm1a_control.address == 0x604);
    CHECK_FALSE(fixed->pm1b_control.present());
    CHECK_FALSE(fixed->reset.present()); // the flag alone, without the register
    CHECK(fixed->sci_interrupt == 9);
    CHECK(fixed->smi_command_port == 0xB2);
    CHECK(fixed->acpi_enable == 0xF1);
    CHECK(fixed->has_8042);
    CHECK_FALSE(fixed->hardware_reduced);
}

TEST_CASE("extended fields win where they are there") {
    TestTable fadt = sample_fadt(276, 6);
    add_register(fadt, 116, 1, 0xCF9);
    fadt.set(128, std::uint8_t{0x0F});
    fadt.set(140, std::uint64_t{0x1'0000'7000});
    add_register(fadt, 172, 1, 0x1604);
    add_register(fadt, 208, 0, 0xFED80000);
    auto fixed = lib::read_acpi_fixed(fadt.finish());
    REQUIRE(fixed.ok());
    CHECK(fixed->dsdt == PhysAddr{0x1'0000'7000});
    CHECK(fixed->timer.space == AcpiRegister::Space::memory);
    CHECK(fixed->timer.address == 0xFED80000);
    CHECK(fixed->pm1a_control.address == 0x1604);
    CHECK(fixed->reset.present());
    CHECK(fixed->reset.address == 0xCF9);
    CHECK(fixed->reset_value == 0x0F);
    CHECK_FALSE(fixed->has_8042);
    fadt.set(109, std::uint16_t{2});
    CHECK(lib::read_acpi_fixed(fadt.finish())->has_8042);
    add_register(fadt, 116, 1, 0x10000); // no such port
    add_register(fadt, 172, 7, 0x1604);  // no such space: the old field
    auto odd = lib::read_acpi_fixed(fadt.finish());
    CHECK_FALSE(odd->reset.present());
    CHECK(odd->pm1a_control.address == 0x604);
}

TEST_CASE("a FADT cut anywhere") {
    const auto whole = sample_fadt(276, 6).finish();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const std::vector<std::byte> cut(whole.begin(),
                                         whole.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK(lib::read_acpi_fixed(cut).ok() == (size >= 116));
    }
    CHECK(lib::read_acpi_fixed(TestTable("HPET", 1).finish()).error() == Error::invalid_argument);
}

TEST_CASE("the event timer") {
    TestTable hpet("HPET", 1);
    hpet.bytes.resize(56);
    add_register(hpet, 40, 0, 0xFED00000);
    hpet.set(53, std::uint16_t{0x80});
    auto timer = lib::read_acpi_hpet(hpet.finish());
    REQUIRE(timer.ok());
    CHECK(timer->address == PhysAddr{0xFED00000});
    CHECK(timer->minimum_tick == 0x80);
    CHECK(lib::read_acpi_hpet(lib::Bytes(hpet.bytes).first(54)).error() == Error::bad_format);
    add_register(hpet, 40, 1, 0xFED0);
    CHECK(lib::read_acpi_hpet(hpet.finish()).error() == Error::bad_format);
    add_register(hpet, 40, 0, 0);
    CHECK(lib::read_acpi_hpet(hpet.finish()).error() == Error::bad_format);
}

TEST_CASE("soft-off") {
    auto types = [](std::string_view aml) {
        TestTable dsdt("DSDT", 2);
        for (const char c : aml) dsdt.add(c);
        auto found = lib::find_acpi_soft_off(dsdt.finish());
        return found.ok() ? found->type_a * 16 + found->type_b : -1;
    };
    using namespace std::string_view_literals;
    CHECK(types("\x08_S5_\x12\x06\x04\x00\x00\x00\x00"sv) == 0x00);
    CHECK(types("..\x08\\_S5_\x12\x08\x04\x0A\x05\x0A\x07\x00\x00"sv) == 0x57);
    CHECK(types("\x08_S5_\x12\x47\x00\x02\x01\x0B\x05\x00"sv) == 0x15); // longer length field
    CHECK(types("\x08_S5_\x12\x07\x01\x0C\x03\x00\x00\x00"sv) == 0x30); // one element
    CHECK(types("\x08_S5_\x12\x05\x01\x0B\x05\x06"sv) == 0x56);         // with both in it
    CHECK(types("\x08_S5_\x12\x0C\x02\x0E\x05\x00\x00\x00\x00\x00\x00\x00\x01"sv) == 0x51);
    // The name alone, or in other places, then the definition.
    CHECK(types("_S5_\x08_S5_\x70\x08_S5_\x12\x04\x02\x01\x01"sv) == 0x11);
    CHECK(types("\\_S5_\x12\x04\x02\x01\x01"sv) == -1);
    CHECK(types("\x08_S5_\x12\x04\x00\x01\x01"sv) == -1);             // no element
    CHECK(types("\x08_S5_\x12\x04\x02\x0A\x08\x01"sv) == -1);         // beyond three bits
    CHECK(types("\x08_S5_\x12\x04\x02\x0D\x01\x01"sv) == -1);         // not an integer
    CHECK(types("\x08_S5_\x12\x05\x02\x0B\x01\x01\x01"sv) == -1);     // 257
    CHECK(types("\x08_S5_\x12\x03\x02\x01\x01"sv) == -1);             // shorter than its elements
    CHECK(types("\x08_S5_\x12\x7F\x7F\x02\x01\x01"sv) == -1);         // longer than the table
    CHECK(types("\x08_S5_\x12\x00\x02\x01\x01"sv) == -1);             // shorter than itself
    CHECK(types("\x08_S5_\x12\xC3\x00\x00\x00\x02\x01\x01"sv) == -1); // the same
    CHECK(types("\x08_S5_\x12\x05\x02\xFF\x01\x01"sv) == -1);         // ones
    for (const std::string_view cut :
         {"\x08_S5_"sv, "\x08_S5_\x12"sv, "\x08_S5_\x12\x06"sv, "\x08_S5_\x12\xC6"sv,
          "\x08_S5_\x12\x06\x04"sv, "\x08_S5_\x12\x06\x04\x0A"sv, "\x08_S5_\x12\x06\x04\x01"sv,
          ""sv}) {
        CHECK(types(cut) == -1);
    }
    CHECK(lib::find_acpi_soft_off({}).error() == Error::not_found);
}
