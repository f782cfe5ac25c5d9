// SPDX-License-Identifier: MIT
// Scan codes to key events, one interrupt at a time; key events to bytes.
#include "arch/keyboard.hpp"

#include "arch/console/input.hpp"
#include "arch/keyboard_controller.hpp"
#include "arch/log.hpp"
#include "arch/trap/interrupts.hpp"
#include "lib/keyboard.hpp"
#include "lib/usb/boot_keyboard.hpp"

#include <string_view>

namespace arch::keyboard {
namespace {

constexpr unsigned isa_line = 1;
/// Bytes read in one interrupt at most, should the controller never say that it is empty.
constexpr unsigned bytes_per_interrupt = 64;

constinit bool controller_found = false;
constinit lib::ScanCodeDecoder decoder;
constinit lib::UsKeyboard layout;
constinit LightsChanged lights_changed = nullptr;

void handle_interrupt() {
    for (unsigned i = 0; i < bytes_per_interrupt; ++i) {
        const auto byte = keyboard_controller::read_byte();
        if (!byte) return;
        if (const auto event = decoder.push(*byte)) add_event(*event);
    }
}

} // namespace

void initialise() {
    if (!keyboard_controller::initialise()) {
        log("keyboard: no PS/2 controller");
        return;
    }
    controller_found = true;
    if (const auto connected = connect_isa_interrupt(isa_line, handle_interrupt); !connected)
        log("keyboard: no interrupt, no input: {}", connected.error());
}

bool has_controller() { return controller_found; }

void add_event(lib::KeyEvent event) {
    const std::uint8_t before = lights();
    const std::string_view text = layout.push(event);
    if (!text.empty()) console::add_input(text);
    if (lights() != before && lights_changed != nullptr) lights_changed();
}

std::uint8_t lights() { return lib::usb::light_report(layout.num_lock(), layout.caps_lock()); }

void on_lights_change(LightsChanged changed) { lights_changed = changed; }

} // namespace arch::keyboard
