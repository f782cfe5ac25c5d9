// SPDX-License-Identifier: MIT
// Configuration space: bridges, capabilities, base addresses and messages, on functions made for a
// test, some of which lie.
#include "acpi_memory.hpp"
#include "lib/pci/config_space.hpp"
#include "lib/pci/mcfg.hpp"

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <vector>

using namespace lib::pci;

namespace {

using Place = std::array<unsigned, 3>; // bus, device, function

/// Functions by place. Writes obey masks, as base addresses do.
struct Machine {
    struct Registers {
        std::array<std::uint32_t, 64> values{};
        std::array<std::uint32_t, 64> writable{};
    };
    std::map<Place, Registers> functions;
    unsigned reads = 0;

    ConfigSpace space() { return {read, write, this}; }
    static std::uint32_t read(void* self, Function f, std::uint8_t offset) {
        auto& machine = *static_cast<Machine*>(self);
        ++machine.reads;
        REQUIRE(offset % 4 == 0);
        const auto found = machine.functions.find({f.bus, f.device, f.function});
        return found == machine.functions.end() ? ~0U : found->second.values[offset / 4];
    }
    static void write(void* self, Function f, std::uint8_t offset, std::uint32_t value) {
        auto& registers = static_cast<Machine*>(self)->functions.at({f.bus, f.device, f.function});
        REQUIRE(offset % 4 == 0);
        std::uint32_t& old = registers.values[offset / 4];
        const std::uint32_t mask = registers.writable[offset / 4];
        old = (old & ~mask) | (value & mask);
    }
    Registers& add(unsigned bus, unsigned device, unsigned function, std::uint32_t header = 0) {
        Registers& registers = functions[{bus, device, function}];
        registers.values[0] = 0x1234'8086;
        registers.values[3] = header << 16;
        registers.writable[1] = 0xFFFF;
        return registers;
    }
    void bridge(unsigned bus, unsigned device, unsigned behind) {
        add(bus, device, 0, 1).values[6] = behind << 8 | bus;
    }
    /// A capability of `words` at `offset`, in front of the list.
    void capability(Registers& registers, std::uint8_t offset, std::vector<std::uint32_t> words) {
        registers.values[1] |= 1U << 20;
        words[0] |= (registers.values[13] & 0xFF) << 8;
        registers.values[13] = offset;
        for (std::size_t i = 0; i < words.size(); ++i)
            registers.values.at(offset / 4 + i) = words[i];
    }
    std::vector<Place> list(std::uint8_t bus = 0) {
        std::vector<Place> found;
        for_each_function(space(), 0, bus,
                          [&](Function f) { found.push_back({f.bus, f.device, f.function}); });
        return found;
    }
};

constexpr Function first{};

} // namespace

TEST_CASE("pci: functions, further functions and buses behind bridges") {
    Machine machine;
    machine.add(0, 0, 0);
    machine.add(0, 0, 1);       // hidden: function 0 is said to be alone
    machine.add(0, 2, 0, 0x80); // one of several
    machine.add(0, 2, 3);
    machine.add(0, 4, 1); // without a function 0: not there
    machine.bridge(0, 31, 5);
    machine.bridge(5, 1, 200);
    machine.add(200, 7, 0);
    machine.add(9, 0, 0); // no bridge leads there
    CHECK(machine.list() ==
          std::vector<Place>{{0, 0, 0}, {0, 2, 0}, {0, 2, 3}, {0, 31, 0}, {5, 1, 0}, {200, 7, 0}});
    CHECK(machine.list(9) == std::vector<Place>{{9, 0, 0}});
    Machine empty;
    CHECK(empty.list().empty());
    CHECK(empty.reads == 32);
}

