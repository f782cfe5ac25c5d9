// SPDX-License-Identifier: MIT
// Control requests (USB 2.0, ch. 9.3 and 9.4; HID 1.11, ch. 7.2).
#pragma once

#include "lib/usb/descriptors.hpp"

#include <cstdint>

namespace lib::usb {

/// A setup packet, its fields in the order of the 8 bytes.
struct Setup {
    std::uint8_t type = 0;
    std::uint8_t request = 0;
    std::uint16_t value = 0;
    std::uint16_t index = 0;
    std::uint16_t length = 0;

    constexpr bool to_host() const { return (type & 0x80) != 0; }
    /// The 8 bytes as a little-endian number.
    constexpr std::uint64_t packed() const {
        return type | std::uint64_t{request} << 8 | std::uint64_t{value} << 16 |
               std::uint64_t{index} << 32 | std::uint64_t{length} << 48;
    }
    constexpr bool operator==(const Setup&) const = default;
};

inline constexpr std::uint8_t from_device = 0x80;
inline constexpr std::uint8_t to_endpoint = 0x02;
inline constexpr std::uint8_t class_to_interface = 0x21;

constexpr Setup get_descriptor(std::uint8_t descriptor, std::uint16_t length) {
    return {from_device, 6, static_cast<std::uint16_t>(descriptor << 8), 0, length};
}
constexpr Setup set_configuration(std::uint8_t value) { return {0, 9, value, 0, 0}; }
/// Makes an endpoint towards the host go on after a stall.
constexpr Setup clear_endpoint_halt(std::uint8_t endpoint) {
    return {to_endpoint, 1, 0, static_cast<std::uint16_t>(0x80 | endpoint), 0};
}
constexpr Setup set_boot_protocol(std::uint8_t interface) {
    return {class_to_interface, 0x0B, 0, interface, 0};
}
/// A report only when something changed.
constexpr Setup set_idle_for_ever(std::uint8_t interface) {
    return {class_to_interface, 0x0A, 0, interface, 0};
}
/// The output report, of one byte: the lights.
constexpr Setup set_lights(std::uint8_t interface) {
    return {class_to_interface, 0x09, 0x0200, interface, 1};
}

} // namespace lib::usb
