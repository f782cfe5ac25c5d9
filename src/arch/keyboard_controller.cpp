// SPDX-License-Identifier: MIT
// Talking to the i8042 through its two ports, with patience that ends (IBM PS/2 Hardware Interface
// Technical Reference, "Keyboard and Auxiliary Device Controller").
#include "arch/keyboard_controller.hpp"

#include "arch/port_io.hpp"

namespace arch::keyboard_controller {
namespace {

constexpr std::uint16_t data_port = 0x60;
constexpr std::uint16_t status_port = 0x64; // read
constexpr std::uint16_t command_port = 0x64;

constexpr std::uint8_t status_output_full = 0x01; // there is a byte to read
constexpr std::uint8_t status_input_full = 0x02;  // it has not taken the last byte yet
constexpr std::uint8_t status_from_mouse = 0x20;
constexpr std::uint8_t status_absent = 0xff; // nobody drives the bus

constexpr std::uint8_t command_read_configuration = 0x20;
constexpr std::uint8_t command_write_configuration = 0x60;
constexpr std::uint8_t command_disable_mouse = 0xa7;
constexpr std::uint8_t command_test = 0xaa; // answered with 0x55
constexpr std::uint8_t command_disable_keyboard = 0xad;
constexpr std::uint8_t command_enable_keyboard = 0xae;
constexpr std::uint8_t command_pulse_reset = 0xfe;

constexpr std::uint8_t configuration_keyboard_interrupt = 0x01;
constexpr std::uint8_t configuration_mouse_interrupt = 0x02;
constexpr std::uint8_t configuration_keyboard_off = 0x10;
constexpr std::uint8_t configuration_mouse_off = 0x20;
constexpr std::uint8_t configuration_translate = 0x40; // the keyboard's set 2 to set 1

constexpr std::uint8_t keyboard_enable_scanning = 0xf4; // answered with 0xfa

/// A port read takes about a microsecond on real machines.
constexpr unsigned polls = 100'000;
/// More bytes than any controller keeps.
constexpr unsigned flush_limit = 64;

std::uint8_t status() { return in8(status_port); }

bool wait_until_taken() {
    for (unsigned poll = 0; poll < polls; ++poll) {
        if ((status() & status_input_full) == 0) return true;
    }
    return false;
}

bool send_command(std::uint8_t command) {
    if (!wait_until_taken()) return false;
    out8(command_port, command);
    return true;
}

bool send_data(std::uint8_t value) {
    if (!wait_until_taken()) return false;
    out8(data_port, value);
    return true;
}

std::optional<std::uint8_t> wait_for_answer() {
    for (unsigned poll = 0; poll < polls; ++poll) {
        if ((status() & status_output_full) != 0) return in8(data_port);
    }
    return std::nullopt;
}

/// Throws away what was typed so far.
void flush() {
    for (unsigned i = 0; i < flush_limit && (status() & status_output_full) != 0; ++i)
        in8(data_port);
}

std::optional<std::uint8_t> read_configuration() {
    if (!send_command(command_read_configuration)) return std::nullopt;
    return wait_for_answer();
}

bool write_configuration(std::uint8_t configuration) {
    return send_command(command_write_configuration) && send_data(configuration);
}

} // namespace

bool initialise() {
    if (status() == status_absent) return false;
    if (!send_command(command_disable_keyboard) || !send_command(command_disable_mouse))
        return false;
    flush();
    const std::optional<std::uint8_t> found = read_configuration();
    if (!found) return false;

    // The test fails on some controllers that work, and resets the configuration of others: so its
    // answer is not looked at, and the configuration comes after it.
    if (send_command(command_test)) wait_for_answer();
    auto configuration = static_cast<std::uint8_t>(
        *found & ~(configuration_mouse_interrupt | configuration_keyboard_off));
    configuration |=
        configuration_keyboard_interrupt | configuration_mouse_off | configuration_translate;
    if (!write_configuration(configuration) || !send_command(command_enable_keyboard)) return false;
    // A keyboard that is not there does not answer; one may be plugged in later.
    if (send_data(keyboard_enable_scanning)) wait_for_answer();
    flush();
    return true;
}

std::optional<std::uint8_t> read_byte() {
    const std::uint8_t now = status();
    if (now == status_absent || (now & status_output_full) == 0) return std::nullopt;
    const std::uint8_t byte = in8(data_port);
    // Acknowledgement, which the decoder takes no notice of.
    return (now & status_from_mouse) != 0 ? std::uint8_t{0xfa} : byte;
}

void pulse_reset() {
    if (status() == status_absent) return;
    if (send_command(command_pulse_reset)) {
        for (unsigned poll = 0; poll < polls; ++poll) status();
    }
}

} // namespace arch::keyboard_controller
