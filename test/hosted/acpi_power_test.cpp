// SPDX-License-Identifier: MIT
// Soft-off and reset by ACPI: which registers are written, in which order, on fixed tables of all
// kinds; and \_S5 among bytes that were made to hurt.
#include "acpi_memory.hpp"
#include "lib/acpi_power.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>

using lib::AcpiFixed;
using lib::AcpiRegister;
using Space = lib::AcpiRegister::Space;

namespace {

/// Registers that remember what was done to them.
struct Machine {
    std::map<std::uint64_t, std::uint32_t> values; // by address, of any space
    std::string story;
    bool follows_smi = true;
    unsigned waited = 0;

    lib::AcpiAccess access() {
        return {.read = [](void* self, const AcpiRegister& from, unsigned bits) -> std::uint32_t {
                    CHECK(bits == 16);
                    return static_cast<Machine*>(self)->values[from.address];
                },
                .write =
                    [](void* self, const AcpiRegister& to, unsigned bits, std::uint32_t value) {
                        auto& machine = *static_cast<Machine*>(self);
                        char text[64];
                        std::snprintf(text, sizeof text, "%c%u %llx=%x ",
                                      "mpc"[static_cast<int>(to.space)], bits,
                                      static_cast<unsigned long long>(to.address), value);
                        machine.story += text;
                        machine.values[to.address] = value;
                        if (to.address == 0xB2 && machine.follows_smi) machine.values[0x604] |= 1;
                    },
                .wait =
                    [](void* self, unsigned milliseconds) {
                        static_cast<Machine*>(self)->waited += milliseconds;
                    },
                .context = this};
    }
};

AcpiRegister port(std::uint64_t number) { return {Space::port, 16, number}; }

AcpiFixed ordinary() {
    AcpiFixed fixed;
    fixed.pm1a_event = port(0x600);
    fixed.pm1a_control = port(0x604);
    return fixed;
}

} // namespace

TEST_CASE("acpi power: soft-off by PM1 control, other bits kept") {
    Machine machine;
    machine.values[0x604] = 0x3C03;
    CHECK(lib::order_soft_off(ordinary(), {5, 0}, machine.access()) == Error::would_block);
    CHECK(machine.story == "p16 600=8000 p16 604=1403 p16 604=3403 ");
    CHECK(machine.waited == 1000);
}