TEST_CASE("pci: bridges that lead in circles") {
    Machine machine;
    machine.bridge(0, 0, 0);
    machine.bridge(0, 1, 1);
    machine.bridge(1, 0, 0);
    machine.bridge(1, 1, 1);
    machine.bridge(0, 2, 1);
    CHECK(machine.list().size() == 5);
    Machine deep; // every bus leads to the next
    for (unsigned bus = 0; bus < 256; ++bus) deep.bridge(bus, 0, (bus + 1) % 256);
    CHECK(deep.list().size() == 256);
}

TEST_CASE("pci: capabilities") {
    Machine machine;
    auto& registers = machine.add(0, 0, 0);
    CHECK(find_capability(machine.space(), first, 5) == 0);
    machine.capability(registers, 0x50, {0x05});
    machine.capability(registers, 0x90, {0x11});
    CHECK(find_capability(machine.space(), first, 5) == 0x50);
    CHECK(find_capability(machine.space(), first, 0x11) == 0x90);
    CHECK(find_capability(machine.space(), first, 0x10) == 0);
    registers.values[0x50 / 4] |= 0x9000; // bites the tail
    CHECK(find_capability(machine.space(), first, 0x10) == 0);
    registers.values[0x50 / 4] = 0x2005; // into the header
    CHECK(find_capability(machine.space(), first, 0x10) == 0);
    registers.values[1] &= ~(1U << 20);
    CHECK(find_capability(machine.space(), first, 5) == 0);
    CHECK(find_capability(machine.space(), {0, 3, 3, 3}, 5) == 0); // nobody
}

