// SPDX-License-Identifier: MIT
// The xHCI driver on a modelled controller: the way of a keyboard from a port to its keys.
#include "shim/usb_rig.hpp"

#include <doctest/doctest.h>

using lib::Key;
using lib::KeyEvent;
using lib::usb::Setup;
using lib::xhci::Completion;
using lib::xhci::Speed;
using shim::UsbAnswer;
using shim::UsbDevice;
using shim::UsbRig;
using shim::XhciModel;

namespace {

constexpr std::uint8_t a = 0x04;
constexpr std::uint8_t b = 0x05;

void type(UsbRig& rig, UsbDevice& device, std::initializer_list<std::uint8_t> usages) {
    for (const std::uint8_t usage : usages) {
        device.report(0, {usage});
        device.report(0, {});
    }
    rig.deliver();
}

} // namespace

TEST_CASE("xhci: a keyboard from the port to its keys") {
    for (const auto& [speed, port, packet] :
         {std::tuple{Speed::low, 1, 8}, std::tuple{Speed::full, 2, 8},
          std::tuple{Speed::full, 2, 64}, std::tuple{Speed::high, 4, 64},
          std::tuple{Speed::super, 5, 9}, std::tuple{Speed{6}, 8, 9}}) {
        for (const std::uint32_t context_bytes : {32U, 64U}) {
            UsbRig rig;
            UsbDevice device;
            device.speed = speed;
            device.device_descriptor[7] = static_cast<std::uint8_t>(packet);
            rig.model.context_bytes = context_bytes;
            rig.model.plug(static_cast<std::uint8_t>(port), device);
            rig.start();
            INFO(rig.story());
            REQUIRE(rig.driver->running());
            CHECK_FALSE(rig.driver->busy());
            CHECK(rig.driver->keyboards() == 1);
            CHECK(rig.said("keyboard 1234:5678"));
            CHECK(device.count(lib::usb::set_configuration(1)) == 1);
            CHECK(device.count(lib::usb::set_boot_protocol(0)) == 1);
            CHECK(device.count(lib::usb::set_idle_for_ever(0)) == 1);
            // The link of USB 3 trains by itself.
            CHECK(rig.model.resets[static_cast<std::uint8_t>(port)] == (port > 4 ? 0 : 1));
            type(rig, device, {a, b});
            CHECK(rig.typed() == "ab");
            CHECK(rig.model.complaints.empty());
        }
    }
}

TEST_CASE("xhci: a link of USB 3 that does not train gets a warm reset") {
    UsbRig rig;
    UsbDevice device;
    device.speed = Speed::super;
    device.device_descriptor[7] = 9;
    rig.model.links_train = false;
    rig.model.plug(6, device);
    rig.start();
    INFO(rig.story());
    CHECK(rig.driver->keyboards() == 1);
    CHECK(rig.model.resets[6] == 1);
    CHECK(rig.model.complaints.empty());
}

TEST_CASE("xhci: intervals of every speed, never more often than each millisecond") {
    using lib::xhci::interval_exponent;
    for (const Speed speed : {Speed::low, Speed::full}) {
        CHECK(interval_exponent(speed, 0) == 3);
        CHECK(interval_exponent(speed, 1) == 3);
        CHECK(interval_exponent(speed, 8) == 6);
        CHECK(interval_exponent(speed, 10) == 6);
        CHECK(interval_exponent(speed, 255) == 10);
    }
    for (const Speed speed : {Speed::high, Speed::super}) {
        CHECK(interval_exponent(speed, 0) == 3);
        CHECK(interval_exponent(speed, 1) == 3);
        CHECK(interval_exponent(speed, 4) == 3);
        CHECK(interval_exponent(speed, 7) == 6);
        CHECK(interval_exponent(speed, 255) == 15);
    }
}

TEST_CASE("xhci: thousands of reports, rings that go round many times") {
    UsbRig rig;
    UsbDevice device;
    rig.model.plug(3, device);
    rig.start();
    std::string expected;
    for (int i = 0; i < 3000; ++i) {
        const auto usage = static_cast<std::uint8_t>(a + i % 26);
        type(rig, device, {usage});
        expected += static_cast<char>('a' + i % 26);
        rig.driver->set_lights(static_cast<std::uint8_t>(i % 4)); // the ring of endpoint 0, too
    }
    INFO(rig.story());
    CHECK(rig.typed() == expected);
    CHECK(device.lights.size() > 2000);
    CHECK(rig.model.complaints.empty());
}

