// SPDX-License-Identifier: MIT
// The 16550's receiver, by interrupt.
#include "arch/console/serial_input.hpp"

#include "arch/console/input.hpp"
#include "arch/log.hpp"
#include "arch/port_io.hpp"
#include "arch/serial.hpp"
#include "arch/trap/interrupts.hpp"

#include <array>
#include <cstddef>

namespace arch::console {
namespace {

constexpr std::uint16_t com1 = 0x3f8;
constexpr std::uint16_t interrupt_enable = com1 + 1;
constexpr std::uint16_t line_status = com1 + 5;
constexpr std::uint8_t data_ready = 0x01;
constexpr std::uint8_t interrupt_on_data = 0x01;
constexpr unsigned isa_line = 4;

void handle_interrupt() {
    // Four times what the receiver can hold: enough at any speed, and an end if it never empties.
    std::array<char, 64> bytes;
    std::size_t count = 0;
    while (count < bytes.size() && (in8(line_status) & data_ready) != 0)
        bytes[count++] = static_cast<char>(in8(com1));
    if (count != 0) add_input(std::span{bytes}.first(count));
}

} // namespace

void initialise_serial_input() {
    if (!serial::present()) return;
    if (const auto connected = connect_isa_interrupt(isa_line, handle_interrupt); !connected) {
        log("serial: no interrupt, no input: {}", connected.error());
        return;
    }
    out8(interrupt_enable, interrupt_on_data);
    // What came before the interrupt was on raises none.
    handle_interrupt();
}

} // namespace arch::console
