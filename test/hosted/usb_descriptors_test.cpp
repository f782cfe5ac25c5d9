// SPDX-License-Identifier: MIT
// Descriptors as keyboards have them, and as no device should.
#include "lib/usb/descriptors.hpp"
#include "lib/usb/requests.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

using namespace lib::usb;

namespace {

using Text = std::vector<std::uint8_t>;

lib::Bytes bytes(const Text& text) { return std::as_bytes(std::span(text)); }

/// A whole configuration of the given descriptors behind its header.
Text configuration(std::initializer_list<Text> parts) {
    Text all = {9, 2, 0, 0, 1, 7, 0, 0xA0, 50};
    for (const Text& part : parts) all.insert(all.end(), part.begin(), part.end());
    all[2] = static_cast<std::uint8_t>(all.size());
    all[3] = static_cast<std::uint8_t>(all.size() >> 8);
    return all;
}
Text interface(std::uint8_t number, std::uint8_t kind, std::uint8_t subclass, std::uint8_t protocol,
               std::uint8_t alternate = 0) {
    return {9, 4, number, alternate, 1, kind, subclass, protocol, 0};
}
Text endpoint(std::uint8_t address, std::uint8_t type, std::uint16_t size) {
    return {
        7, 5, address, type, static_cast<std::uint8_t>(size), static_cast<std::uint8_t>(size >> 8),
        10};
}
const Text hid{9, 0x21, 0x11, 1, 0, 1, 0x22, 63, 0};

const Text keyboard = configuration({interface(0, 3, 1, 1), hid, endpoint(0x81, 3, 8)});

} // namespace

TEST_CASE("usb descriptors: a keyboard") {
    const auto found = find_keyboard(bytes(keyboard));
    REQUIRE(found.ok());
    CHECK(found->configuration == 7);
    CHECK(found->interface == 0);
    CHECK(found->endpoint == 1);
    CHECK(found->packet_bytes == 8);
    CHECK(found->interval == 10);
}

TEST_CASE("usb descriptors: the keyboard among other interfaces") {
    const auto found = find_keyboard(bytes(configuration(
        {interface(0, 3, 1, 2), hid, endpoint(0x81, 3, 4),    // a mouse
         interface(1, 3, 0, 0), hid, endpoint(0x82, 3, 64),   // keys for media
         interface(2, 3, 1, 1, 1), endpoint(0x85, 3, 8),      // an alternate setting
         interface(3, 3, 1, 1), hid, endpoint(0x02, 3, 8),    // from the host
         endpoint(0x86, 2, 8), endpoint(0x83, 3, 0x1008)}))); // bulk; two packets a frame
    REQUIRE(found.ok());
    CHECK(found->interface == 3);
    CHECK(found->endpoint == 3);
    CHECK(found->packet_bytes == 8);
}

TEST_CASE("usb descriptors: no keyboard") {
    for (const Text& text :
         {configuration({}), configuration({interface(0, 8, 6, 80), endpoint(0x81, 2, 512)}),
          configuration({interface(0, 3, 1, 1), hid}),                      // no endpoint
          configuration({endpoint(0x81, 3, 8), interface(0, 3, 1, 1)}),     // of another
          configuration({interface(0, 3, 1, 1), endpoint(0x80, 3, 8)}),     // endpoint 0
          configuration({interface(0, 3, 1, 1), endpoint(0x81, 3, 0)}),     // packets of nothing
          configuration({interface(0, 3, 1, 1), endpoint(0x81, 3, 0x7FF)}), // too long
          configuration({{9, 4, 0, 0}, endpoint(0x81, 3, 8)})})
        CHECK(find_keyboard(bytes(text)).error() == Error::not_found);
}

