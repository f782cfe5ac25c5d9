// SPDX-License-Identifier: MIT
// A walk over descriptors: each tells its own length.
#include "lib/usb/descriptors.hpp"

#include <optional>

namespace lib::usb {
namespace {

constexpr std::uint8_t subclass_boot = 1;
constexpr std::uint8_t protocol_keyboard = 1;
constexpr std::size_t interface_bytes = 9;
constexpr std::size_t endpoint_bytes = 7;
constexpr std::uint16_t packet_limit = 1024;

std::uint8_t byte_at(Bytes bytes, std::size_t at) {
    return std::to_integer<std::uint8_t>(bytes[at]);
}

/// Takes the next descriptor off `bytes`; none at the end, or where the length can't be true.
std::optional<Bytes> take_descriptor(Bytes& bytes) {
    if (bytes.size() < 2) return std::nullopt;
    const std::size_t length = byte_at(bytes, 0);
    if (length < 2 || length > bytes.size()) return std::nullopt;
    const Bytes descriptor = bytes.first(length);
    bytes = bytes.subspan(length);
    return descriptor;
}

bool is_keyboard(Bytes interface) {
    return interface.size() >= interface_bytes && byte_at(interface, 3) == 0 && // not alternate
           byte_at(interface, 5) == class_hid && byte_at(interface, 6) == subclass_boot &&
           byte_at(interface, 7) == protocol_keyboard;
}

/// Whether it is an interrupt endpoint towards the host that can be used.
bool take_endpoint(Bytes descriptor, KeyboardInterface& keyboard) {
    if (descriptor.size() < endpoint_bytes) return false;
    const std::uint8_t address = byte_at(descriptor, 2);
    const bool to_host = (address & 0x80) != 0;
    const bool interrupt = (byte_at(descriptor, 3) & 3) == 3;
    if (!to_host || !interrupt || (address & 0x0F) == 0) return false;
    const unsigned size = byte_at(descriptor, 4) | unsigned{byte_at(descriptor, 5)} << 8;
    keyboard.packet_bytes = static_cast<std::uint16_t>(size & 0x7FF); // above: packets a frame
    if (keyboard.packet_bytes == 0 || keyboard.packet_bytes > packet_limit) return false;
    keyboard.endpoint = address & 0x0F;
    keyboard.interval = byte_at(descriptor, 6);
    return true;
}

} // namespace

Result<DeviceDescriptor> read_device_descriptor(Bytes bytes) {
    if (bytes.size() < device_descriptor_bytes || byte_at(bytes, 0) < device_descriptor_bytes ||
        byte_at(bytes, 1) != descriptor_device)
        return Error::bad_format;
    DeviceDescriptor device;
    device.device_class = byte_at(bytes, 4);
    device.vendor = TRY(read_record<std::uint16_t>(bytes, 8));
    device.product = TRY(read_record<std::uint16_t>(bytes, 10));
    device.configurations = byte_at(bytes, 17);
    return device;
}

Result<std::uint16_t> read_control_packet_bytes(Bytes bytes, bool exponent) {
    if (bytes.size() < device_descriptor_start_bytes || byte_at(bytes, 1) != descriptor_device)
        return Error::bad_format;
    const std::uint8_t value = byte_at(bytes, 7);
    if (exponent) return value == 9 ? Result<std::uint16_t>{std::uint16_t{512}} : Error::bad_format;
    if (value != 8 && value != 16 && value != 32 && value != 64) return Error::bad_format;
    return std::uint16_t{value};
}

Result<std::uint16_t> read_configuration_bytes(Bytes header) {
    if (header.size() < configuration_header_bytes ||
        byte_at(header, 0) < configuration_header_bytes ||
        byte_at(header, 1) != descriptor_configuration)
        return Error::bad_format;
    const auto length = TRY(read_record<std::uint16_t>(header, 2));
    if (length < configuration_header_bytes) return Error::bad_format;
    return length;
}

Result<KeyboardInterface> find_keyboard(Bytes configuration) {
    TRY(read_configuration_bytes(configuration));
    KeyboardInterface keyboard;
    keyboard.configuration = byte_at(configuration, 5);
    bool within = false; // an interface of a keyboard
    while (const std::optional<Bytes> descriptor = take_descriptor(configuration)) {
        const std::uint8_t type = byte_at(*descriptor, 1);
        if (type == descriptor_interface) {
            within = is_keyboard(*descriptor);
            if (within) keyboard.interface = byte_at(*descriptor, 2);
        } else if (type == descriptor_endpoint && within && take_endpoint(*descriptor, keyboard)) {
            return keyboard;
        }
    }
    return Error::not_found;
}

} // namespace lib::usb