TEST_CASE("acpi power: two blocks have both types before either is told to go") {
    AcpiFixed fixed = ordinary();
    fixed.pm1b_event = port(0x700);
    fixed.pm1b_control = {Space::memory, 16, 0xFED8'0804};
    Machine machine;
    machine.values[0x604] = 1;
    lib::order_soft_off(fixed, {5, 6}, machine.access());
    CHECK(machine.story == "p16 600=8000 p16 700=8000 p16 604=1401 m16 fed80804=1800 "
                           "p16 604=3401 m16 fed80804=3800 ");
}

TEST_CASE("acpi power: the firmware hands over first, or is not waited for for ever") {
    AcpiFixed fixed = ordinary();
    fixed.smi_command_port = 0xB2;
    fixed.acpi_enable = 0xF1;
    Machine machine;
    lib::order_soft_off(fixed, {5, 0}, machine.access());
    CHECK(machine.story == "p8 b2=f1 p16 600=8000 p16 604=1401 p16 604=3401 ");
    Machine deaf;
    deaf.follows_smi = false;
    lib::order_soft_off(fixed, {5, 0}, deaf.access());
    CHECK(deaf.story.starts_with("p8 b2=f1 p16 600=8000 p16 604=1400 "));
    CHECK(deaf.waited == 4000);
    Machine ready;
    ready.values[0x604] = 1;
    lib::order_soft_off(fixed, {5, 0}, ready.access());
    CHECK(ready.story.starts_with("p16 600=8000 "));
}

TEST_CASE("acpi power: reduced hardware") {
    AcpiFixed fixed = ordinary();
    fixed.hardware_reduced = true;
    Machine machine;
    CHECK(lib::order_soft_off(fixed, {5, 0}, machine.access()) == Error::unsupported);
    CHECK(machine.story.empty());
    fixed.sleep_control = {Space::memory, 8, 0xFED0'0000};
    fixed.sleep_status = port(0x401);
    CHECK(lib::order_soft_off(fixed, {5, 0}, machine.access()) == Error::would_block);
    CHECK(machine.story == "p8 401=80 m8 fed00000=34 ");
}

TEST_CASE("acpi power: nothing to switch off with") {
    Machine machine;
    CHECK(lib::order_soft_off({}, {5, 0}, machine.access()) == Error::unsupported);
    AcpiFixed fixed;
    fixed.pm1a_control = {Space::configuration, 16, 0x604};
    CHECK(lib::order_soft_off(fixed, {5, 0}, machine.access()) == Error::unsupported);
    CHECK(machine.story.empty());
}

TEST_CASE("acpi power: reset in every space, and where there is none") {
    const auto reset = [](AcpiRegister place) {
        AcpiFixed fixed;
        fixed.reset = place;
        fixed.reset_value = 0x0F;
        Machine machine;
        const Error end = lib::order_reset(fixed, machine.access());
        CHECK(end == (machine.story.empty() ? Error::unsupported : Error::would_block));
        return machine.story;
    };
    CHECK(reset(port(0xCF9)) == "p8 cf9=f ");
    CHECK(reset({Space::memory, 8, 0xFED0'0001}) == "m8 fed00001=f ");
    CHECK(reset({Space::configuration, 8, 0x001F'0003'00AC}) == "c8 1f000300ac=f ");
    CHECK(reset({Space::configuration, 8, 0x0020'0000'0000}).empty()); // device 32
    CHECK(reset({Space::configuration, 8, 0x0008'0000}).empty());      // function 8
    CHECK(reset({Space::configuration, 8, 0x0100}).empty());           // beyond 256 bytes
    CHECK(reset({Space::other, 8, 0xCF9}).empty());
    CHECK(reset({}).empty());
    const auto place = lib::configuration_place({Space::configuration, 8, 0x001F'0003'00AC});
    CHECK(place.valid);
    CHECK((place.device == 31 && place.function == 3 && place.offset == 0xAC));
}

TEST_CASE("acpi power: registers of a table, by the space that it gives") {
    TestTable fadt("FACP", 6);
    fadt.bytes.resize(276);
    fadt.set(56, std::uint32_t{0x600});
    fadt.set(64, std::uint32_t{0x604});
    fadt.set(112, std::uint32_t{1U << 20 | 1U << 10});
    const auto add = [&](std::size_t offset, unsigned space, std::uint64_t address) {
        fadt.set(offset, static_cast<std::uint8_t>(space));
        fadt.set(offset + 1, std::uint8_t{8});
        fadt.set(offset + 4, address);
    };
    add(116, 2, 0x001F'0003'00AC);
    add(148, 0, 0xFED8'0800);
    add(244, 0, 0xFED0'0000);
    add(256, 1, 0x401);
    auto fixed = lib::read_acpi_fixed(fadt.finish());
    REQUIRE(fixed.ok());
    CHECK(fixed->hardware_reduced);
    CHECK(fixed->reset == AcpiRegister{Space::configuration, 8, 0x001F'0003'00AC});
    CHECK_FALSE(fixed->reset.present());
    CHECK(fixed->pm1a_event == AcpiRegister{Space::memory, 8, 0xFED8'0800});
    CHECK_FALSE(fixed->pm1b_event.present());
    CHECK(fixed->pm1a_control == AcpiRegister{Space::port, 16, 0x604});
    CHECK(fixed->sleep_control == AcpiRegister{Space::memory, 8, 0xFED0'0000});
    CHECK(fixed->sleep_status == AcpiRegister{Space::port, 8, 0x401});
    for (std::size_t size = 116; size < 276; ++size) {
        const auto cut = lib::read_acpi_fixed(lib::Bytes(fadt.bytes).first(size));
        REQUIRE(cut.ok());
        CHECK(cut->sleep_control.present() == (size >= 256));
        CHECK(cut->sleep_status.present() == (size >= 268));
    }
}

TEST_CASE("acpi power: \\_S5 among hostile bytes") {
    std::mt19937 random(21);
    constexpr std::string_view pieces[] = {"_S5_", "\x08_S5_", "\\_S5_", "\x08\\_S5_\x12",
                                           "\x08_S5_\x12\x04\x02"};
    unsigned found = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string text(36, 'x');
        for (unsigned i = 0; i < 12; ++i) {
            if (random() % 3 == 0) {
                text += pieces[random() % std::size(pieces)];
            } else {
                text += static_cast<char>(random() % 3 == 0 ? random() % 256 : random() % 16);
            }
        }
        text.resize(36 + random() % (text.size() - 35));
        const std::vector<char> exact(text.begin(), text.end()); // the sanitizer sees its end
        const auto types = lib::find_acpi_soft_off(std::as_bytes(std::span(exact)));
        if (!types) continue;
        ++found;
        CHECK((types->type_a <= 7 && types->type_b <= 7));
    }
    CHECK(found > 10);
}