TEST_CASE("xhci: a held key repeats by the clock, and no more when it is unplugged") {
    UsbRig rig;
    UsbDevice device;
    rig.model.plug(1, device);
    rig.start();
    device.report(0, {a});
    rig.deliver(10);
    CHECK(rig.typed() == "a");
    rig.pass(600);
    CHECK(rig.typed().size() > 3);
    rig.model.unplug(1);
    rig.pass(10);
    const auto size = rig.typed().size();
    CHECK(rig.model.keys.back() == KeyEvent{Key{0x1E}, false});
    rig.pass(2000);
    CHECK(rig.typed().size() == size);
}

TEST_CASE("xhci: lights are sent at first, and when they change") {
    UsbRig rig;
    UsbDevice first;
    UsbDevice second;
    rig.driver->set_lights(1);
    rig.model.plug(1, first);
    rig.start();
    CHECK(first.lights == shim::UsbBytes{0});
    rig.driver->set_lights(3);
    rig.driver->service(rig.now);
    rig.model.plug(2, second);
    rig.pass(500);
    rig.driver->set_lights(2);
    rig.driver->service(rig.now);
    rig.pass(10);
    CHECK(first.lights == shim::UsbBytes{0, 3, 2});
    CHECK(second.lights == shim::UsbBytes{3, 2});
    // A keyboard without lights is one all the same.
    first.special = [](const Setup& setup) -> std::optional<UsbAnswer> {
        if (setup.request == 9 && setup.type == 0x21) return UsbAnswer::stall();
        return std::nullopt;
    };
    rig.driver->set_lights(0);
    rig.driver->service(rig.now);
    rig.pass(10);
    type(rig, first, {a});
    rig.driver->set_lights(1);
    rig.driver->service(rig.now);
    rig.pass(10);
    type(rig, first, {b});
    CHECK(rig.typed() == "ab");
    INFO(rig.story());
    CHECK(rig.model.complaints.empty());
}

TEST_CASE("xhci: plug and unplug, again and again") {
    UsbRig rig;
    UsbDevice device;
    rig.start();
    CHECK(rig.driver->due() == lib::xhci::never);
    std::size_t taken = 0;
    for (int round = 0; round < 300; ++round) {
        const auto port = static_cast<std::uint8_t>(1 + round % XhciModel::ports);
        device.speed = port > 4 ? Speed::super : Speed::high;
        device.device_descriptor[7] = port > 4 ? 9 : 64;
        rig.model.plug(port, device);
        // Also while it is still on its way.
        rig.pass(round % 3 == 0 ? 110 : round % 3 == 1 ? 125 : 1000);
        if (round % 3 == 2) CHECK(rig.driver->keyboards() == 1);
        rig.model.unplug(port);
        rig.pass(100);
        CHECK(rig.model.slots_in_use() == 0);
        CHECK_FALSE(rig.driver->busy());
        if (round == 30) taken = rig.model.memory_taken;
    }
    INFO(rig.story());
    CHECK(rig.model.memory_taken == taken);
    CHECK(rig.model.complaints.empty());
}

TEST_CASE("xhci: pulled out and put back between two looks") {
    UsbRig rig;
    UsbDevice device;
    rig.model.plug(1, device);
    rig.start();
    rig.model.unplug(1);
    rig.model.plug(1, device);
    rig.pass(1000);
    CHECK(device.addressed == 2);
    type(rig, device, {a});
    CHECK(rig.typed() == "a");
    CHECK(rig.model.slots_in_use() == 1);
    CHECK(rig.model.complaints.empty());
}

TEST_CASE("xhci: unplugged in the middle of a command") {
    for (unsigned prompt = 0; prompt < 4; ++prompt) {
        UsbRig rig;
        UsbDevice device;
        device.device_descriptor[7] = 64;
        rig.model.prompt_commands = prompt;
        rig.model.plug(1, device);
        rig.start(1000);
        CHECK(rig.driver->keyboards() == 0);
        rig.model.unplug(1);
        rig.pass(10);
        UsbDevice other;
        rig.model.plug(1, other);
        rig.pass(10);
        rig.model.go_on();
        rig.pass(1000);
        INFO(rig.story());
        CHECK(rig.driver->keyboards() == 1);
        CHECK(rig.model.slots_in_use() == 1);
        CHECK(other.addressed == 1);
        CHECK(rig.model.controller_resets == 1);
        type(rig, other, {a});
        CHECK(rig.typed() == "a");
        CHECK(rig.model.complaints.empty());
    }
}

