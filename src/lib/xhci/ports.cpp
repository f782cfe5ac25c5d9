// SPDX-License-Identifier: MIT
// Root ports (xHCI 1.2, 4.3 and 4.19; USB 2.0, 7.1.7.3 for the times).
#include "lib/xhci/controller.hpp"

#include <algorithm>

namespace lib::xhci {
namespace {

/// After this time the contacts no longer bounce.
constexpr Nanoseconds settle_time = 100 * milliseconds;
constexpr Nanoseconds reset_patience = 800 * milliseconds;
/// A device need not answer earlier after a reset.
constexpr Nanoseconds recovery_time = 10 * milliseconds;
constexpr Nanoseconds wait_for_device = 100 * milliseconds;
constexpr std::uint8_t attempt_limit = 3;

} // namespace

bool Controller::busy() const {
    if (phase_ != Phase::running) return phase_ != Phase::dead;
    const auto on_its_way = [](const Port& port) {
        return port.state != PortState::empty && port.state != PortState::used &&
               port.state != PortState::refused;
    };
    const auto looked_at = [](const Device& device) {
        return device.step > Step::free && device.step < Step::ready;
    };
    return std::any_of(ports_.begin(), ports_.end(), on_its_way) ||
           std::any_of(devices_.begin(), devices_.end(), looked_at);
}

Device* Controller::device_of_port(std::uint8_t number) {
    for (Device& device : devices_) {
        if (device.step != Step::free && device.port == number) return &device;
    }
    return nullptr;
}

/// Looks at a port that changed or is due.
void Controller::check_port(std::uint8_t number) {
    const std::uint32_t status = window().read_port(number);
    if (status == ~0U) return; // the whole controller is gone: seen elsewhere
    if ((status & port_changes) != 0)
        window().write_port(number, (status & port_kept) | (status & port_changes));
    Port& port = ports_[number];
    if ((status & port_connected) == 0 || (status & port_connect_change) != 0) {
        // Whatever was there is gone, though something may be there again.
        if (Device* const device = device_of_port(number)) leave(*device);
        port = {.state = PortState::empty, .usb3 = port.usb3, .banned = port.banned};
    }
    if ((status & port_connected) == 0 || port.banned) return;
    advance_port(number, status);
}

void Controller::advance_port(std::uint8_t number, std::uint32_t status) {
    Port& port = ports_[number];
    const bool enabled = (status & port_enabled) != 0;
    const bool late = now_ >= port.until;
    switch (port.state) {
    case PortState::empty:
        port.state = PortState::settling;
        port.until = now_ + settle_time;
        break;
    case PortState::settling:
        if (late) reset_port(number, status);
        break;
    case PortState::resetting:
        if ((status & (port_reset | port_warm_reset)) == 0 && enabled) {
            port.state = PortState::recovering;
            port.until = now_ + recovery_time;
        } else if (late) {
            retry_port(number, "reset", "the port was not enabled");
        }
        break;
    case PortState::recovering:
        if (late) start_device(number, status);
        break;
    case PortState::used:
        // The controller disables a port where a device babbles beyond its frame.
        if (Device* const device = device_of_port(number); device != nullptr && !enabled)
            fail(*device, "the port was disabled");
        break;
    case PortState::refused: port.until = never; break;
    }
}

/// A port of USB 3 that trained its link needs no reset, the first time.
void Controller::reset_port(std::uint8_t number, std::uint32_t status) {
    Port& port = ports_[number];
    const bool enabled = (status & port_enabled) != 0;
    port.state = PortState::resetting;
    port.until = now_ + reset_patience;
    if (port.usb3 && enabled && port.attempts == 0) return advance_port(number, status);
    const bool warm = port.usb3 && !enabled;
    window().write_port(number, (status & port_kept) | (warm ? port_warm_reset : port_reset));
}

void Controller::start_device(std::uint8_t number, std::uint32_t status) {
    Port& port = ports_[number];
    const auto is_free = [](const Device& device) { return device.step == Step::free; };
    const auto found = std::find_if(devices_.begin(), devices_.end(), is_free);
    if (found == devices_.end()) {
        if (keyboards() < devices_.size()) { // one will turn out to be none
            port.until = now_ + wait_for_device;
            return;
        }
        log(Weight::problem, "port {}: not used: {} keyboards are enough", number, device_limit);
        return refuse_port(number);
    }
    const auto speed = static_cast<Speed>(status >> port_speed_shift & port_speed_mask);
    if (speed == Speed{}) return retry_port(number, "reset", "the device has no speed");
    if (found->memory.all.bytes == nullptr) {
        const auto memory =
            host_.allocate(host_.context, DeviceMemory::bytes, !window().reaches_all_memory());
        if (!memory) {
            log(Weight::problem, "port {}: not used: out of memory", number);
            return refuse_port(number);
        }
        found->memory.all = *memory;
    }
    found->clear();
    found->port = number;
    found->speed = speed;
    found->lights_shown = Device::light_unknown;
    port.state = PortState::used;
    port.until = never;
    begin(*found, Step::enable_slot);
}

/// Something went wrong: from the start again, unless it has too often.
void Controller::retry_port(std::uint8_t number, std::string_view what, std::string_view why) {
    Port& port = ports_[number];
    if (++port.attempts < attempt_limit) {
        log(Weight::detail, "port {}: {}: {}; tried again", number, what, why);
        port.state = PortState::settling;
        port.until = now_ + settle_time;
        return;
    }
    log(Weight::problem, "port {}: switched off: {}: {}", number, what, why);
    refuse_port(number);
    const std::uint32_t status = window().read_port(number);
    if ((status & port_enabled) != 0)
        window().write_port(number, (status & port_kept) | port_enabled);
}

/// Nothing more is done with what is connected there.
void Controller::refuse_port(std::uint8_t number) {
    ports_[number].state = PortState::refused;
    ports_[number].until = never;
}

} // namespace lib::xhci
