// SPDX-License-Identifier: MIT
// What a device says about itself (USB 2.0, ch. 9.6). A device may say anything: every length is
// checked against what really arrived.
#pragma once

#include "lib/bytes.hpp"

#include <cstdint>

namespace lib::usb {

inline constexpr std::uint8_t descriptor_device = 1;
inline constexpr std::uint8_t descriptor_configuration = 2;
inline constexpr std::uint8_t descriptor_interface = 4;
inline constexpr std::uint8_t descriptor_endpoint = 5;

inline constexpr std::uint8_t class_hid = 3;
inline constexpr std::uint8_t class_hub = 9;

inline constexpr std::uint16_t device_descriptor_bytes = 18;
inline constexpr std::uint16_t configuration_header_bytes = 9;
/// Of the device descriptor: as much as every device sends in one packet, its packet size at the
/// end.
inline constexpr std::uint16_t device_descriptor_start_bytes = 8;

struct DeviceDescriptor {
    std::uint8_t device_class = 0; ///< 0: the interfaces tell
    std::uint16_t vendor = 0;
    std::uint16_t product = 0;
    std::uint8_t configurations = 0;
};
/// Reads a whole device descriptor. bad_format: too short, or another one.
Result<DeviceDescriptor> read_device_descriptor(Bytes bytes);

/// Bytes in a packet to endpoint 0, from the descriptor's first 8 bytes. `exponent`: the number is
/// a power of two, as devices of USB 3 tell it. bad_format: none of the sizes that there are.
Result<std::uint16_t> read_control_packet_bytes(Bytes bytes, bool exponent);

/// bytes of the whole configuration, from its header. bad_format: shorter than the header.
Result<std::uint16_t> read_configuration_bytes(Bytes header);

/// An interface that speaks the boot protocol of keyboards, and its endpoint for reports.
struct KeyboardInterface {
    std::uint8_t configuration = 0; ///< to be selected with SET_CONFIGURATION
    std::uint8_t interface = 0;
    std::uint8_t endpoint = 0;      ///< 1 to 15, towards the host
    std::uint8_t interval = 0;      ///< in the units of the device's speed
    std::uint16_t packet_bytes = 0; ///< 1 to 1024
};
/// The first such interface of a configuration. not_found: there is none; bad_format: what
/// arrived is no configuration. Bytes behind a malformed descriptor are not looked at.
Result<KeyboardInterface> find_keyboard(Bytes configuration);

} // namespace lib::usb
