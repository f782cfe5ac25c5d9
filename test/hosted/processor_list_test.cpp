// SPDX-License-Identifier: MIT
// The list of processors: holes, duplicates, numbers that can't be reached, more than there is room
// for.
#include "lib/processor_list.hpp"

#include "acpi_memory.hpp"

#include <doctest/doctest.h>

#include <array>

using lib::list_processors;
using lib::ListedProcessor;
using lib::MadtReader;
using lib::ProcessorCounts;

namespace {

constexpr unsigned enabled = 1;
constexpr unsigned online_capable = 2;

TestTable madt() {
    TestTable table("APIC", 5);
    table.add(std::uint32_t{0xFEE00000}).add(std::uint32_t{1});
    return table;
}

void add_xapic(TestTable& table, unsigned acpi, unsigned apic, unsigned flags = enabled) {
    for (const unsigned byte : {0U, 8U, acpi, apic}) table.add(static_cast<std::uint8_t>(byte));
    table.add(flags);
}

void add_x2apic(TestTable& table, unsigned acpi, unsigned apic, unsigned flags = enabled) {
    for (const unsigned byte : {9U, 16U, 0U, 0U}) table.add(static_cast<std::uint8_t>(byte));
    table.add(apic).add(flags).add(acpi);
}

struct Listed {
    std::array<ListedProcessor, 256> list{};
    ProcessorCounts counts;

    Listed(TestTable& table, unsigned boot, bool x2apic, std::size_t room = 256) {
        const auto reader = MadtReader::open(table.finish());
        REQUIRE(reader.ok());
        counts = list_processors(*reader, boot, x2apic, std::span(list).first(room));
    }
};

} // namespace

TEST_CASE("processors: holes in the numbering, the boot CPU first") {
    // As QEMU numbers two sockets of three cores.
    TestTable table = madt();
    unsigned acpi = 0;
    for (const unsigned apic : {0U, 1U, 2U, 4U, 5U, 6U}) add_xapic(table, acpi++, apic);
    const Listed listed(table, 4, false);
    CHECK(listed.counts.listed == 6);
    CHECK(listed.list[0] == ListedProcessor{4, 3});
    CHECK(listed.list[1] == ListedProcessor{0, 0});
    CHECK(listed.list[4] == ListedProcessor{5, 4});
    CHECK(listed.list[5] == ListedProcessor{6, 5});
}

TEST_CASE("processors: each entry is counted once") {
    TestTable table = madt();
    add_xapic(table, 0, 0);
    add_xapic(table, 1, 1, 0);
    add_xapic(table, 2, 2, online_capable);
    add_xapic(table, 3, 3, enabled | online_capable);
    add_xapic(table, 4, 3);
    add_xapic(table, 5, 0);
    add_xapic(table, 6, 0xff);
    add_x2apic(table, 7, 3);
    add_x2apic(table, 8, 0x1'0000);
    add_x2apic(table, 9, 0xffff'ffff);
    const Listed narrow(table, 0, false);
    CHECK(narrow.counts.listed == 2);
    CHECK(narrow.counts.disabled == 1);
    CHECK(narrow.counts.for_later == 1);
    CHECK(narrow.counts.duplicates == 3);
    CHECK(narrow.counts.unreachable == 3);
    CHECK(narrow.counts.beyond_list == 0);
    const Listed wide(table, 0, true);
    CHECK(wide.counts.listed == 4); // 0xff is a number like others there
    CHECK(wide.list[3] == ListedProcessor{0x1'0000, 8});
    CHECK(wide.counts.unreachable == 1);
}

TEST_CASE("processors: a table that forgets the boot CPU, or calls it disabled") {
    TestTable table = madt();
    add_xapic(table, 1, 1);
    const Listed forgotten(table, 9, false);
    CHECK(forgotten.counts.listed == 2);
    CHECK(forgotten.list[0].apic_id == 9);
    add_xapic(table, 2, 9, 0);
    const Listed disabled(table, 9, false);
    CHECK(disabled.counts.listed == 2);
    CHECK(disabled.counts.disabled == 1);
}

TEST_CASE("processors: 256 fit, more are left out") {
    TestTable table = madt();
    for (unsigned i = 0; i < 300; ++i) {
        if (i < 255) {
            add_xapic(table, i, i);
        } else {
            add_x2apic(table, i, i);
        }
    }
    const Listed listed(table, 299, true);
    CHECK(listed.counts.listed == 256);
    CHECK(listed.counts.beyond_list == 44);
    CHECK(listed.list[0] == ListedProcessor{299, 299});
    for (unsigned i = 1; i < 256; ++i) CHECK(listed.list[i] == ListedProcessor{i - 1, i - 1});
    const Listed one(table, 7, true, 1);
    CHECK(one.counts.listed == 1);
    CHECK(one.counts.beyond_list == 299);
    CHECK(one.list[0] == ListedProcessor{7, 7});
}