TEST_CASE("usb descriptors: lengths that lie") {
    for (const std::uint8_t length : std::to_array<std::uint8_t>({0, 1, 200, 255})) {
        Text text = keyboard;
        text[9] = length; // of the interface
        CHECK(find_keyboard(bytes(text)).error() == Error::not_found);
    }
    Text endless = configuration({});
    endless.resize(1024); // zeros: descriptors without length
    CHECK(find_keyboard(bytes(endless)).error() == Error::not_found);
    Text short_interface = keyboard;
    short_interface[9] = 8;
    CHECK(find_keyboard(bytes(short_interface)).error() == Error::not_found);
    for (std::size_t size = 0; size < keyboard.size(); ++size) {
        const Text cut(keyboard.begin(), keyboard.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK(find_keyboard(bytes(cut)).error() ==
              (size < 9 ? Error::bad_format : Error::not_found));
    }
}

TEST_CASE("usb descriptors: random bytes are read without harm") {
    std::mt19937 random(3);
    for (int round = 0; round < 20'000; ++round) {
        Text text(random() % 80);
        for (auto& byte : text) byte = static_cast<std::uint8_t>(random() % 16);
        if (text.size() > 9 && random() % 2 == 0) std::copy_n(keyboard.begin(), 9, text.begin());
        const auto found = find_keyboard(bytes(text));
        if (!found) continue;
        CHECK((found->endpoint >= 1 && found->endpoint <= 15));
        CHECK((found->packet_bytes >= 1 && found->packet_bytes <= 1024));
    }
}

TEST_CASE("usb descriptors: the device's own") {
    Text text = {18, 1, 0, 2, 9, 0, 1, 64, 0x27, 0x06, 0x01, 0x00, 0, 0, 1, 2, 3, 1};
    const auto device = read_device_descriptor(bytes(text));
    REQUIRE(device.ok());
    CHECK(device->device_class == class_hub);
    CHECK(device->vendor == 0x0627);
    CHECK(device->product == 1);
    CHECK(device->configurations == 1);
    for (std::size_t size = 0; size < text.size(); ++size)
        CHECK_FALSE(read_device_descriptor(bytes(text).first(size)).ok());
    text[0] = 17;
    CHECK_FALSE(read_device_descriptor(bytes(text)).ok());
    text[0] = 18;
    text[1] = 2;
    CHECK_FALSE(read_device_descriptor(bytes(text)).ok());
}

TEST_CASE("usb descriptors: bytes in a packet") {
    auto packet = [](std::uint8_t value, bool exponent) -> int {
        const Text text = {18, 1, 0, 2, 0, 0, 0, value};
        const auto size = read_control_packet_bytes(bytes(text), exponent);
        return size.ok() ? *size : -1;
    };
    for (const int size : {8, 16, 32, 64})
        CHECK(packet(static_cast<std::uint8_t>(size), false) == size);
    for (const std::uint8_t size : std::to_array<std::uint8_t>({0, 1, 7, 9, 128, 255}))
        CHECK(packet(size, false) == -1);
    CHECK(packet(9, true) == 512);
    for (const std::uint8_t size : std::to_array<std::uint8_t>({0, 8, 10, 64, 255}))
        CHECK(packet(size, true) == -1);
    CHECK_FALSE(read_control_packet_bytes(bytes(Text{18, 1, 0, 2, 0, 0, 0}), false).ok());
    CHECK_FALSE(read_control_packet_bytes(bytes(Text{18, 2, 0, 2, 0, 0, 0, 8}), false).ok());
}

TEST_CASE("usb requests: setup packets byte by byte") {
    CHECK(get_descriptor(descriptor_device, 18).packed() == 0x0012'0000'0100'0680);
    CHECK(set_configuration(7).packed() == 0x0000'0000'0007'0900);
    CHECK(set_boot_protocol(2).packed() == 0x0000'0002'0000'0B21);
    CHECK(set_idle_for_ever(2).packed() == 0x0000'0002'0000'0A21);
    CHECK(set_lights(2).packed() == 0x0001'0002'0200'0921);
    CHECK(clear_endpoint_halt(3).packed() == 0x0000'0083'0000'0102);
    CHECK(get_descriptor(descriptor_device, 18).to_host());
    CHECK_FALSE(set_lights(0).to_host());
}