TEST_CASE("xhci: as many keyboards as there are ports, each with its keys") {
    UsbRig rig;
    std::array<UsbDevice, XhciModel::ports> devices;
    for (std::uint8_t port = 1; port <= XhciModel::ports; ++port) {
        devices[port - 1].speed = port > 4 ? Speed::super : Speed::full;
        devices[port - 1].device_descriptor[7] = port > 4 ? 9 : 8;
        rig.model.plug(port, devices[port - 1]);
    }
    rig.start();
    INFO(rig.story());
    CHECK(rig.driver->keyboards() == XhciModel::ports);
    std::string expected;
    for (std::uint8_t i = 0; i < XhciModel::ports; ++i) {
        type(rig, devices[i], {static_cast<std::uint8_t>(a + i)});
        expected += static_cast<char>('a' + i);
    }
    CHECK(rig.typed() == expected);
    CHECK(rig.model.complaints.empty());
}

TEST_CASE("xhci: devices that are no keyboards are left alone, hubs are named") {
    UsbRig rig;
    UsbDevice storage;
    storage.configuration = {9,  2, 32, 0, 1,    1, 0,  0x80, 50, 9, 4, 0, 0, 2,  8, 6,
                             80, 0, 7,  5, 0x81, 2, 64, 0,    0,  7, 5, 2, 2, 64, 0, 0};
    UsbDevice hub;
    hub.device_descriptor[4] = 9;
    rig.model.plug(1, storage);
    rig.model.plug(2, hub);
    rig.start();
    CHECK(rig.said("port 1: 1234:5678 is no keyboard"));
    CHECK(rig.said("!port 2: hub, not supported"));
    CHECK(rig.driver->keyboards() == 0);
    CHECK(rig.model.slots_in_use() == 0);
    CHECK(rig.driver->due() == lib::xhci::never);
    UsbDevice keyboard;
    rig.model.unplug(2);
    rig.pass(10);
    rig.model.plug(2, keyboard);
    rig.pass(1000);
    CHECK(rig.driver->keyboards() == 1);
    CHECK(rig.model.complaints.empty());
}

TEST_CASE("xhci: a keyboard may refuse what keyboards need not do") {
    UsbRig rig;
    UsbDevice device;
    device.special = [](const Setup& setup) -> std::optional<UsbAnswer> {
        if (setup.type == 0x21) return UsbAnswer::stall();
        return std::nullopt;
    };
    rig.model.plug(1, device);
    rig.start();
    type(rig, device, {a});
    INFO(rig.story());
    CHECK(rig.typed() == "a");
    CHECK(rig.model.complaints.empty());
}

TEST_CASE("xhci: endpoints that stall, babble or fail go on") {
    for (const Completion error :
         {Completion::stall, Completion::babble, Completion::transaction_error}) {
        UsbRig rig;
        UsbDevice device;
        rig.model.plug(1, device);
        rig.start();
        for (int round = 0; round < 50; ++round) {
            for (int times = 0; times < 4; ++times) device.reports.push_back({error, {}});
            type(rig, device, {a});
        }
        INFO(rig.story());
        CHECK(rig.typed() == std::string(50, 'a'));
        CHECK(device.addressed == 1);
        CHECK(device.count(lib::usb::clear_endpoint_halt(1)) == 200);
        CHECK(rig.model.complaints.empty());
    }
}

TEST_CASE("xhci: a keyboard whose reports always fail is started afresh, then switched off") {
    UsbRig rig;
    UsbDevice device;
    rig.model.plug(1, device);
    rig.start();
    for (int i = 0; i < 1000; ++i) device.reports.push_back({Completion::transaction_error, {}});
    rig.deliver(5000);
    INFO(rig.story());
    CHECK(device.addressed == 3);
    CHECK(rig.said("!port 1: switched off: reports: transaction error"));
    CHECK((rig.model.port_status(1) & 2) == 0);
    CHECK(rig.model.slots_in_use() == 0);
    rig.pass(10'000);
    CHECK(device.addressed == 3);
    // Until it is plugged in again.
    device.reports.clear();
    rig.model.unplug(1);
    rig.pass(10);
    rig.model.plug(1, device);
    rig.pass(1000);
    type(rig, device, {a});
    CHECK(rig.typed() == "a");
    CHECK(rig.model.complaints.empty());
}
