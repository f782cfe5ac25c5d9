// SPDX-License-Identifier: MIT
// Redirection tables of the I/O APICs.
#include "arch/apic/io_apic.hpp"

#include "arch/memory/device_window.hpp"
#include "arch/port_io.hpp"
#include "arch/trap/interrupts.hpp"

#include <array>
#include <cstddef>

namespace arch::io_apic {

namespace {

struct Controller {
    volatile std::uint32_t* registers = nullptr;
    std::uint32_t base = 0;
    std::uint32_t lines = 0;

    std::uint32_t read(std::uint32_t index) const {
        registers[0] = index;
        return registers[4];
    }
    void write(std::uint32_t index, std::uint32_t value) const {
        registers[0] = index;
        registers[4] = value;
    }
};

constexpr std::uint32_t register_version = 1;
constexpr std::uint32_t register_redirection = 0x10; // two for each line
constexpr std::uint32_t redirection_masked = 1U << 16;
constexpr std::uint32_t redirection_level = 1U << 15;
constexpr std::uint32_t redirection_active_low = 1U << 13;

constinit std::array<Controller, 16> controllers{};
constinit std::size_t controller_count = 0;

struct Override {
    bool present = false;
    Line line{};
};
constinit std::array<Override, 16> overrides{};

} // namespace

Result<void> add(PhysAddr registers, std::uint32_t base) {
    if (controller_count == controllers.size()) return Error::limit_reached;
    Controller controller;
    controller.registers = static_cast<volatile std::uint32_t*>(TRY(map_device(registers, 0x20)));
    controller.base = base;
    controller.lines = ((controller.read(register_version) >> 16) & 0xff) + 1;
    for (std::uint32_t line = 0; line < controller.lines; ++line)
        controller.write(register_redirection + 2 * line, redirection_masked);
    controllers[controller_count++] = controller;
    return {};
}

void override_isa(unsigned isa, Line line) {
    if (isa < overrides.size()) overrides[isa] = {true, line};
}

Line isa_line(unsigned isa) {
    if (isa < overrides.size() && overrides[isa].present) return overrides[isa].line;
    return {.global = isa}; // edge, active high
}

Result<void> route(Line line, unsigned vector, std::uint32_t apic_id) {
    for (std::size_t i = 0; i < controller_count; ++i) {
        const Controller& controller = controllers[i];
        if (line.global < controller.base || line.global - controller.base >= controller.lines)
            continue;
        const std::uint32_t index = register_redirection + 2 * (line.global - controller.base);
        controller.write(index, redirection_masked);
        controller.write(index + 1, apic_id << 24);
        controller.write(index, vector | (line.level ? redirection_level : 0) |
                                    (line.active_low ? redirection_active_low : 0));
        return {};
    }
    return Error::unsupported;
}

void silence_pics() {
    // 8259A data sheet: initialisation words 1 to 4, then the masks.
    constexpr std::uint16_t first = 0x20;
    constexpr std::uint16_t second = 0xa0;
    const auto initialise = [](std::uint16_t port, unsigned vector, std::uint8_t cascade) {
        out8(port, 0x11); // edge, cascaded, word 4 follows
        out8(port + 1, static_cast<std::uint8_t>(vector));
        out8(port + 1, cascade);
        out8(port + 1, 0x01); // 8086 mode
        out8(port + 1, 0xff);
    };
    initialise(first, vector_pic, 1U << 2);
    initialise(second, vector_pic + 8, 2);
}

} // namespace arch::io_apic
