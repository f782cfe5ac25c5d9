// SPDX-License-Identifier: MIT
// Scan codes to bytes, one interrupt at a time.
#include "arch/keyboard.hpp"

#include "arch/console/input.hpp"
#include "arch/keyboard_controller.hpp"
#include "arch/log.hpp"
#include "arch/trap/interrupts.hpp"
#include "lib/keyboard.hpp"

#include <string_view>

namespace arch::keyboard {
namespace {

constexpr unsigned isa_line = 1;
/// Bytes read in one interrupt at most, should the controller never say that it is empty.
constexpr unsigned bytes_per_interrupt = 64;

constinit lib::ScanCodeDecoder decoder;
constinit lib::UsKeyboard layout;

void handle_interrupt() {
    for (unsigned i = 0; i < bytes_per_interrupt; ++i) {
        const auto byte = keyboard_controller::read_byte();
        if (!byte) return;
        const auto event = decoder.push(*byte);
        if (!event) continue;
        const std::string_view text = layout.push(*event);
        if (!text.empty()) console::add_input(text);
    }
}

} // namespace

void initialise() {
    if (!keyboard_controller::initialise()) {
        log("keyboard: no PS/2 controller");
        return;
    }
    if (const auto connected = connect_isa_interrupt(isa_line, handle_interrupt); !connected)
        log("keyboard: no interrupt, no input: {}", connected.error());
}

} // namespace arch::keyboard