TEST_CASE("pci: base addresses") {
    Machine machine;
    auto& registers = machine.add(0, 0, 0);
    registers.values[1] = 0x06;
    const auto bar = [&](unsigned index, std::uint32_t value, std::uint32_t mask) {
        registers.values[4 + index] = value;
        registers.writable[4 + index] = mask;
    };
    bar(0, 0xFEBF'0004, 0xFFFF'C000);
    bar(1, 0x0000'0001, 0xFFFF'FFFF);
    auto wide = read_memory_bar(machine.space(), first, 0);
    REQUIRE(wide.ok());
    CHECK(wide->address == PhysAddr{0x1'FEBF'0000});
    CHECK(wide->bytes == 0x4000);
    CHECK(registers.values[4] == 0xFEBF'0004); // as they were
    CHECK(registers.values[5] == 1);
    CHECK(registers.values[1] == 0x06);

    bar(2, 0xFEB0'0008, 0xFFF0'0000);
    auto narrow = read_memory_bar(machine.space(), first, 2);
    REQUIRE(narrow.ok());
    CHECK(narrow->address == PhysAddr{0xFEB0'0000});
    CHECK(narrow->bytes == 0x10'0000);

    bar(3, 0xC001, 0xFFFF'FFE0); // ports
    CHECK(read_memory_bar(machine.space(), first, 3).error() == Error::unsupported);
    bar(3, 0, 0xFFFF'0000); // without an address
    CHECK(read_memory_bar(machine.space(), first, 3).error() == Error::unsupported);
    bar(3, 0xF000'0000, 0xF0F0'0000); // of an odd one
    CHECK(read_memory_bar(machine.space(), first, 3).error() == Error::unsupported);
    bar(5, 0xF000'0004, 0xFFFF'0000); // half of a wide one
    CHECK(read_memory_bar(machine.space(), first, 5).error() == Error::unsupported);
    CHECK(read_memory_bar(machine.space(), first, 6).error() == Error::invalid_argument);
}

TEST_CASE("pci: waking a function up") {
    Machine machine;
    auto& registers = machine.add(0, 0, 0);
    registers.values[1] = 0xFFF0'0000;
    CHECK_FALSE(enable(machine.space(), first));
    CHECK((registers.values[1] & 0xFFFF) == 0x406);
    machine.capability(registers, 0x40, {0x01, 0x0000'8103});
    registers.writable[0x44 / 4] = 0xFFFF;
    CHECK(enable(machine.space(), first));
    CHECK(registers.values[0x44 / 4] == 0x0100); // awake; the cause is not written back
    CHECK_FALSE(enable(machine.space(), first));
}

TEST_CASE("pci: messages") {
    Machine machine;
    auto& registers = machine.add(0, 0, 0);
    registers.writable.fill(~0U);
    const Message message{0xFEE0'1000, 0x40};
    CHECK_FALSE(enable_message(machine.space(), first, message));
    CHECK_FALSE(find_message_table(machine.space(), first).has_value());

    machine.capability(registers, 0x50, {0x0086'0005, 0, 0, 0, 0});
    CHECK(enable_message(machine.space(), first, message));
    CHECK((registers.values[0x50 / 4] >> 16) == 0x87);
    CHECK(registers.values[0x54 / 4] == 0xFEE0'1000);
    CHECK(registers.values[0x58 / 4] == 0);
    CHECK(registers.values[0x5C / 4] == 0x40);
    registers.values[0x50 / 4] = 0x0000'0005; // 32 bits, allowed 1 of 1
    CHECK(enable_message(machine.space(), first, message));
    CHECK(registers.values[0x58 / 4] == 0x40);
    CHECK_FALSE(enable_message(machine.space(), first, {0x1'FEE0'0000, 0x40}));

    machine.capability(registers, 0x90, {0x400F'0011, 0x3002, 0x3801});
    const auto table = find_message_table(machine.space(), first);
    REQUIRE(table.has_value());
    CHECK(table->bar == 2);
    CHECK(table->offset == 0x3000);
    enable_message_table(machine.space(), first, *table);
    CHECK((registers.values[0x90 / 4] >> 16) == 0x800F);
    registers.values[0x94 / 4] = 0x3007; // no such register
    CHECK_FALSE(find_message_table(machine.space(), first).has_value());
    machine.capability(registers, 0xFC, {0x11}); // beyond the end
    CHECK_FALSE(find_message_table(machine.space(), first).has_value());
}

TEST_CASE("pci: configuration space in memory") {
    TestTable mcfg("MCFG", 1);
    mcfg.add(std::uint64_t{0});
    const auto add = [&](std::uint64_t base, std::uint16_t segment, unsigned start, unsigned end) {
        mcfg.add(base).add(segment);
        mcfg.add(static_cast<std::uint8_t>(start)).add(static_cast<std::uint8_t>(end));
        mcfg.add(std::uint32_t{0});
    };
    add(0xB000'0000, 0, 0, 255);
    add(0x10'0000'0000, 1, 16, 31);
    add(0xB000'1000, 2, 0, 0); // not at a MiB
    add(0, 2, 0, 0);
    add(0xC000'0000, 2, 5, 4);
    add(1ULL << 60, 2, 0, 0);
    const lib::Bytes table = mcfg.finish();
    const auto whole = read_memory_segment(table, 0);
    REQUIRE(whole.ok());
    CHECK(whole->base == PhysAddr{0xB000'0000});
    CHECK(whole->contains(0, 255));
    CHECK_FALSE(whole->contains(1, 255));
    const auto part = read_memory_segment(table, 1);
    REQUIRE(part.ok());
    CHECK_FALSE(part->contains(1, 15));
    CHECK_FALSE(part->contains(1, 32));
    CHECK(part->bus_start(16) == PhysAddr{0x10'0100'0000});
    for (const std::size_t index : {2U, 3U, 4U, 5U})
        CHECK(read_memory_segment(table, index).error() == Error::bad_format);
    CHECK(read_memory_segment(table, 6).error() == Error::not_found);
    CHECK(read_memory_segment(table, ~std::size_t{0}).error() == Error::not_found);
    for (std::size_t size = 4; size < 60; ++size)
        CHECK(read_memory_segment(table.first(size), 0).error() == Error::not_found);
    CHECK(read_memory_segment({}, 0).error() == Error::invalid_argument);
}
